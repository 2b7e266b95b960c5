"""A command that waits says so at once, and ends with the way out."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest

from streamlabel.cli.connection import run
from streamlabel.cli.record_sources import source_at
from streamlabel.cli.records import Sending
from streamlabel.cli.send_progress import SendProgress
from streamlabel.client.retry import Patience
from streamlabel.errors import TransientError
from streamlabel.local.places import DataDir
from streamlabel.local.ports import choose
from support.command_line import streamlabel
from support.scripted_ingest import ScriptedIngest, serving

QUICK = Patience(base_s=0.01, cap_s=0.05, give_up_s=0.5)


@pytest.fixture
def sending(tmp_path: Path) -> Sending:
    source = tmp_path / "mail.jsonl"
    source.write_text('{"record_id": "1", "text": "a"}\n{"record_id": "2", "text": "b"}\n')
    found = source_at(str(source), project="mail")
    return Sending(
        source=found,
        progress=SendProgress(DataDir.at(tmp_path / "data"), found, "door"),
        skip=0,
        limit=None,
        rejects=tmp_path / "rejects.jsonl",
        show_bar=False,
        patience=QUICK,
    )


def test_who_sends_where_nobody_listens_is_told_what_is_waited_for_and_then_the_way_out(
    sending: Sending, capsys: pytest.CaptureFixture[str]
) -> None:
    address = f"127.0.0.1:{choose(set())}"
    with pytest.raises(TransientError) as ended:
        run(sending.run(address))
    (told,) = capsys.readouterr().err.splitlines()
    assert told.startswith(f"streamlabel: waiting for ingest at {address} (UNAVAILABLE: ")
    assert "for 0.5 s at most" in told
    assert f"{address} took nothing for 0.5 s: UNAVAILABLE: " in str(ended.value)
    assert "--address" in str(ended.value)


async def test_who_waited_is_told_that_it_goes_on(sending: Sending, capsys: pytest.CaptureFixture[str]) -> None:
    service = ScriptedIngest()

    async def fail_twice(number: int, context: grpc.aio.ServicerContext) -> None:
        if number <= 2:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "starting")

    service.before_call = fail_twice
    async with serving(service) as address:
        await sending.run(address)
    assert sending.summary.sent == 2
    assert capsys.readouterr().err.splitlines() == [
        f"streamlabel: waiting for ingest at {address} (UNAVAILABLE: starting), for 0.5 s at most; Ctrl-C ends it sooner",
        f"streamlabel: ingest at {address} goes on",
    ]


@pytest.mark.parametrize(
    "command",
    [
        ("topics", "apply"),
        ("labels", "export", "--project", "mail"),
        ("dead-letters", "replay", "--all"),
    ],
)
def test_where_no_kafka_is_a_command_says_so_and_names_the_way_out(command: tuple[str, ...]) -> None:
    nowhere = f"127.0.0.1:{choose(set())}"
    ran = streamlabel(*command, "--kafka", nowhere)
    assert (ran.code, ran.out) == (1, "")
    (line,) = ran.err.splitlines()
    assert f"nothing that is Kafka answers at {nowhere}" in line
    assert "--kafka HOST:PORT" in line
    assert "Error" not in line
