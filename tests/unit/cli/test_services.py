"""A service in a terminal: what it is told."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from streamlabel.cli.services import service_environment
from streamlabel.local import stack_file
from streamlabel.local.child import ProcessIdentity
from streamlabel.local.places import DataDir
from streamlabel.local.stack_file import StackPhase, StackState
from support.command_line import streamlabel

KAFKA = "STREAMLABEL_KAFKA_BOOTSTRAP_SERVERS"


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    state = StackState(
        phase=StackPhase.READY,
        supervisor=ProcessIdentity(pid=1, started_ticks=1, boot_id="b"),
        started_at=0.0,
        ports={},
        environment={KAFKA: "127.0.0.1:7", "STREAMLABEL_CLI_INGEST_ADDRESS": "127.0.0.1:8"},
    )
    DataDir(tmp_path).create()
    stack_file.write(DataDir(tmp_path), state)
    return tmp_path


def test_flags_beat_the_environment_and_both_beat_the_stack(stack: Path) -> None:
    def kafka(chosen: dict[str, object], environ: dict[str, str]) -> str | None:
        return service_environment(chosen, None, stack, environ).get(KAFKA)

    assert kafka({}, {}) == "127.0.0.1:7"
    assert kafka({}, {KAFKA: "env:1"}) == "env:1"
    assert kafka({"kafka_bootstrap_servers": "flag:1"}, {KAFKA: "env:1"}) == "flag:1"


def test_a_service_hears_nothing_of_the_command_lines_own_keys(stack: Path) -> None:
    assert "STREAMLABEL_CLI_INGEST_ADDRESS" not in service_environment({}, None, stack, {})


def test_any_setting_may_be_set(tmp_path: Path) -> None:
    environment = service_environment({}, ["http_port=1", "STREAMLABEL_LOG_LEVEL=debug"], tmp_path, {})
    assert environment["STREAMLABEL_HTTP_PORT"] == "1"
    assert environment["STREAMLABEL_LOG_LEVEL"] == "debug"
    with pytest.raises(typer.BadParameter, match="KEY=VALUE"):
        service_environment({}, ["http_port"], tmp_path, {})


def test_the_process_becomes_the_service(tmp_path: Path) -> None:
    environ = {"STREAMLABEL_DATA_DIR": str(tmp_path)}
    flags = ("--source-topic", "shop.orders", "--source-project", "orders", "--print-settings")
    ran = streamlabel("ingest", *flags, environ=environ)
    assert ran.code == 0, ran.err
    assert "STREAMLABEL_INGEST_SOURCE_TOPIC=shop.orders" in ran.out.splitlines()
    wrong = streamlabel("ingest", "--source-topic", "shop.orders", environ=environ)
    assert wrong.code == 78
    assert "come as a pair" in wrong.err
