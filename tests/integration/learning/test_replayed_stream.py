"""A stream that is sent again, through routing, review and learning as processes: what people said of it counts once more."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest

from streamlabel.client.retry import Patience
from streamlabel.client.review import ReviewClient
from streamlabel.core.control import Release, ReleaseState
from streamlabel.core.decision import DecisionReason
from streamlabel.core.project import CertifiedPolicy
from streamlabel.core.review import Annotation, ReviewTask
from streamlabel.local.ports import choose
from streamlabel.runtime.broker import TopicReader
from streamlabel.wire import control, labels, predictions, review_tasks
from streamlabel.wire.flow import LABELS, PREDICTIONS, RELEASES, REVIEW_TASKS
from streamlabel.wire.headers import ingest_headers
from support.gate_town import PROJECT, Town, prediction, truth_of
from support.pipeline import Pipeline, service

pytestmark = pytest.mark.integration

RECORDS = 200


class Office:
    """Somebody who answers whatever review asks, rightly; `answers` are the records that were asked about."""

    def __init__(self, client: ReviewClient) -> None:
        self._client = client
        self.answers: list[str] = []

    async def work(self) -> None:
        while True:
            for leased in await self._client.lease("ann", project=PROJECT.name, max_tasks=50, wait_s=0.2):
                record_id = leased.task.key.record_id
                self.answers.append(record_id)
                given = Annotation(
                    annotation_id=f"{len(self.answers)}",
                    lease_token=leased.lease.lease_token,
                    class_name=truth_of(record_id),
                )
                await self._client.submit("ann", [given])


@contextlib.asynccontextmanager
async def office(town: Town) -> AsyncIterator[Office]:
    settings = {
        **town.environment("review"),
        "STREAMLABEL_REVIEW_POSTGRES_DSN": town.dsn,
        "STREAMLABEL_GRPC_HOST": "127.0.0.1",
        "STREAMLABEL_GRPC_PORT": str(choose(set())),
    }
    address = f"127.0.0.1:{settings['STREAMLABEL_GRPC_PORT']}"
    async with (
        service("review", settings),
        ReviewClient(address, timeout_s=5, patience=Patience(cap_s=0.5, give_up_s=60)) as client,
    ):
        made = Office(client)
        working = asyncio.create_task(made.work())
        yield made
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working


async def send(town: Town, begin: int, end: int, *, version: int, sent_ms: int) -> None:
    """These records, as they came in at `sent_ms`."""
    made = [prediction(number, 0.02, version)[0] for number in range(begin, end)]
    for partition in (0, 1):
        rows = [
            (each.record.key.encode(), predictions.encode(each), ingest_headers(sent_ms)) for each in made[partition::2]
        ]
        await town.pipeline.write(town.pipeline.names.topic(PREDICTIONS), partition, rows)


async def nobody_waits(town: Town, place: int, version: int = 1) -> None:
    """Returns once so many records are seen, and none of the lane waits for an answer."""
    point: Any = None
    try:
        async with asyncio.timeout(40):
            while True:
                with contextlib.suppress(OSError):
                    for project in (await town.ask("projects"))["projects"]:
                        point = project["point"]
                        is_its = project["model_version"] == version and point
                        if is_its and point["place"] >= place and not point["unanswered"]:
                            return
                await asyncio.sleep(0.2)
    except TimeoutError:
        raise AssertionError(f"waited for place {place} of version {version}: {point}") from None


@dataclass
class Tasks:
    """What routing sends to people, as it comes."""

    reader: TopicReader
    found: list[ReviewTask] = field(default_factory=list)

    async def grow(self, count: int) -> list[ReviewTask]:
        """So many more."""
        begin = len(self.found)
        async with asyncio.timeout(60):
            while len(self.found) < begin + count:
                self.found += [review_tasks.decode(message.value) for message in await self.reader.poll(0.1)]
        return self.found[begin:]


async def gate_is_known(town: Town, tasks: Tasks, version: int) -> int:
    """Sends records of this version, one after the other, until routing goes by a gate of it; how many that took."""
    for number in range(1000 * version, 1000 * version + 500):
        await send(town, number, number + 1, version=version, sent_ms=1_700_000_000_000)
        [task] = await tasks.grow(1)
        if task.decision.reason is not DecisionReason.NO_GATE:
            return number + 1 - 1000 * version
        await asyncio.sleep(0.1)
    raise AssertionError("routing never heard of the gate")


async def audits(town: Town) -> dict[int, list[tuple[str, str | None]]]:
    """The calibration records of each model version, with their answers."""
    connection = await asyncpg.connect(town.dsn)
    try:
        rows = await connection.fetch("SELECT model_version, record_id, answer FROM learning.audit ORDER BY record_id")
    finally:
        await connection.close()
    found: dict[int, list[tuple[str, str | None]]] = {}
    for row in rows:
        found.setdefault(row["model_version"], []).append((row["record_id"], row["answer"]))
    return found


async def evidence(town: Town, version: int, lane: set[str], *, times: int) -> None:
    """Returns once every record of the lane is evidence of this version so many times, rightly answered."""
    found: list[tuple[str, str | None]] = []
    try:
        async with asyncio.timeout(60):
            while [record_id for record_id, _ in found] != sorted([*lane] * times):
                await asyncio.sleep(0.2)
                found = [each for each in (await audits(town)).get(version, []) if each[0] in lane]
    except TimeoutError:
        raise AssertionError(f"{len(found)} audits of {times} x {len(lane)}") from None
    assert all(answer == truth_of(record_id) for record_id, answer in found)


def drawn(tasks: list[ReviewTask]) -> set[str]:
    """The calibration records among these."""
    return {task.key.record_id for task in tasks if task.blind}


async def release(town: Town, version: int) -> None:
    row = Release(
        project=PROJECT.name,
        model_name="m",
        model_version=version,
        state=ReleaseState.LIVE,
        released_at=datetime.now(UTC),
    )
    key = control.release_key(row.project, row.model_version)
    await town.pipeline.write(town.pipeline.names.topic(RELEASES), 0, [(key, control.encode_release(row), ())])


async def test_a_stream_that_is_sent_again_leaves_no_calibration_record_unanswered(
    kafka: str, topic_prefix: str, postgres_database: str
) -> None:
    pipeline = await Pipeline.create(kafka, topic_prefix)
    # So strict that the gate stays shut: the lane keeps its rate.
    await pipeline.apply_project(replace(PROJECT, policy=CertifiedPolicy(alpha=0.01, delta=0.05)))
    town = Town(pipeline, postgres_database, kafka)
    tasks = Tasks(pipeline.broker.reader(pipeline.names.topic(REVIEW_TASKS)))
    async with town.service("routing"), town.service("learning"), office(town) as people:
        await tasks.reader.start()
        probes = await gate_is_known(town, tasks, 1)
        await send(town, 0, RECORDS, version=1, sent_ms=1_700_000_000_000)
        lane = drawn(await tasks.grow(RECORDS))
        assert len(lane) > RECORDS / 4
        await evidence(town, 1, lane, times=1)
        async with asyncio.timeout(60):
            while len(people.answers) < probes + RECORDS:
                await asyncio.sleep(0.1)

        # By the same gate: nobody is asked anything, and each record of the lane is answered and counts again.
        await send(town, 0, RECORDS, version=1, sent_ms=1_700_000_900_000)
        assert drawn(await tasks.grow(RECORDS)) == lane
        await evidence(town, 1, lane, times=2)
        await nobody_waits(town, probes + 2 * RECORDS)
        assert len(people.answers) == probes + RECORDS

        # By another version's: its evidence begins with what people said before, blindly.
        await release(town, 2)
        more = await gate_is_known(town, tasks, 2)
        await send(town, 0, RECORDS, version=2, sent_ms=1_700_001_800_000)
        assert drawn(await tasks.grow(RECORDS)) == lane
        await evidence(town, 2, lane, times=1)
        await nobody_waits(town, RECORDS + 1, version=2)
        assert len(people.answers) == probes + more + RECORDS
        await tasks.reader.stop()

    # Once each, whatever was said again.
    revisions: dict[str, list[int]] = {}
    for message in await pipeline.read(pipeline.names.topic(LABELS), probes + more + RECORDS + 2 * len(lane)):
        label = labels.decode(message.value)
        revisions.setdefault(label.key.record_id, []).append(label.revision)
    assert all(given == list(range(1, len(given) + 1)) for given in revisions.values())
    assert {record_id for record_id, given in revisions.items() if len(given) == 3} == lane
    assert len(revisions) == probes + more + RECORDS
