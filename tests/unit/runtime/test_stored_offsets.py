"""A consumer whose offsets live with its effects, in one store."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from streamlabel.errors import TransientError
from streamlabel.runtime.backoff import Backoff
from streamlabel.runtime.broker import BrokerUnavailableError
from streamlabel.runtime.handlers import Cause, LaneLimits, Loss, StaleOffsetError, StoredOffset
from streamlabel.runtime.health import Health
from streamlabel.runtime.log_mark import mark_of
from streamlabel.runtime.messages import Message
from streamlabel.runtime.metrics import Metrics
from streamlabel.runtime.stored_offsets import StoredOffsetConsumer
from support.fake_broker import FakeBroker
from support.fake_cluster import FakeCluster

TOPIC, GROUP = "tasks", "desk"


class Store:
    """A database in the small: effects and offsets change together or not at all."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, bytes]] = []
        self.next: dict[int, int] = {}
        self.marks: dict[int, str] = {}
        self.losses: list[Loss] = []
        self.trouble: list[BaseException] = []
        self.trouble_after: list[BaseException] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.entered = asyncio.Event()

    async def offsets(self, partitions: Sequence[int]) -> Mapping[int, StoredOffset]:
        await asyncio.sleep(0)
        return {
            each: StoredOffset(self.next[each], self.marks.get(each, "")) for each in partitions if each in self.next
        }

    async def lost(self, loss: Loss) -> str:
        if self.trouble:
            raise self.trouble.pop(0)
        assert self.next[loss.partition] == loss.stored_offset
        self.next[loss.partition] = loss.goes_on_at
        self.marks.pop(loss.partition, None)
        self.losses.append(loss)
        return "ask for them again"

    async def apply(
        self, partition: int, batch: Sequence[Message], expected_offset: int | None, next_offset: int
    ) -> None:
        self.entered.set()
        await self.gate.wait()
        if self.trouble:
            raise self.trouble.pop(0)
        if self.next.get(partition) != expected_offset:
            raise StaleOffsetError(f"expected {expected_offset}, found {self.next.get(partition)}")
        self.rows += [(partition, message.value) for message in batch]
        self.next[partition] = next_offset
        self.marks[partition] = mark_of(batch[-1])
        if self.trouble_after:
            raise self.trouble_after.pop(0)

    def of(self, partition: int) -> list[int]:
        return [int(value) for number, value in self.rows if number == partition]


class Desk:
    def __init__(self) -> None:
        self.cluster = FakeCluster()
        self.cluster.create_topic(TOPIC, 2)
        self.store = Store()
        self.health = Health()
        self.metrics = Metrics("review", CollectorRegistry())

    def put(self, partition: int, *numbers: int) -> None:
        self.cluster.put(TOPIC, partition, *(b"%d" % number for number in numbers))

    def consumer(self, broker: FakeBroker | None = None, **options: Any) -> StoredOffsetConsumer:
        settings: dict[str, Any] = {
            "name": "review",
            "topic": TOPIC,
            "group": GROUP,
            "sink": self.store,
            "broker": broker or FakeBroker(self.cluster),
            "metrics": self.metrics,
            "health": self.health,
            "limits": LaneLimits(max_rows=10),
            "backoff": Backoff(base_s=0.005, cap_s=0.02, floor_s=0.001),
            "drain_timeout_s": 1.0,
            "stale_pause_s": 0.01,
            "look_again_s": 0.01,
        }
        return StoredOffsetConsumer(**(settings | options))

    @contextlib.asynccontextmanager
    async def running(self, broker: FakeBroker | None = None, **options: Any) -> AsyncIterator[StoredOffsetConsumer]:
        consumer = self.consumer(broker, **options)
        task = asyncio.create_task(consumer.run())
        try:
            yield consumer
        finally:
            if not task.done():
                await asyncio.wait_for(consumer.stop(), 5)
                await task


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.002)


@pytest.fixture
async def desk() -> Desk:
    return Desk()


async def test_everything_is_applied_once_in_order_across_restarts(desk):
    desk.put(0, *range(35))
    desk.put(1, *range(15))
    async with desk.running():
        await until(lambda: len(desk.store.rows) == 50)
    desk.put(0, *range(35, 40))
    async with desk.running():
        await until(lambda: len(desk.store.rows) == 55)
    assert desk.store.of(0) == list(range(40))
    assert desk.store.of(1) == list(range(15))
    assert desk.store.next == {0: 40, 1: 15}


async def test_the_store_is_believed_and_kafka_is_not(desk):
    desk.put(0, *range(20))
    desk.cluster.offsets[GROUP, TOPIC, 0] = 18
    desk.store.next[0] = 5
    async with desk.running():
        await until(lambda: len(desk.store.rows) == 15)
    assert desk.store.of(0) == list(range(5, 20))


async def test_the_group_is_told_for_lag_monitors(desk):
    desk.put(0, *range(20))
    async with desk.running():
        await until(lambda: desk.cluster.offsets.get((GROUP, TOPIC, 0)) == 20)


async def test_a_group_that_cannot_be_told_harms_nothing(desk):
    desk.cluster.fault("group commit", BrokerUnavailableError("away"), times=5)
    desk.put(0, *range(30))
    async with desk.running():
        await until(lambda: len(desk.store.rows) == 30)
    assert desk.store.of(0) == list(range(30))


@pytest.mark.parametrize("applied", [False, True])
async def test_a_store_that_goes_away_before_or_after_its_commit(desk, applied):
    """The answer to a commit may be lost: only the store knows whether it happened, so it is asked again."""
    (desk.store.trouble_after if applied else desk.store.trouble).extend([TransientError("connection lost")] * 3)
    desk.put(0, *range(50))
    reasons: set[str] = set()
    desk.health.subscribe(lambda: reasons.update(desk.health.reasons().values()))
    async with desk.running():
        await until(lambda: len(desk.store.rows) >= 50)
        await until(lambda: desk.health.ready)
    assert desk.store.of(0) == list(range(50))
    assert "connection lost" in reasons


async def test_a_zombie_is_refused_by_the_store_and_the_owner_goes_on(desk):
    first, second = FakeBroker(desk.cluster), FakeBroker(desk.cluster)
    desk.put(0, *range(10))
    desk.store.gate.clear()
    zombie = asyncio.create_task(desk.consumer(first, stale_pause_s=30).run())
    await desk.store.entered.wait()
    await first.expire()
    held, desk.store.gate = desk.store.gate, asyncio.Event()
    desk.store.gate.set()
    async with desk.running(second):
        await until(lambda: len(desk.store.rows) == 10)
        held.set()
        await until(lambda: any("expected None, found 10" in reason for reason in desk.health.reasons().values()))
        desk.put(0, *range(10, 20))
        await until(lambda: len(desk.store.rows) == 20)
        assert desk.store.of(0) == list(range(20))
        zombie.cancel()
        await asyncio.wait({zombie})


async def test_a_defect_in_the_sink_stops_the_process(desk):
    desk.store.trouble = [ZeroDivisionError("a defect")]
    desk.put(0, 1)
    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(desk.consumer().run(), 5)
    assert desk.store.rows == []


async def test_retention_passed_by(desk, caplog):
    desk.put(0, *range(20))
    desk.store.next[0] = 5
    desk.cluster.topics[TOPIC][0].start = 12
    async with desk.running():
        await until(lambda: len(desk.store.rows) == 8)
    assert desk.store.of(0) == list(range(12, 20))
    assert desk.store.next[0] == 20
    assert "deleted by retention" in caplog.text


async def test_retention_overtakes_an_open_partition(desk):
    broker = FakeBroker(desk.cluster)
    broker.fetch_rows = 10
    desk.put(0, *range(200))
    desk.store.gate.clear()
    async with desk.running(broker):
        await desk.store.entered.wait()
        desk.cluster.topics[TOPIC][0].start = 150
        desk.store.gate.set()
        await until(lambda: desk.store.next.get(0) == 200)
    applied = desk.store.of(0)
    assert applied == sorted(set(applied))
    assert applied[-50:] == list(range(150, 200))


def losses(desk: Desk, cause: Cause) -> float:
    return desk.metrics["streamlabel_input_losses_total"].labels(stage="review", cause=cause.value)._value.get()


async def test_what_retention_took_is_told_to_the_store_to_people_and_to_prometheus(desk, caplog):
    desk.put(0, *range(20))
    desk.store.next[0] = 5
    desk.cluster.topics[TOPIC][0].start = 12
    async with desk.running():
        await until(lambda: len(desk.store.rows) == 8)
        await until(lambda: desk.health.ready)
        [loss] = desk.store.losses
        assert loss == Loss(topic=TOPIC, partition=0, cause=Cause.RETENTION, stored_offset=5, goes_on_at=12)
        warning = "tasks[0]: offsets 5-11 were deleted by retention before they were read; ask for them again"
        assert desk.health.warnings() == {"review[0]": warning}
        assert warning in caplog.text
        assert losses(desk, Cause.RETENTION) == 1


@pytest.mark.parametrize("count", [0, 12, 30, 31, 90], ids=lambda count: f"{count} new ones")
async def test_a_topic_that_was_made_anew_is_read_from_its_beginning_however_long_it_is(desk, count):
    desk.put(0, *range(30))
    async with desk.running():
        await until(lambda: len(desk.store.rows) == 30)
    desk.cluster.create_topic(TOPIC, 2)
    desk.put(0, *range(100, 100 + count))
    async with desk.running():
        await until(lambda: len(desk.store.rows) == 30 + count and desk.store.losses)
        await until(lambda: desk.health.ready)
        assert desk.health.warnings()["review[0]"].startswith("tasks[0] is not the log that was read up to offset 30")
    assert desk.store.of(0) == [*range(30), *range(100, 100 + count)]
    assert desk.store.losses == [
        Loss(topic=TOPIC, partition=0, cause=Cause.ANOTHER_LOG, stored_offset=30, goes_on_at=0)
    ]
    # The next one knows.
    desk.put(0, 500)
    async with desk.running():
        await until(lambda: 500 in desk.store.of(0))
    assert len(desk.store.losses) == 1
    assert losses(desk, Cause.ANOTHER_LOG) == 1


async def test_a_topic_is_made_anew_under_a_reader(desk, caplog):
    broker = FakeBroker(desk.cluster)
    desk.put(0, *range(30))
    async with desk.running(broker) as consumer:
        await until(lambda: len(desk.store.rows) == 30)
        desk.cluster.create_topic(TOPIC, 2)
        assert not (await consumer.caught_up())[0], "who stands beyond the end has not read everything"
        desk.put(0, *range(100, 110))
        await until(lambda: len(desk.store.rows) == 40)
    assert desk.store.of(0) == [*range(30), *range(100, 110)]
    assert [each.cause for each in desk.store.losses] == [Cause.ANOTHER_LOG]
    assert caplog.text.count("position lost") + caplog.text.count("messages are lost") == 1


async def test_a_store_that_is_away_hears_of_the_loss_later(desk):
    desk.put(0, *range(3))
    desk.store.next[0] = 7
    desk.store.trouble = [TransientError("connection lost")] * 3
    async with desk.running():
        await until(lambda: len(desk.store.rows) == 3)
    assert [each.stored_offset for each in desk.store.losses] == [7]


async def test_who_leads_a_partition_since_a_moment_ago_may_not_know_its_end(desk):
    desk.put(0, *range(10))
    desk.store.next[0] = 10
    partition = desk.cluster.topics[TOPIC][0]
    hidden = [partition.entries.pop() for _ in range(4)]
    async with desk.running(look_again_s=0.3):
        await asyncio.sleep(0.1)
        partition.entries.extend(reversed(hidden))
        desk.put(0, 10)
        await until(lambda: desk.store.of(0) == [10])
    assert desk.store.losses == []


async def test_stopping_finishes_the_batch_in_hand(desk):
    desk.put(0, *range(5))
    desk.store.gate.clear()
    consumer = desk.consumer()
    task = asyncio.create_task(consumer.run())
    await desk.store.entered.wait()
    stopping = asyncio.create_task(consumer.stop())
    await asyncio.sleep(0.02)
    desk.store.gate.set()
    await asyncio.wait_for(stopping, 2)
    await task
    assert desk.store.of(0) == list(range(5))


async def test_rebalances_in_mid_stream_apply_everything_once(desk):
    for partition in (0, 1):
        desk.put(partition, *range(300))
    first = desk.consumer(FakeBroker(desk.cluster))
    first_task = asyncio.create_task(first.run())
    await until(lambda: len(desk.store.rows) > 20)
    async with desk.running(FakeBroker(desk.cluster)):
        await asyncio.sleep(0.02)
        await first.stop()
        await first_task
        await until(lambda: len(desk.store.rows) >= 600)
    assert desk.store.of(0) == desk.store.of(1) == list(range(300))


async def test_it_knows_whether_it_has_caught_up(desk):
    desk.put(0, *range(30))
    desk.store.gate.clear()
    async with desk.running() as consumer:
        await desk.store.entered.wait()
        desk.put(1, 1)
        assert not (await consumer.caught_up())[0]
        desk.store.gate.set()
        await until(lambda: len(desk.store.rows) == 31)
        async with asyncio.timeout(5):
            while await consumer.caught_up() != {0: True, 1: True}:
                await asyncio.sleep(0.002)
        desk.put(1, 2)
        await until(lambda: len(desk.store.rows) == 32)
    with pytest.raises(TransientError, match="no group"):
        await consumer.caught_up()
