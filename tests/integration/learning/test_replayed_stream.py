"""A stream that is sent again, through routing, review and learning as processes: what people said of it counts once more."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest

from streamlabel.client.retry import Patience
from streamlabel.client.review import ReviewClient
from streamlabel.core.control import Release, ReleaseState
from streamlabel.core.review import Annotation
from streamlabel.local.ports import choose
from streamlabel.wire import control, predictions
from streamlabel.wire.flow import GATES, PREDICTIONS, RELEASES
from streamlabel.wire.gates import decode_gate
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


async def heard(town: Town, place: int, version: int = 1) -> dict[str, Any]:
    """How the gate stands once so many records are seen and none of the lane waits for an answer."""
    point = None
    try:
        async with asyncio.timeout(40):
            while True:
                with contextlib.suppress(OSError):
                    for project in (await town.ask("projects"))["projects"]:
                        point = project["point"]
                        is_its = project["model_version"] == version and point
                        if is_its and point["place"] == place and not point["unanswered"]:
                            return dict(point)
                await asyncio.sleep(0.2)
    except TimeoutError:
        raise AssertionError(f"waited for place {place} of version {version}: {point}") from None


async def gate_is_there(town: Town, version: int) -> None:
    """Returns once the latest gate is one of this version, and not void."""
    reader = town.pipeline.broker.reader(town.pipeline.names.topic(GATES))
    await reader.start()
    try:
        async with asyncio.timeout(40):
            while True:
                for message in await reader.poll(0.1):
                    gate = None if message.tombstone else decode_gate(message.value).gate
                    if (
                        gate
                        and gate.model_version == version
                        and gate.expires_at
                        and gate.expires_at > datetime.now(UTC)
                    ):
                        return
    finally:
        await reader.stop()


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


async def evidence(town: Town, version: int, count: int) -> list[tuple[str, str | None]]:
    """The audits of this version, once there are so many."""
    async with asyncio.timeout(40):
        while len(found := (await audits(town)).get(version, [])) < count:
            await asyncio.sleep(0.2)
    return found


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
    await pipeline.apply_project(PROJECT)
    town = Town(pipeline, postgres_database, kafka)
    async with town.service("routing"), town.service("learning"), office(town) as people:
        await gate_is_there(town, 1)
        await send(town, 0, RECORDS, version=1, sent_ms=1_700_000_000_000)
        await heard(town, RECORDS)
        lane = len(await evidence(town, 1, 60))
        async with asyncio.timeout(40):
            while len(people.answers) < RECORDS:
                await asyncio.sleep(0.1)

        # By the same gate: nobody is asked anything, and each record of the lane is answered and counts again.
        await send(town, 0, RECORDS, version=1, sent_ms=1_700_000_900_000)
        await heard(town, 2 * RECORDS)
        again = await evidence(town, 1, 2 * lane)
        assert again[::2] == again[1::2]
        assert dict(again) == {each: f"{'abc'[int(each[-1])]}" for each, _ in again}
        assert len(people.answers) == RECORDS

        # By another version's gate: its evidence begins with what people said before, blindly.
        await release(town, 2)
        await gate_is_there(town, 2)
        await send(town, 0, RECORDS, version=2, sent_ms=1_700_001_800_000)
        await heard(town, RECORDS, version=2)
        assert {each for each, answer in await evidence(town, 2, 1) if answer} <= {each for each, _ in again}
        assert len(people.answers) == RECORDS
