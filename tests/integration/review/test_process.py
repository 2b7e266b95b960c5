"""Review as a process, on a real Kafka and a real PostgreSQL: killed, doubled, restarted; every task ends in one label."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from http.client import HTTPConnection
from urllib.request import urlopen

import grpc
import pytest

from streamlabel.client.retry import Patience
from streamlabel.client.review import CallRefusedError, ReviewClient
from streamlabel.core.desk import AnnotationStatus
from streamlabel.core.label import Label, LabelSource
from streamlabel.core.review import Annotation, ReviewTask
from streamlabel.local.ports import choose
from streamlabel.v1 import review_service_pb2, review_service_pb2_grpc
from streamlabel.wire import labels, review_tasks
from streamlabel.wire.flow import LABELS, REVIEW_TASKS
from streamlabel.wire.headers import ingest_headers
from support.nouns import text_project
from support.pipeline import OPEN_REVIEW, Pipeline, service
from support.review_queue import task

pytestmark = pytest.mark.integration
STAMP = ingest_headers(1_700_000_000_000, "00-trace")


def environment(kafka: str, prefix: str, dsn: str, **more: str) -> dict[str, str]:
    return {
        "STREAMLABEL_KAFKA_BOOTSTRAP_SERVERS": kafka,
        "STREAMLABEL_KAFKA_TOPIC_PREFIX": prefix,
        "STREAMLABEL_REVIEW_POSTGRES_DSN": dsn,
        "STREAMLABEL_KAFKA_SESSION_TIMEOUT_S": "6",
        "STREAMLABEL_HTTP_PORT": str(choose(set())),
        "STREAMLABEL_GRPC_PORT": str(choose(set())),
        "STREAMLABEL_GRPC_HOST": "127.0.0.1",
        "STREAMLABEL_LOG_LEVEL": "warning",
        **OPEN_REVIEW,
        **more,
    }


def client_of(settings: Mapping[str, str]) -> ReviewClient:
    address = f"127.0.0.1:{settings['STREAMLABEL_GRPC_PORT']}"
    return ReviewClient(address, timeout_s=5, patience=Patience(cap_s=0.5, give_up_s=60))


async def write_tasks(pipeline: Pipeline, tasks: Sequence[ReviewTask]) -> None:
    topic = pipeline.names.topic(REVIEW_TASKS)
    for partition in (0, 1):
        own = [(each.key.encode(), review_tasks.encode(each), STAMP) for each in tasks[partition::2]]
        if own:
            await pipeline.write(topic, partition, own)


async def read_labels(pipeline: Pipeline, count: int, timeout_s: float = 60.0) -> list[Label]:
    messages = await pipeline.read(pipeline.names.topic(LABELS), count, timeout_s=timeout_s, linger_s=1.0)
    return [labels.decode(message.value) for message in messages]


def http(settings: Mapping[str, str], path: str) -> str:
    with urlopen(f"http://127.0.0.1:{settings['STREAMLABEL_HTTP_PORT']}{path}", timeout=5) as response:
        text: str = response.read().decode()
        return text


def status_under(host: str, settings: Mapping[str, str], path: str) -> int:
    """The HTTP status where the request comes under this name."""
    connection = HTTPConnection("127.0.0.1", int(settings["STREAMLABEL_HTTP_PORT"]), timeout=5)
    try:
        connection.request("GET", path, headers={"Host": host})
        return connection.getresponse().status
    finally:
        connection.close()


@contextlib.asynccontextmanager
async def mortal(settings: Mapping[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """The service as a process that this test kills without ceremony."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "streamlabel.review", env={**os.environ, "STREAMLABEL_LOG_FORMAT": "text", **settings}
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_a_task_becomes_a_label_in_the_partition_it_came_in(
    kafka: str, topic_prefix: str, postgres_database: str
) -> None:
    pipeline = await Pipeline.create(kafka, topic_prefix)
    await pipeline.apply_project(text_project("mail"))
    topic = pipeline.names.topic(REVIEW_TASKS)
    await write_tasks(pipeline, [task(f"r{i}") for i in range(20)])
    await pipeline.write(topic, 1, [(b"mail/bad", b"\xff no task", (("own", b"1"),))])
    await pipeline.write(topic, 0, [(b"nobody/x", review_tasks.encode(task("x", project="nobody")), STAMP)])
    await pipeline.write(topic, 1, [(b"mail/r1", review_tasks.encode(task("r1")), STAMP)])  # a repetition
    await pipeline.write(topic, 1, [(b"mail/r3", review_tasks.encode(task("r3", text="other")), STAMP)])
    settings = environment(kafka, topic_prefix, postgres_database, STREAMLABEL_REVIEW_ALLOWED_HOSTS="label.example.org")
    async with service("review", settings), client_of(settings) as client:
        async with client.work("mail", "ann", prefetch=3, idle_timeout_s=3) as session:
            async for leased in session:
                result = await session.answer(leased, "spam")
                assert result.status is AnnotationStatus.ACCEPTED
        found = await pipeline.read(pipeline.names.topic(LABELS), 20, linger_s=1.0)
        dead = await pipeline.read(pipeline.names.dead_letter(topic, "review"), 3, linger_s=1.0)
        [queue] = await client.stats()
        assert (queue.open_tasks, queue.leased_tasks, queue.answered_tasks) == (0, 0, 20)
        metrics = http(settings, "/metrics")
        assert 'streamlabel_answers_total{outcome="accepted",project="mail",purpose="train"} 20.0' in metrics
        assert "streamlabel_outbox_published_total 23.0" in metrics
        assert json.loads(http(settings, "/readyz"))["ready"] is True
        # The page answers under its names only; probes answer whoever asks.
        asked = [
            (host, path) for host in ("label.example.org", "rebound.example") for path in ("/", "/readyz", "/metrics")
        ]
        assert [status_under(host, settings, path) for host, path in asked] == [200, 200, 200, 403, 200, 200]
        with pytest.raises(CallRefusedError) as refused:
            await client.lease("ann", project="nix")
        assert (refused.value.code, refused.value.field) == ("NOT_FOUND", "project")
    assert sorted(message.key for message in found) == sorted(f"mail/r{i}".encode() for i in range(20))
    for message in found:
        assert message.partition == int(message.key.removeprefix(b"mail/r")) % 2
        assert message.headers == STAMP
        label = labels.decode(message.value)
        assert (label.source, label.annotators, label.revision) == (LabelSource.HUMAN, ("ann",), 1)
    reasons = {message.key: dict(message.headers)["dead-letter-reason"] for message in dead}
    assert reasons == {b"mail/bad": b"MALFORMED", b"nobody/x": b"UNKNOWN_PROJECT", b"mail/r3": b"CONFLICTING_RECORD"}
    bad = next(message for message in dead if message.key == b"mail/bad")
    assert (bad.value, bad.partition, bad.headers[0]) == (b"\xff no task", 1, ("own", b"1"))


async def test_killed_again_and_again_every_task_gets_one_label(
    kafka: str, topic_prefix: str, postgres_database: str
) -> None:
    pipeline = await Pipeline.create(kafka, topic_prefix)
    await pipeline.apply_project(text_project("mail"))
    total = 400
    settings = environment(kafka, topic_prefix, postgres_database, STREAMLABEL_REVIEW_LEASE_S="3")
    accepted: Counter[str] = Counter()
    done = asyncio.Event()

    async def work(annotator: str) -> None:
        async with client_of(settings) as client, client.work("mail", annotator, prefetch=2) as session:
            async for leased in session:
                result = await session.answer(leased, "spam")
                if result.status in (AnnotationStatus.ACCEPTED, AnnotationStatus.DUPLICATE):
                    accepted[leased.task.key.record_id] += 1
                if len(accepted) == total:
                    done.set()

    async def kill_and_start_again() -> None:
        for pause_s in (2.5, 1.5, 2.2, 3.1):
            async with mortal(settings) as process:
                await asyncio.sleep(pause_s)
                process.send_signal(signal.SIGKILL)
        async with mortal(settings):
            await done.wait()
            await asyncio.sleep(0.3)

    async def arrive() -> None:
        for start in range(0, total, 50):
            await write_tasks(pipeline, [task(f"r{i}") for i in range(start, start + 50)])
            await asyncio.sleep(1.0)

    people = [asyncio.create_task(work(f"p{i}")) for i in range(6)]
    try:
        async with asyncio.timeout(120):
            await asyncio.gather(arrive(), kill_and_start_again())
            async with service("review", settings), client_of(settings) as client:
                await client.projects()
                found = await read_labels(pipeline, total)
    finally:
        for person in people:
            person.cancel()
        await asyncio.gather(*people, return_exceptions=True)
    assert Counter(label.key.record_id for label in found) == Counter({f"r{i}": 1 for i in range(total)})
    assert {label.revision for label in found} == {1}
    # Nobody was told "accepted" twice for one task, and nobody's accepted answer is missing.
    assert accepted == Counter({f"r{i}": 1 for i in range(total)})


async def test_a_second_replica_takes_over_within_seconds(
    kafka: str, topic_prefix: str, postgres_database: str
) -> None:
    pipeline = await Pipeline.create(kafka, topic_prefix)
    await pipeline.apply_project(text_project("mail"))
    first, second = (environment(kafka, topic_prefix, postgres_database) for _ in range(2))
    async with mortal(first) as victim, client_of(first) as at_first:
        await at_first.projects()
        async with service("review", second), client_of(second) as at_second:
            await at_second.projects()
            await write_tasks(pipeline, [task(f"r{i}") for i in range(10)])
            # A lease of one replica is known to the other.
            [leased, *_] = await at_first.lease("ann", wait_s=15)
            victim.kill()
            [result] = await _submit(at_second, "ann", leased.lease.lease_token, "a1")
            assert result is AnnotationStatus.ACCEPTED
            [label] = await read_labels(pipeline, 1, timeout_s=10)
            assert label.key == leased.task.key
            async with client_of(second).work("mail", "bob", idle_timeout_s=15) as session:
                count = 0
                async for more in session:
                    await session.answer(more, "ham")
                    count += 1
                    if count == 9:
                        break
            assert len(await read_labels(pipeline, 10)) == 10


async def test_one_answer_of_big_tasks_fits_into_any_client(
    kafka: str, topic_prefix: str, postgres_database: str
) -> None:
    pipeline = await Pipeline.create(kafka, topic_prefix)
    await pipeline.apply_project(text_project("mail"))
    await write_tasks(pipeline, [task(f"r{i}", text="x" * 700_000) for i in range(7)])
    settings = environment(kafka, topic_prefix, postgres_database)
    async with service("review", settings), client_of(settings) as client:
        async with asyncio.timeout(30):
            while (await client.stats("mail"))[0].open_tasks < 7:
                await asyncio.sleep(0.1)
        # A client of somebody else's, who has set nothing: gRPC lets it receive 4 MiB.
        async with grpc.aio.insecure_channel(f"127.0.0.1:{settings['STREAMLABEL_GRPC_PORT']}") as channel:
            stub = review_service_pb2_grpc.ReviewServiceStub(channel)
            lease = review_service_pb2.LeaseTasksRequest(annotator="ann", max_tasks=100)
            first = await stub.LeaseTasks(lease, timeout=10)
            assert len(first.tasks) == 4
            assert first.ByteSize() <= 3 * 1024 * 1024
            # What did not fit is free at once, for whoever comes next.
            second = await stub.LeaseTasks(lease, timeout=10)
        taken = [leased.lease.task_id for leased in (*first.tasks, *second.tasks)]
        assert sorted(taken) == [f"mail/r{i}" for i in range(7)]


async def _submit(client: ReviewClient, annotator: str, token: str, annotation_id: str) -> list[AnnotationStatus]:
    annotation = Annotation(annotation_id=annotation_id, lease_token=token, class_name="spam")
    return [result.status for result in await client.submit(annotator, [annotation])]
