"""Who is asked first for an address: the flag, the environment, the stack's file."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from streamlabel.cli.connection import connect, run
from streamlabel.errors import ConfigurationError, TransientError
from streamlabel.local.child import ProcessIdentity
from streamlabel.local.places import DataDir, exclusive
from streamlabel.local.stack_file import StackPhase, StackState, environment_for, write
from support.command_line import streamlabel

PORTS = {
    "kafka": 21001,
    "ingest-grpc": 21002,
    "review-grpc": 21003,
    "review-http": 21004,
    "triton-grpc": 21006,
    "learning-http": 21007,
}


@contextmanager
def held(data: DataDir) -> Iterator[None]:
    """As if a supervisor ran there."""
    with exclusive(data.lock_file):
        yield


@pytest.fixture
def stopped(tmp_path: Path) -> Path:
    state = StackState(
        phase=StackPhase.READY,
        supervisor=ProcessIdentity(pid=1, started_ticks=1, boot_id="b"),
        started_at=0.0,
        ports=PORTS,
        environment=environment_for(PORTS, partitions=3, topic_prefix="streamlabel"),
    )
    write(DataDir.at(tmp_path), state)
    return tmp_path


@pytest.fixture
def stack(stopped: Path) -> Iterator[Path]:
    with held(DataDir.at(stopped)):
        yield stopped


def test_the_stack_file_tells_every_address(stack: Path) -> None:
    connection = connect(stack, environ={})
    assert connection.kafka.bootstrap_servers == "127.0.0.1:21001"
    assert connection.ingest_address == "127.0.0.1:21002"
    assert connection.review_address == "127.0.0.1:21003"
    assert connection.review_url == "http://127.0.0.1:21004/"
    assert connection.learning_url == "http://127.0.0.1:21007/"
    assert (connection.topic_plan.partitions, connection.topic_plan.replication_factor) == (3, 1)


def test_the_environment_beats_the_stack_and_a_flag_beats_both(stack: Path) -> None:
    environ = {"STREAMLABEL_KAFKA_TOPIC_PREFIX": "mine", "STREAMLABEL_CLI_INGEST_ADDRESS": "ingest:1"}
    connection = connect(stack, environ=environ)
    assert connection.names.prefix == "mine"
    assert connection.ingest_address == "ingest:1"
    assert connection.kafka.bootstrap_servers == "127.0.0.1:21001"
    assert connect(stack, topic_prefix="other", environ=environ).names.prefix == "other"


@pytest.mark.parametrize("by_flag", [True, False])
def test_another_kafka_means_another_cluster_with_its_own_shape_of_topics(stack: Path, by_flag: bool) -> None:
    environ = {} if by_flag else {"STREAMLABEL_KAFKA_BOOTSTRAP_SERVERS": "kafka:9092"}
    connection = connect(stack, kafka="kafka:9092" if by_flag else None, environ=environ)
    assert connection.kafka.bootstrap_servers == "kafka:9092"
    assert connection.topic_plan.replication_factor == 3


def test_without_anything_the_defaults_hold(tmp_path: Path) -> None:
    assert connect(tmp_path, environ={}).kafka.bootstrap_servers == "127.0.0.1:9092"


def test_a_stack_that_stands_still_is_the_end_at_once(stopped: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(TransientError, match="is stopped; `streamlabel up` starts it"):
        connect(stopped, environ={})
    assert capsys.readouterr().err == ""
    connect(stopped, environ={"STREAMLABEL_CLI_INGEST_ADDRESS": "ingest:1"})
    with held(DataDir.at(stopped)):
        connect(stopped, environ={})
    assert capsys.readouterr().err == ""


def test_a_command_on_a_stopped_stack_says_one_thing(stopped: Path, tmp_path: Path) -> None:
    (tmp_path / "mail.jsonl").write_text('{"text": "hello"}\n')
    environ = {"STREAMLABEL_DATA_DIR": str(stopped)}
    for words in (
        ("records", "send", "--project", "mail", str(tmp_path / "mail.jsonl")),
        ("project", "list"),
        ("review", "stats"),
        ("labels", "export", "--project", "mail"),
    ):
        ran = streamlabel(*words, environ=environ, timeout_s=30)
        assert (ran.code, ran.out) == (1, "")
        assert ran.err == f"streamlabel: the stack in {stopped} is stopped; `streamlabel up` starts it\n"


def test_a_stack_that_is_not_there_is_told_of_before_anything_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    within = tmp_path / "a" / "b" / ".streamlabel"
    connect(within, environ={})
    assert "`streamlabel up` starts one" in capsys.readouterr().err
    with held(DataDir.at(tmp_path / ".streamlabel")):
        connect(within, environ={})
    assert f"--data-dir {tmp_path / '.streamlabel'}" in capsys.readouterr().err


@pytest.mark.parametrize(
    "key", ["STREAMLABEL_KAFKA_BOOTSTRAP_SERVERS", "STREAMLABEL_CLI_INGEST_ADDRESS", "STREAMLABEL_CLI_REVIEW_ADDRESS"]
)
def test_who_names_an_address_hears_nothing_of_a_stack(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], key: str
) -> None:
    connect(tmp_path, environ={key: "elsewhere:1"})
    assert capsys.readouterr().err == ""


def test_a_typing_error_names_the_nearest_key(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="did you mean STREAMLABEL_TOPICS_PARTITIONS"):
        connect(tmp_path, environ={"STREAMLABEL_TOPICS_PARTITION": "3"})


def test_a_service_environment_is_no_hindrance(tmp_path: Path) -> None:
    connect(
        tmp_path,
        environ={
            "STREAMLABEL_REVIEW_POSTGRES_DSN": "x",
            "STREAMLABEL_GRPC_PORT": "1",
            "STREAMLABEL_LOG_LEVEL": "debug",
        },
    )


def test_the_password_is_not_in_the_repr(tmp_path: Path) -> None:
    environ = {
        "STREAMLABEL_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "STREAMLABEL_KAFKA_SASL_USERNAME": "u",
        "STREAMLABEL_KAFKA_SASL_PASSWORD": "hunter2",
    }
    connection = connect(tmp_path, environ=environ)
    assert connection.kafka.sasl_password == "hunter2"
    assert "hunter2" not in repr(connection)


def test_the_client_library_is_quiet_while_a_command_runs_and_no_longer(caplog: pytest.LogCaptureFixture) -> None:
    library = logging.getLogger("aiokafka.consumer")

    async def work() -> None:
        library.error("connection refused")

    run(work())
    assert not caplog.records
    library.error("heard")
    assert [record.message for record in caplog.records] == ["heard"]
