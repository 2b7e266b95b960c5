"""The command line over the whole: the tour of the examples, and a dead letter that gets its second chance."""

from __future__ import annotations

import asyncio
import csv
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest

from streamlabel.cli.connection import Connection, connect
from streamlabel.client.review import CallRefusedError, ReviewClient
from streamlabel.core.desk import AnnotationResult, AnnotationStatus, LeasedTask, QueueStats
from streamlabel.core.identity import RecordKey
from streamlabel.core.record import Record, TextPayload
from streamlabel.core.review import Annotation
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


async def write_past_the_door(connection: Connection, project: str, payload: TextPayload) -> None:
    """Puts record r-1 on the records topic, whether or not the project is known."""
    record = Record(
        key=RecordKey(project=project, record_id="r-1"), payload=payload, content_hash=records.content_hash(payload, {})
    )
    appender = connection.broker().appender()
    await appender.start()
    message = (record.key.encode(), records.encode(record), ingest_headers(int(time.time() * 1000)))
    await appender.send(connection.names.topic(RECORDS), 1, [message])
    await appender.stop()


async def test_a_deleted_project_is_forgotten_by_all_and_found_again(
    stack: Stack, call: Callable[..., str], tmp_path: Path
) -> None:
    """What `project delete` says of records, tasks, answers and labels is true, and no service falls over."""
    connection = connect(stack.data.root, environ={})
    pids = [process.pid for process in stack.state.processes.values()]
    file = tmp_path / "passing.yaml"
    file.write_text("project: passing\npayload: text\ntaxonomy: {classes: [yes, no]}\n")
    source = tmp_path / "texts.jsonl"
    source.write_text("".join(json.dumps({"record_id": f"t-{n}", "text": f"text {n}"}) + "\n" for n in range(3)))
    call("project", "apply", str(file))
    call("records", "send", str(source), "--project", "passing")

    async with ReviewClient(connection.review_address) as desk:
        first, second = [(await desk.lease("ann", project="passing", wait_s=20))[0] for _ in range(2)]

        async def answer(leased: LeasedTask, annotation_id: str) -> AnnotationResult:
            token = leased.lease.lease_token
            given = Annotation(annotation_id=annotation_id, lease_token=token, class_name="yes", think_time_ms=1)
            return (await desk.submit("ann", [given]))[0]

        assert (await answer(first, "one")).status is AnnotationStatus.ACCEPTED
        call("project", "delete", "--yes", "passing")

        async with asyncio.timeout(20):
            while await known(desk.stats("passing")):
                pass
        with pytest.raises(CallRefusedError, match="no project"):
            await desk.lease("bob", project="passing")
        late = await answer(second, "two")
        assert (late.status, late.detail) == (AnnotationStatus.REJECTED, "project 'passing' no longer exists")

        more = tmp_path / "more.jsonl"
        more.write_text('{"text": "too late"}\n')
        refused = streamlabel("records", "send", str(more), "-p", "passing", "--data-dir", str(stack.data.root))
        assert (refused.code, "passing" in refused.err) == (78, True), refused.err
        await write_past_the_door(connection, "passing", TextPayload("on its way"))
        until(lambda: "passing/r-1" in call("dead-letters", "list", "--json", "--reason", "UNKNOWN_PROJECT"))
        until(lambda: len(call("labels", "export", "--project", "passing").splitlines()) == 1)

        call("project", "apply", str(file))
        async with asyncio.timeout(20):
            while not (queues := await known(desk.stats("passing"))):
                pass
        assert (queues[0].open_tasks, queues[0].leased_tasks) == (1, 1)
        assert (await answer(second, "three")).status is AnnotationStatus.ACCEPTED
    call("status")
    assert [process.pid for process in stack.state.processes.values()] == pids


async def known(asking: Awaitable[Sequence[QueueStats]]) -> Sequence[QueueStats]:
    """The queue; none while the desk does not know the project."""
    try:
        return await asking
    except CallRefusedError:
        return ()


async def test_a_dead_letter_gets_its_second_chance(stack: Stack, call: Callable[..., str], tmp_path: Path) -> None:
    """A record whose project nobody knew: dead, then replayed once the project is there, and labelled once."""
    connection = connect(stack.data.root, environ={})
    payload = TextPayload("Who will hear of me?")
    await write_past_the_door(connection, "latecomers", payload)

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
