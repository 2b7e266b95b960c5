"""What `streamlabel.runtime.broker` promises, as tests that every implementation inherits.

An implementation's module subclasses `BrokerContract` and gives the `world` fixture.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

import pytest

from streamlabel.errors import ConfigurationError, TransientError
from streamlabel.runtime.broker import (
    Broker,
    BrokerUnavailableError,
    FencedError,
    LaneProducer,
    MessageTooLargeError,
    OffsetGoneError,
    Source,
)
from streamlabel.runtime.messages import Message, RawRecord

DEADLINE_S = 20.0


class World(Protocol):
    """A cluster to try things on; `broker()` is a new process's way to it."""

    def broker(self) -> Broker: ...

    async def make_topic(self, partitions: int, *, max_record_bytes: int | None = None) -> str:
        """A topic that refuses records larger than that (what surrounds a record may count)."""


class Listener:
    """Keeps what it is told."""

    def __init__(self, on_revoked: Callable[[], None] = lambda: None) -> None:
        self.partitions: set[int] = set()
        self.history: list[tuple[str, list[int]]] = []
        self._on_revoked = on_revoked

    async def assigned(self, partitions: Collection[int]) -> None:
        self.partitions = set(partitions)
        self.history.append(("assigned", sorted(partitions)))

    async def revoked(self, partitions: Collection[int]) -> None:
        self._on_revoked()
        self.partitions -= set(partitions)
        self.history.append(("revoked", sorted(partitions)))


def record(value: bytes, key: bytes = b"key") -> RawRecord:
    return key, value, (("trace", value),)


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0.01)


async def read(source: Source, count: int, *, timeout_s: float = DEADLINE_S) -> dict[int, list[Message]]:
    """Poll until `count` messages are there or `timeout_s` is over."""
    found: dict[int, list[Message]] = {}
    deadline = asyncio.get_running_loop().time() + timeout_s
    while sum(map(len, found.values())) < count and asyncio.get_running_loop().time() < deadline:
        for partition, messages in (await source.poll(0.1)).items():
            found.setdefault(partition, []).extend(messages)
    return found


async def write(broker: Broker, topic: str, values: Mapping[int, Sequence[bytes]]) -> None:
    """Records outside any transaction."""
    appender = broker.appender()
    await appender.start()
    try:
        for partition, own in values.items():
            await appender.send(topic, partition, [record(value) for value in own])
    finally:
        await appender.stop()


async def join(
    broker: Broker, topic: str, group: str, *, partitions: int, at: int | None = 0
) -> tuple[Source, Listener]:
    """A member that has `partitions` partitions, each open at offset `at` (None: left as assigned)."""
    source, listener = broker.source(topic, group), Listener()
    await source.start(listener)
    await assigned(source, listener, partitions)
    if at is not None:
        for partition in listener.partitions:
            source.seek(partition, at)
            source.resume(partition)
    return source, listener


async def assigned(source: Source, listener: Listener, count: int) -> None:
    """Poll, as a member must, until it holds `count` partitions."""
    async with asyncio.timeout(DEADLINE_S):
        while len(listener.partitions) != count:
            await source.poll(0.05)


async def transact(
    producer: LaneProducer, topic: str, values: Sequence[bytes], *, offsets: tuple[str, str, int] | None = None
) -> None:
    await producer.begin()
    await producer.send(topic, 0, [record(value) for value in values])
    if offsets is not None:
        group, source_topic, offset = offsets
        await producer.send_offsets(group, {(source_topic, 0): offset})
    await producer.commit()


def of(messages: Sequence[Message]) -> list[bytes]:
    return [message.value for message in messages]


class BrokerContract:
    @pytest.fixture
    def broker(self, world: World) -> Broker:
        return world.broker()

    @pytest.fixture
    def group(self) -> str:
        return f"group-{uuid.uuid4().hex[:8]}"

    # Source

    async def test_assigned_partition_yields_nothing_before_seek_and_resume(self, world, broker, group):
        topic = await world.make_topic(1)
        await write(broker, topic, {0: [b"a"]})
        source, _ = await join(broker, topic, group, partitions=1, at=None)
        assert await read(source, 1, timeout_s=0.6) == {}
        source.seek(0, 0)
        source.resume(0)
        assert of((await read(source, 1))[0]) == [b"a"]
        await source.stop()

    async def test_messages_arrive_whole_and_in_order(self, world, broker, group):
        topic = await world.make_topic(2)
        await write(broker, topic, {0: [b"a", b"b"], 1: [b"c"]})
        source, _ = await join(broker, topic, group, partitions=2)
        found = await read(source, 3)
        assert of(found[0]) == [b"a", b"b"]
        assert of(found[1]) == [b"c"]
        first = found[0][0]
        assert (first.topic, first.partition, first.offset, first.key) == (topic, 0, 0, b"key")
        assert first.headers == (("trace", b"a"),)
        assert first.timestamp_ms > 1_600_000_000_000
        assert not first.tombstone
        await source.stop()

    async def test_pause_keeps_the_position(self, world, broker, group):
        topic = await world.make_topic(1)
        source, _ = await join(broker, topic, group, partitions=1)
        await write(broker, topic, {0: [b"a"]})
        assert of((await read(source, 1))[0]) == [b"a"]
        source.pause(0)
        await write(broker, topic, {0: [b"b"]})
        assert await read(source, 1, timeout_s=0.5) == {}
        source.resume(0)
        assert of((await read(source, 1))[0]) == [b"b"]
        await source.stop()

    async def test_seek_back_reads_again_and_nothing_from_before_it(self, world, broker, group):
        topic = await world.make_topic(1)
        await write(broker, topic, {0: [b"%d" % number for number in range(20)]})
        source, _ = await join(broker, topic, group, partitions=1)
        await read(source, 20)
        await write(broker, topic, {0: [b"later"]})
        source.seek(0, 18)
        assert of((await read(source, 3))[0]) == [b"18", b"19", b"later"]
        await source.stop()

    async def test_only_committed_records_are_read_and_an_open_transaction_hides_what_follows(
        self, world, broker, group
    ):
        topic = await world.make_topic(1)
        source, _ = await join(broker, topic, group, partitions=1)
        producer = broker.producer(f"{group}.t")
        await producer.start()
        await producer.begin()
        await producer.send(topic, 0, [record(b"open")])
        await write(broker, topic, {0: [b"behind"]})
        assert await read(source, 1, timeout_s=0.5) == {}
        await producer.commit()
        assert of((await read(source, 2))[0]) == [b"open", b"behind"]
        await producer.stop()
        await source.stop()

    async def test_aborted_records_are_never_read(self, world, broker, group):
        topic = await world.make_topic(1)
        producer = broker.producer(f"{group}.t")
        await producer.start()
        await producer.begin()
        await producer.send(topic, 0, [record(b"aborted")])
        await producer.abort()
        await producer.stop()
        await write(broker, topic, {0: [b"after"]})
        source, _ = await join(broker, topic, group, partitions=1)
        assert of((await read(source, 1))[0]) == [b"after"]
        await source.stop()

    async def test_position_that_does_not_exist(self, world, broker, group):
        topic = await world.make_topic(1)
        await write(broker, topic, {0: [b"a"]})
        source, _ = await join(broker, topic, group, partitions=1, at=None)
        source.seek(0, 77)
        source.resume(0)
        with pytest.raises(OffsetGoneError) as caught:
            await read(source, 1, timeout_s=5)
        assert (caught.value.topic, caught.value.partition, caught.value.offset) == (topic, 0, 77)
        await source.stop()

    async def test_bounds_and_lag(self, world, broker, group):
        topic = await world.make_topic(1)
        await write(broker, topic, {0: [b"a", b"b", b"c"]})
        source, _ = await join(broker, topic, group, partitions=1)
        assert await source.bounds(0) == (0, 3)
        await read(source, 3)
        assert await source.lag(0) == 0
        assert await source.position(0) == 3
        source.pause(0)
        assert await source.position(0) is None
        await source.stop()

    async def test_second_member_takes_half_after_the_first_was_asked(self, world, group):
        topic = await world.make_topic(4)
        first, listener = await join(world.broker(), topic, group, partitions=4)
        second, other = world.broker().source(topic, group), Listener()
        await second.start(other)
        await asyncio.gather(assigned(first, listener, 2), assigned(second, other, 2))
        assert listener.partitions | other.partitions == {0, 1, 2, 3}
        assert ("revoked", [0, 1, 2, 3]) in listener.history
        await first.stop()
        await assigned(second, other, 4)
        await second.stop()

    async def test_seek_pause_and_resume_of_a_foreign_partition_do_nothing(self, world, broker, group):
        topic = await world.make_topic(1)
        source, _ = await join(broker, topic, group, partitions=1)
        source.seek(5, 0)
        source.pause(5)
        source.resume(5)
        assert await source.lag(5) is None
        assert await source.position(5) is None
        await source.stop()
        await source.stop()

    async def test_stopping_what_never_started(self, world, broker, group):
        topic = await world.make_topic(1)
        await broker.source(topic, group).stop()
        await broker.producer(group).stop()
        await broker.appender().stop()
        await broker.reader(topic).stop()

    async def test_source_of_a_missing_topic_says_so(self, broker, group):
        with pytest.raises(BrokerUnavailableError, match="does not exist"):
            await broker.source(f"missing-{group}", group).start(Listener())

    async def test_group_commit_is_seen_from_outside(self, world, broker, group):
        topic = await world.make_topic(1)
        source, _ = await join(broker, topic, group, partitions=1)
        assert await broker.committed(group, topic, 0) is None
        await source.commit({0: 42})
        assert await source.committed(0) == 42
        assert await broker.committed(group, topic, 0) == 42
        await source.stop()

    # LaneProducer

    async def test_records_and_offsets_appear_together(self, world, broker, group):
        source_topic, topic = await world.make_topic(1), await world.make_topic(1)
        producer = broker.producer(f"{group}.t")
        await producer.start()
        await transact(producer, topic, [b"x", b"y"], offsets=(group, source_topic, 7))
        await producer.stop()
        successor = broker.producer(f"{group}.t")
        await successor.start()
        assert await broker.committed(group, source_topic, 0) == 7
        assert of(await broker.read_tail(topic, 0, 3, 10)) == [b"x", b"y"]
        await successor.stop()

    async def test_abort_undoes_records_and_offsets(self, world, broker, group):
        source_topic, topic = await world.make_topic(1), await world.make_topic(1)
        producer = broker.producer(f"{group}.t")
        await producer.start()
        await producer.begin()
        await producer.send(topic, 0, [record(b"x")])
        await producer.send_offsets(group, {(source_topic, 0): 7})
        await producer.abort()
        await producer.abort()  # Nothing is open: harmless.
        await producer.stop()
        assert await broker.committed(group, source_topic, 0) is None
        source, _ = await join(broker, topic, group, partitions=1)
        assert await read(source, 1, timeout_s=0.5) == {}
        await source.stop()

    async def test_many_transactions_in_a_row(self, world, broker, group):
        topic = await world.make_topic(1)
        producer = broker.producer(f"{group}.t")
        await producer.start()
        for number in range(10):
            await transact(producer, topic, [b"%d" % number])
        await producer.stop()
        source, _ = await join(broker, topic, group, partitions=1)
        assert of((await read(source, 10))[0]) == [b"%d" % number for number in range(10)]
        await source.stop()

    @pytest.mark.parametrize("step", ["begin", "send", "send_offsets", "commit"])
    async def test_a_successor_fences_at_every_step(self, world, group, step):
        source_topic, topic = await world.make_topic(1), await world.make_topic(1)
        zombie, successor = world.broker().producer(f"{group}.t"), world.broker().producer(f"{group}.t")
        await zombie.start()
        if step != "begin":
            await zombie.begin()
        if step in ("send_offsets", "commit"):
            await zombie.send(topic, 0, [record(b"zombie")])
        if step == "commit":
            await zombie.send_offsets(group, {(source_topic, 0): 9})
        await successor.start()
        with pytest.raises(FencedError):
            await self._finish(zombie, topic, source_topic, group, step)
        await zombie.stop()
        await transact(successor, topic, [b"successor"], offsets=(group, source_topic, 1))
        await successor.stop()
        source, _ = await join(world.broker(), topic, group, partitions=1)
        assert of((await read(source, 1))[0]) == [b"successor"]
        assert await read(source, 1, timeout_s=0.3) == {}
        await source.stop()

    @staticmethod
    async def _finish(producer: LaneProducer, topic: str, source_topic: str, group: str, step: str) -> None:
        steps = ["begin", "send", "send_offsets", "commit"]
        for name in steps[steps.index(step) :]:
            if name == "begin":
                await producer.begin()
            elif name == "send":
                await producer.send(topic, 0, [record(b"zombie")])
            elif name == "send_offsets":
                await producer.send_offsets(group, {(source_topic, 0): 9})
            else:
                await producer.commit()

    async def test_start_settles_what_the_holder_before_left_open(self, world, group):
        source_topic, topic = await world.make_topic(1), await world.make_topic(1)
        broken = world.broker().producer(f"{group}.t")
        await broken.start()
        await broken.begin()
        await broken.send(topic, 0, [record(b"left open")])
        await broken.send_offsets(group, {(source_topic, 0): 5})
        successor = world.broker().producer(f"{group}.t")
        await successor.start()
        assert await world.broker().committed(group, source_topic, 0) is None
        await write(world.broker(), topic, {0: [b"after"]})
        source, _ = await join(world.broker(), topic, group, partitions=1)
        assert of((await read(source, 1))[0]) == [b"after"]
        await source.stop()
        await successor.stop()
        await broken.stop()

    async def test_offsets_are_not_stale_after_the_next_start(self, world, group):
        """Markers are written after the commit was answered; only a start of the same id waits for them."""
        source_topic, topic = await world.make_topic(1), await world.make_topic(1)
        for round_ in range(1, 11):
            producer = world.broker().producer(f"{group}.t")
            await producer.start()
            assert await world.broker().committed(group, source_topic, 0) == (round_ - 1 or None)
            await transact(producer, topic, [b"x"], offsets=(group, source_topic, round_))
            await producer.stop()

    async def test_too_large_a_record_is_named(self, world, broker, group):
        topic = await world.make_topic(1, max_record_bytes=4_000)
        producer = broker.producer(f"{group}.t", batch_bytes=1)
        await producer.start()
        await producer.begin()
        large = b"\x00" * 4_001
        with pytest.raises(MessageTooLargeError) as caught:
            await producer.send(topic, 0, [record(b"small"), (b"key", large, ()), record(b"small too")])
        assert (caught.value.topic, caught.value.index) == (topic, 1)
        await producer.abort()
        await producer.stop()
        source, _ = await join(broker, topic, group, partitions=1)
        assert await read(source, 1, timeout_s=0.5) == {}
        await source.stop()

    async def test_missing_partition_is_a_configuration_error(self, world, broker, group):
        topic = await world.make_topic(1)
        producer = broker.producer(f"{group}.t")
        await producer.start()
        await producer.begin()
        with pytest.raises(ConfigurationError, match="partition"):
            await producer.send(topic, 3, [record(b"x")])
        await producer.abort()
        await producer.stop()

    async def test_a_producer_that_was_not_started_is_of_no_use(self, world, broker, group):
        topic = await world.make_topic(1)
        with pytest.raises(TransientError):
            await broker.producer(group).begin()
        with pytest.raises(TransientError):
            await broker.appender().send(topic, 0, [record(b"x")])

    # Appender, TopicReader, read_tail

    async def test_appender_keeps_order_over_many_batches(self, world, broker, group):
        topic = await world.make_topic(1)
        appender = broker.appender()
        await appender.start()
        expected = [b"%05d" % number + b"." * 500 for number in range(3_000)]
        for first in range(0, 3_000, 1_500):
            await appender.send(topic, 0, [record(value) for value in expected[first : first + 1_500]])
        await appender.send(topic, 0, [])
        await appender.stop()
        source, _ = await join(broker, topic, group, partitions=1)
        assert of((await read(source, 3_000))[0]) == expected
        await source.stop()

    async def test_calls_for_one_partition_that_come_at_once_keep_their_order(self, world, broker, group):
        topic = await world.make_topic(1)
        appender = broker.appender()
        await appender.start()
        expected = [b"%03d" % number for number in range(300)]
        await asyncio.gather(*(appender.send(topic, 0, [record(value)]) for value in expected))
        await appender.stop()
        source, _ = await join(broker, topic, group, partitions=1)
        assert of((await read(source, 300))[0]) == expected
        await source.stop()

    async def test_reader_reads_everything_and_knows_the_end(self, world, broker, group):
        topic = await world.make_topic(2)
        await write(broker, topic, {0: [b"a"], 1: [b"b"]})
        producer = broker.producer(f"{group}.t")
        await producer.start()
        await transact(producer, topic, [b"c"])
        await producer.begin()
        await producer.send(topic, 0, [(b"key", None, ())])
        await producer.commit()
        await producer.stop()
        reader = broker.reader(topic)
        await reader.start()
        found: list[Message] = []
        async with asyncio.timeout(DEADLINE_S):
            while await reader.missing():
                found += await reader.poll(0.2)
        assert sorted(of(found)) == [b"", b"a", b"b", b"c"]
        assert [message.tombstone for message in found if message.value == b""] == [True]
        await write(broker, topic, {1: [b"d"]})
        assert await reader.missing() == 1
        assert of(await reader.poll(5)) == [b"d"]
        await reader.stop()

    async def test_reader_of_a_missing_topic_says_so(self, broker, group):
        with pytest.raises(BrokerUnavailableError, match="does not exist"):
            await broker.reader(f"missing-{group}").start()

    async def test_read_tail_counts_messages_not_offsets(self, world, broker, group):
        topic = await world.make_topic(1)
        producer = broker.producer(f"{group}.t")
        await producer.start()
        for number in range(30):
            await transact(producer, topic, [b"%d" % number])  # A marker lies after each.
        await producer.stop()
        assert of(await broker.read_tail(topic, 0, 60, 5)) == [b"25", b"26", b"27", b"28", b"29"]
        assert of(await broker.read_tail(topic, 0, 20, 3)) == [b"7", b"8", b"9"]
        assert len(await broker.read_tail(topic, 0, 60, 1_000)) == 30
        assert of(await broker.read_tail(topic, 0, 0, 5)) == []
        assert of(await broker.read_tail(topic, 0, 60, 0)) == []

    async def test_read_tail_keeps_no_more_bytes_than_allowed(self, world, broker, group):
        topic = await world.make_topic(1)
        appender = broker.appender()
        await appender.start()
        await appender.send(topic, 0, [(b"k", b"%02d" % number * 500, ()) for number in range(40)])
        await appender.stop()

        def numbers(messages):
            return [int(message.value[:2]) for message in messages]

        assert numbers(await broker.read_tail(topic, 0, 40, 30, max_bytes=5 * 1001)) == [35, 36, 37, 38, 39]
        assert numbers(await broker.read_tail(topic, 0, 40, 3, max_bytes=5 * 1001)) == [37, 38, 39]
        assert numbers(await broker.read_tail(topic, 0, 40, 30, max_bytes=1)) == [39]
        assert len(await broker.read_tail(topic, 0, 40, 100, max_bytes=10**9)) == 40
