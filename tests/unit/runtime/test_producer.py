"""Writing without transactions: each record acknowledged, memory bounded, a broken producer replaced."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from streamlabel.errors import ConfigurationError, InvalidMessageError, TransientError
from streamlabel.runtime.backoff import Backoff
from streamlabel.runtime.broker import BrokerUnavailableError, TransactionFailedError
from streamlabel.runtime.health import Health
from streamlabel.runtime.messages import Emit
from streamlabel.runtime.producer import IdempotentProducer
from support.fake_broker import FakeBroker
from support.fake_cluster import FakeCluster

TOPIC = "records"


class Door:
    def __init__(self) -> None:
        self.cluster = FakeCluster()
        self.cluster.create_topic(TOPIC, 2)
        self.health = Health()

    def producer(self, **options: Any) -> IdempotentProducer:
        settings: dict[str, Any] = {
            "name": "records",
            "broker": FakeBroker(self.cluster),
            "health": self.health,
            "backoff": Backoff(base_s=0.005, cap_s=0.02, floor_s=0.001),
            "delivery_timeout_s": 2.0,
        }
        return IdempotentProducer(**(settings | options))

    @contextlib.asynccontextmanager
    async def running(self, **options: Any) -> AsyncIterator[IdempotentProducer]:
        producer = self.producer(**options)
        task = asyncio.create_task(producer.run())
        try:
            yield producer
        finally:
            await asyncio.wait_for(producer.stop(), 5)
            await asyncio.wait_for(task, 5)

    def out(self) -> list[tuple[int, bytes]]:
        return [(message.partition, message.value) for message in self.cluster.committed_messages(TOPIC)]


def item(value: bytes, partition: int = 0) -> tuple[int, Emit]:
    return partition, Emit(topic=TOPIC, key=b"k", value=value, headers=(("h", value),))


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.002)


@pytest.fixture
async def door() -> Door:
    return Door()


async def test_each_record_is_acknowledged_in_its_partition_and_order(door):
    async with door.running() as producer:
        answers = await producer.send([item(b"a"), item(b"b", 1), item(b"c")])
    assert answers == [None, None, None]
    assert door.out() == [(0, b"a"), (0, b"c"), (1, b"b")]
    assert producer.in_flight_bytes == 0


async def test_callers_that_come_together_share_batches(door):
    held = asyncio.Event()

    async def hold(_: str) -> None:
        await held.wait()

    door.cluster.fault("before send", hold)
    async with door.running() as producer:
        sends = [asyncio.create_task(producer.send([item(b"%d" % number)])) for number in range(20)]
        await until(lambda: ("before send", TOPIC) in door.cluster.calls)
        held.set()
        await asyncio.gather(*sends)
    assert [value for _, value in door.out()] == [b"%d" % number for number in range(20)]
    assert door.cluster.calls.count(("before send", TOPIC)) <= 3


async def test_no_acknowledgement_before_the_brokers_have_it(door):
    held = asyncio.Event()

    async def hold(_: str) -> None:
        await held.wait()

    door.cluster.fault("after send", hold)
    async with door.running() as producer:
        send = asyncio.create_task(producer.send([item(b"a")]))
        await until(lambda: bool(door.out()))
        await asyncio.sleep(0.02)
        assert not send.done()
        held.set()
        assert await send == [None]


async def test_too_many_bytes_in_flight_are_turned_away_with_a_hint(door):
    held = asyncio.Event()

    async def hold(_: str) -> None:
        await held.wait()

    door.cluster.fault("before send", hold)
    async with door.running(max_in_flight_bytes=1_000) as producer:
        first = asyncio.create_task(producer.send([item(b"x" * 800)]))
        await until(lambda: producer.in_flight_bytes > 0)
        with pytest.raises(TransientError) as caught:
            await producer.send([item(b"y" * 800)])
        assert caught.value.retry_after_s
        held.set()
        assert await first == [None]
        assert await producer.send([item(b"y" * 800)]) == [None]
        assert await producer.send([item(b"z" * 5_000)]) == [None], "alone, a large one is let in"
    assert len(door.out()) == 3


@pytest.mark.parametrize("step", ["before send", "after send"])
async def test_a_failed_write_is_told_and_the_producer_replaced(door, step):
    door.cluster.fault(step, TransactionFailedError("a gap in the sequence numbers"))
    async with door.running() as producer:
        (answer,) = await producer.send([item(b"a")])
        assert isinstance(answer, TransientError)
        assert answer.retry_after_s
        assert await producer.send([item(b"b")]) == [None]
    assert [value for _, value in door.out()] == ([b"b"] if step == "before send" else [b"a", b"b"])
    assert sum(step == "appender start" for step, _ in door.cluster.calls) == 2


async def test_a_record_too_large_is_invalid_and_the_others_may_come_again(door):
    door.cluster.max_record_bytes[TOPIC] = 100
    async with door.running() as producer:
        answers = await producer.send([item(b"a"), item(b"x" * 600_000), item(b"c")])
        assert isinstance(answers[1], InvalidMessageError)
        assert answers[1].reason == "OUTPUT_TOO_LARGE"
        assert isinstance(answers[0], TransientError)
        assert isinstance(answers[2], TransientError)
        assert await producer.send([item(b"c")]) == [None]


async def test_records_wait_for_a_broker_that_comes_in_time(door):
    door.cluster.fault("appender start", BrokerUnavailableError("away"), times=3)
    async with door.running() as producer:
        assert await producer.send([item(b"a")]) == [None]
        assert door.health.ready


async def test_records_are_given_back_when_the_broker_does_not_come(door):
    door.cluster.fault("appender start", BrokerUnavailableError("away"), times=10_000)
    async with door.running(delivery_timeout_s=0.05) as producer:
        (answer,) = await producer.send([item(b"a")])
        assert isinstance(answer, TransientError)
        assert "away" in str(door.health.reasons())
    assert producer.in_flight_bytes == 0


async def test_stop_answers_what_is_in_flight_and_takes_nothing_more(door):
    held = asyncio.Event()

    async def hold(_: str) -> None:
        await held.wait()

    door.cluster.fault("before send", hold)
    producer = door.producer()
    task = asyncio.create_task(producer.run())
    send = asyncio.create_task(producer.send([item(b"a")]))
    await until(lambda: producer.in_flight_bytes > 0)
    stopping = asyncio.create_task(producer.stop())
    await asyncio.sleep(0.01)
    with pytest.raises(TransientError, match="stopping"):
        await producer.send([item(b"b")])
    held.set()
    assert await send == [None]
    await asyncio.wait_for(stopping, 2)
    await asyncio.wait_for(task, 2)


async def test_a_caller_that_goes_away_does_not_hold_up_the_others(door):
    held = asyncio.Event()

    async def hold(_: str) -> None:
        await held.wait()

    door.cluster.fault("before send", hold)
    async with door.running() as producer:
        gone = asyncio.create_task(producer.send([item(b"gone")]))
        await until(lambda: producer.in_flight_bytes > 0)
        stays = asyncio.create_task(producer.send([item(b"stays")]))
        await asyncio.sleep(0)
        gone.cancel()
        held.set()
        assert await stays == [None]
    assert [value for _, value in door.out()] == [b"gone", b"stays"]


async def test_a_partition_that_does_not_exist_stops_the_process(door):
    producer = door.producer()
    task = asyncio.create_task(producer.run())
    (answer,) = await producer.send([item(b"a", 7)])
    assert isinstance(answer, TransientError)
    with pytest.raises(ConfigurationError):
        await asyncio.wait_for(task, 2)


async def test_a_producer_that_ended_by_a_defect_leaves_nobody_waiting(door):
    held = asyncio.Event()

    async def hold(_: str) -> None:
        await held.wait()
        raise ZeroDivisionError("defect")

    door.cluster.fault("before send", hold)
    producer = door.producer(max_batch_records=1)
    task = asyncio.create_task(producer.run())
    first = asyncio.create_task(producer.send([item(b"in hand")]))
    await until(lambda: ("before send", TOPIC) in door.cluster.calls)
    queued = asyncio.create_task(producer.send([item(b"queued")]))
    await asyncio.sleep(0.01)
    held.set()
    for send in (first, queued):
        (answer,) = await asyncio.wait_for(send, 2)
        assert isinstance(answer, TransientError)
    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(task, 2)
    with pytest.raises(TransientError):
        await asyncio.wait_for(producer.send([item(b"too late")]), 2)


async def test_a_storm_of_faults_keeps_order_and_tells_the_truth(door):
    for _ in range(15):
        door.cluster.fault("before send", TransactionFailedError("spent"))
        door.cluster.fault("after send", TransactionFailedError("spent"))
    acknowledged: list[bytes] = []
    async with door.running() as producer:
        for number in range(60):
            value = b"%d" % number
            if await producer.send([item(value)]) == [None]:
                acknowledged.append(value)
    out = [value for _, value in door.out()]
    assert set(acknowledged) <= set(out)
    assert out == sorted(out, key=int)
    assert len(acknowledged) >= 30
