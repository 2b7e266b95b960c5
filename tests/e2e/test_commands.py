"""The command line over the whole: the tour of the examples, and a dead letter that gets its second chance."""

from __future__ import annotations

import asyncio
import csv
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from streamlabel.cli.connection import connect
from streamlabel.core.identity import RecordKey
from streamlabel.core.record import Record, TextPayload
from streamlabel.local.stack import Stack
from streamlabel.wire import records
from streamlabel.wire.flow import RECORDS
from streamlabel.wire.headers import ingest_headers
from support.command_line import clean_environment, streamlabel
from support.whole_stack import REPOSITORY

pytestmark = pytest.mark.e2e
EXAMPLES = REPOSITORY / "examples"


@pytest.fixture
def call(stack: Stack) -> Callable[..., str]:
    """Runs a command against the stack; its standard output."""

    def run(*arguments: str, code: int = 0) -> str:
        ran = streamlabel(*arguments, "--data-dir", str(stack.data.root))
        assert ran.code == code, ran.out + ran.err
        return ran.out

    return run


def example(name: str, address: str) -> str:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "python" / name), address],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def until(condition: Callable[[], bool], timeout_s: float = 30.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.3)


def test_your_own_texts_by_command_line_and_sdk(stack: Stack, call: Callable[..., str], tmp_path: Path) -> None:
    connection = connect(stack.data.root, environ={})
    call("project", "apply", str(EXAMPLES / "mail" / "project.yaml"))
    source = EXAMPLES / "mail" / "mail.jsonl"
    call("records", "send", str(source), "--project", "mail")
    sent = {json.loads(line)["record_id"] for line in source.read_text().splitlines()} | {"s-1", "s-2"}

    assert "s-1: accepted" in example("send.py", connection.ingest_address)
    assert "s-1: duplicate" in example("send.py", connection.ingest_address)
    answered = 0
    deadline = time.monotonic() + 60
    while answered < len(sent) and time.monotonic() < deadline:
        answered += int(example("answer.py", connection.review_address).split()[0])
    assert answered == len(sent)

    target = tmp_path / "labels.csv"

    def exported() -> list[dict[str, str]]:
        call("labels", "export", "--project", "mail", "--output", str(target))
        with target.open(newline="") as lines:
            return list(csv.DictReader(lines))

    until(lambda: len(exported()) == len(sent))
    labels = {row["record_id"]: row for row in exported()}
    assert labels.keys() == sent
    assert labels["m-02"]["class_name"] == "refund"
    assert {row["source"] for row in labels.values()} == {"human"}
    assert {row["annotators"] for row in labels.values()} == {"rule-of-thumb"}


async def test_a_dead_letter_gets_its_second_chance(stack: Stack, call: Callable[..., str], tmp_path: Path) -> None:
    """A record whose project nobody knew: dead, then replayed once the project is there, and labelled once."""
    connection = connect(stack.data.root, environ={})
    payload = TextPayload("Who will hear of me?")
    record = Record(
        key=RecordKey(project="latecomers", record_id="r-1"),
        payload=payload,
        content_hash=records.content_hash(payload, {}),
    )
    appender = connection.broker().appender()
    await appender.start()
    message = (record.key.encode(), records.encode(record), ingest_headers(int(time.time() * 1000)))
    await appender.send(connection.names.topic(RECORDS), 1, [message])
    await appender.stop()

    def listed() -> list[dict[str, str]]:
        lines = call("dead-letters", "list", "--json", "--reason", "UNKNOWN_PROJECT").splitlines()
        return [letter for letter in map(json.loads, lines) if letter["key"] == "latecomers/r-1"]

    until(lambda: bool(listed()))
    (letter,) = listed()
    assert letter["stage"] == "inference"
    assert (
        json.loads(call("dead-letters", "show", letter["id"], "--json"))["content"]["payload"]["text"] == payload.text
    )

    file = tmp_path / "latecomers.yaml"
    file.write_text("project: latecomers\npayload: text\ntaxonomy: {classes: [yes, no]}\npolicy: {kind: review_all}\n")
    call("project", "apply", str(file))
    # Inference hears of the project a moment later; a letter that comes too early would only die again.
    await asyncio.sleep(2)
    assert json.loads(call("dead-letters", "replay", letter["id"], "--json"))["replayed"] == [letter["id"]]
    assert json.loads(call("dead-letters", "replay", letter["id"], "--json"))["replayed"] == []

    def waiting() -> int:
        lines = call("review", "stats", "--project", "latecomers", "--json").splitlines()
        return sum(queue["open_tasks"] for queue in map(json.loads, lines))

    until(lambda: waiting() == 1)
    assert listed() == []
