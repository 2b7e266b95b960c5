"""From a database to Kafka, every row once and in order, whatever dies."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from streamlabel.errors import TransientError
from streamlabel.runtime.backoff import Backoff
from streamlabel.runtime.broker import BrokerUnavailableError, FencedError, TransactionFailedError
from streamlabel.runtime.dead_letter import OMITTED_BYTES, REASON
from streamlabel.runtime.handlers import OutboxRow
from streamlabel.runtime.health import Health
from streamlabel.runtime.messages import Headers
from streamlabel.runtime.metrics import Metrics
from streamlabel.runtime.outbox import OutboxPublisher
from support.fake_broker import FakeBroker
from support.fake_cluster import FakeCluster

TOPIC, PUBLISHER = "labels", "review.outbox"
STEPS = [
    "before start",
    "before begin",
    "before send",
    "after send",
    "before send_offsets",
    "before commit",
    "after commit",
]


class Rows:
    """An outbox as the port wants it."""

    def __init__(self) -> None:
        self.rows: list[OutboxRow] = []
        self.up_to = 0
        self.trouble: dict[str, list[BaseException]] = {}

    def add(self, *values: bytes, topic: str = TOPIC, partition: int = 0, headers: Headers = ()) -> None:
        for value in values:
            seq = len(self.rows) + 1
            self.rows.append(
                OutboxRow(seq=seq, topic=topic, partition=partition, key=b"k", value=value, headers=headers)
            )

    async def pending(self, after: int, limit: int) -> Sequence[OutboxRow]:
        await self._maybe("pending")
        return [row for row in self.rows if row.seq > after][:limit]

    async def published(self, up_to: int) -> None:
        await self._maybe("published")
        self.up_to = max(self.up_to, up_to)

    async def last_published(self) -> int:
        await self._maybe("last_published")
        return self.up_to

    async def _maybe(self, call: str) -> None:
        await asyncio.sleep(0)
        if self.trouble.get(call):
            raise self.trouble[call].pop(0)


class Desk:
    def __init__(self) -> None:
        self.cluster = FakeCluster()
        self.cluster.create_topic(TOPIC, 2)
        self.cluster.create_topic("dead", 1)
        self.outbox = Rows()
        self.health = Health()
        self.metrics = Metrics("review", CollectorRegistry())

    def publisher(self, broker: FakeBroker | None = None, **options: Any) -> OutboxPublisher:
        settings: dict[str, Any] = {
            "name": "outbox",
            "publisher_id": PUBLISHER,
            "topic": TOPIC,
            "outbox": self.outbox,
            "broker": broker or FakeBroker(self.cluster),
            "metrics": self.metrics,
            "health": self.health,
            "max_rows": 7,
            "poll_interval_s": 0.005,
            "takeover_after_s": 0.05,
            "backoff": Backoff(base_s=0.002, cap_s=0.01, floor_s=0.001),
        }
        return OutboxPublisher(**(settings | options))

    @contextlib.asynccontextmanager
    async def running(self, broker: FakeBroker | None = None, **options: Any) -> AsyncIterator[OutboxPublisher]:
        publisher = self.publisher(broker, **options)
        task = asyncio.create_task(publisher.run())
        try:
            yield publisher
        finally:
            await publisher.stop()
            await asyncio.wait_for(task, 5)

    def out(self, topic: str = TOPIC) -> list[bytes]:
        return [message.value for message in self.cluster.committed_messages(topic)]


def numbers(count: int, first: int = 0) -> list[bytes]:
    return [b"%d" % number for number in range(first, first + count)]


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.002)


@pytest.fixture
async def desk() -> Desk:
    return Desk()


async def test_rows_are_published_in_order_and_remembered(desk):
    desk.outbox.add(*numbers(20))
    async with desk.running():
        await until(lambda: desk.outbox.up_to == 20)
        desk.outbox.add(*numbers(5, first=20))
        await until(lambda: desk.outbox.up_to == 25)
    assert desk.out() == numbers(25)
    assert desk.metrics.registry.get_sample_value("streamlabel_outbox_published_total") == 25


async def test_rows_go_to_their_own_topic_and_partition(desk):
    desk.outbox.add(b"a", partition=1)
    desk.outbox.add(b"b", topic="dead", headers=((REASON, b"BAD"),))
    desk.outbox.add(b"c", partition=0)
    async with desk.running():
        await until(lambda: desk.outbox.up_to == 3)
    assert [(m.partition, m.value) for m in desk.cluster.committed_messages(TOPIC)] == [(0, b"c"), (1, b"a")]
    assert desk.out("dead") == [b"b"]


async def test_wake_publishes_before_the_next_poll(desk):
    async with desk.running(poll_interval_s=30) as publisher:
        await until(lambda: desk.health.ready)
        desk.outbox.add(b"now")
        publisher.wake()
        await until(lambda: desk.out() == [b"now"])


@pytest.mark.parametrize(
    "error", [BrokerUnavailableError("away"), TransactionFailedError("spent"), FencedError("other")]
)
@pytest.mark.parametrize("step", STEPS)
async def test_an_error_at_any_step(desk, step, error):
    desk.outbox.add(*numbers(40))
    desk.cluster.fault(step, error, times=2)
    async with desk.running():
        await until(lambda: desk.outbox.up_to == 40)
    assert desk.out() == numbers(40)


@pytest.mark.parametrize("call", ["pending", "published", "last_published"])
async def test_the_database_in_trouble(desk, call):
    desk.outbox.add(*numbers(40))
    desk.outbox.trouble[call] = [TransientError("no database")] * 3
    reasons: set[str] = set()
    desk.health.subscribe(lambda: reasons.update(desk.health.reasons().values()))
    async with desk.running():
        await until(lambda: desk.outbox.up_to == 40)
        await until(lambda: desk.health.ready)
    assert desk.out() == numbers(40)
    assert "no database" in reasons


@pytest.mark.parametrize("step", STEPS)
async def test_the_process_dies_at_any_step_and_the_next_one_knows_what_is_out(desk, step):
    first = FakeBroker(desk.cluster)

    async def kill(_: str) -> None:
        first.killed = True

    desk.outbox.add(*numbers(40))
    desk.cluster.fault(step, kill)
    died = asyncio.create_task(desk.publisher(first).run())
    await until(lambda: first.killed)
    async with desk.running():
        await until(lambda: desk.outbox.up_to == 40)
    assert desk.out() == numbers(40)
    died.cancel()
    await asyncio.wait({died}, timeout=0.1)


async def test_the_larger_of_both_memories_is_the_truth(desk):
    desk.outbox.add(*numbers(10))
    desk.cluster.offsets[PUBLISHER, TOPIC, 0] = 4
    async with desk.running():
        await until(lambda: desk.outbox.up_to == 10)
    assert desk.out() == numbers(6, first=4)

    other = Desk()
    other.outbox.add(*numbers(10))
    other.outbox.up_to = 8  # Kafka has forgotten the offset of a group that was idle for long.
    async with other.running():
        await until(lambda: other.outbox.up_to == 10)
    assert other.out() == numbers(2, first=8)


async def test_two_processes_publish_once_and_the_older_stands_by(desk):
    async with desk.running(FakeBroker(desk.cluster)), desk.running(FakeBroker(desk.cluster)):
        for round_ in range(20):
            desk.outbox.add(*numbers(10, first=10 * round_))
            await asyncio.sleep(0.003)
        await until(lambda: desk.outbox.up_to == 200)
        starts = desk.cluster.epochs[PUBLISHER]
        await asyncio.sleep(0.1)
        assert desk.cluster.epochs[PUBLISHER] == starts, "nobody fences anybody while there is nothing to do"
    assert desk.out() == numbers(200)


async def test_the_one_that_stands_by_takes_over_from_a_dead_one(desk):
    newer = FakeBroker(desk.cluster)
    async with desk.running(FakeBroker(desk.cluster)):
        await until(lambda: desk.health.ready)
        died = asyncio.create_task(desk.publisher(newer).run())
        await until(lambda: desk.cluster.epochs[PUBLISHER] == 2)
        desk.outbox.add(*numbers(5))
        await until(lambda: desk.outbox.up_to == 5)
        newer.killed = True
        desk.outbox.add(*numbers(5, first=5))
        await until(lambda: desk.outbox.up_to == 10)
    assert desk.out() == numbers(10)
    died.cancel()
    await asyncio.wait({died}, timeout=0.1)


async def test_stop_publishes_what_is_committed_by_then(desk):
    publisher = desk.publisher(poll_interval_s=30)
    task = asyncio.create_task(publisher.run())
    await until(lambda: desk.health.ready)
    desk.outbox.add(*numbers(20))
    await publisher.stop()
    await asyncio.wait_for(task, 2)
    assert desk.out() == numbers(20)


async def test_a_dead_letter_too_large_for_its_topic_goes_without_its_value(desk):
    desk.cluster.max_record_bytes["dead"] = 10
    desk.outbox.add(b"x" * 50, topic="dead", headers=((REASON, b"BAD"),))
    desk.outbox.add(b"next")
    async with desk.running():
        await until(lambda: desk.outbox.up_to == 2)
    (dead,) = desk.cluster.committed_messages("dead")
    assert (dead.value, dict(dead.headers)[OMITTED_BYTES]) == (b"", b"50")
    assert desk.out() == [b"next"]


async def test_any_other_row_too_large_blocks_and_says_so(desk, caplog):
    desk.cluster.max_record_bytes[TOPIC] = 10
    desk.outbox.add(b"first", b"x" * 50, b"last")
    async with desk.running():
        await until(lambda: "refuses the size" in str(desk.health.reasons()))
        assert desk.out() == []
        desk.cluster.max_record_bytes[TOPIC] = 100
        await until(lambda: desk.outbox.up_to == 3)
    assert "raise max.message.bytes" in caplog.text


async def test_a_defect_in_the_outbox_is_not_swallowed(desk):
    desk.outbox.trouble["pending"] = [ZeroDivisionError("a defect")]
    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(desk.publisher().run(), 5)
