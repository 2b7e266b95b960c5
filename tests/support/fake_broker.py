"""Kafka in memory, as far as `streamlabel.runtime.broker` promises it: the clients of one process or several."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from streamlabel.runtime.broker import (
    TAIL_MAX_BYTES,
    AssignmentListener,
    BrokerUnavailableError,
    FencedError,
    MessageTooLargeError,
    OffsetGoneError,
    TransactionFailedError,
)
from streamlabel.runtime.messages import Message, RawRecord
from support.fake_cluster import FakeCluster, FakeGroup, FakeTransaction, Fate


class FakeSource:
    """A `streamlabel.runtime.broker.Source`."""

    def __init__(self, broker: FakeBroker, topic: str, group: str) -> None:
        self._broker = broker
        self._cluster = broker.cluster
        self._topic = topic
        self._group_name = group
        self._listener: AssignmentListener | None = None
        self._group: FakeGroup | None = None
        self._joining: asyncio.Task[None] | None = None
        self._stopped = False
        self.positions: dict[int, int] = {}
        self.open: set[int] = set()
        self.assigned: set[int] = set()

    @property
    def broker(self) -> FakeBroker:
        return self._broker

    @property
    def dead(self) -> bool:
        return self._broker.killed or self._stopped

    async def start(self, listener: AssignmentListener) -> None:
        await self._broker.call("source start", self._topic)
        if self._topic not in self._cluster.topics:
            raise BrokerUnavailableError(f"topic {self._topic} does not exist (yet)")
        self._listener = listener
        key = (self._group_name, self._topic)
        self._group = self._cluster.groups.setdefault(key, FakeGroup(self._cluster, self._topic))
        self._joining = asyncio.create_task(self._group.change(join=self))

    async def assign(self, partitions: list[int]) -> None:
        assert self._listener is not None
        self.assigned, self.open = set(partitions), set()
        self.positions.clear()
        await self._listener.assigned(partitions)

    async def revoke(self) -> None:
        assert self._listener is not None
        await self._listener.revoked(sorted(self.assigned))
        self.assigned, self.open = set(), set()

    async def poll(self, timeout_s: float) -> Mapping[int, Sequence[Message]]:
        await self._broker.call("poll", self._topic)
        try:
            async with asyncio.timeout(timeout_s):
                while not (polled := self._fetch()):
                    await self._cluster.next_change()
                return polled
        except TimeoutError:
            return {}

    def _fetch(self) -> dict[int, Sequence[Message]]:
        polled: dict[int, Sequence[Message]] = {}
        for number in sorted(self.open):
            log = self._cluster.partition(self._topic, number)
            position = self.positions[number]
            if not log.start <= position <= log.end:
                self.open.discard(number)
                raise OffsetGoneError(self._topic, number, position)
            messages, self.positions[number] = log.read(self._topic, number, position, limit=self._broker.fetch_rows)
            if messages:
                polled[number] = messages
        return polled

    async def committed(self, partition: int) -> int | None:
        await self._broker.call("committed", f"{self._topic}[{partition}]")
        return self._cluster.offsets.get((self._group_name, self._topic, partition))

    async def bounds(self, partition: int) -> tuple[int, int]:
        await self._broker.call("bounds", f"{self._topic}[{partition}]")
        log = self._cluster.partition(self._topic, partition)
        return log.start, log.stable_end

    def seek(self, partition: int, offset: int) -> None:
        if partition in self.assigned:
            self.positions[partition] = offset

    def pause(self, partition: int) -> None:
        self.open.discard(partition)

    def resume(self, partition: int) -> None:
        if partition in self.assigned and partition in self.positions:
            self.open.add(partition)
            self._cluster.notify()

    async def lag(self, partition: int) -> int | None:
        if partition not in self.open:
            return None
        return self._cluster.partition(self._topic, partition).end - self.positions[partition]

    async def position(self, partition: int) -> int | None:
        return self.positions[partition] if partition in self.open else None

    async def commit(self, offsets: Mapping[int, int]) -> None:
        await self._broker.call("group commit", self._topic)
        for partition, offset in offsets.items():
            if partition not in self.assigned:
                raise BrokerUnavailableError(f"{self._topic} is being reassigned")
            self._cluster.offsets[self._group_name, self._topic, partition] = offset

    async def stop(self) -> None:
        if self._stopped:
            return
        self._stopped = True
        self.open.clear()
        if self._joining is not None:
            await self._joining
        if self._group is not None and not self._broker.killed:
            await self._group.change(leave=self)


class FakeAppender:
    """A `streamlabel.runtime.broker.Appender`."""

    def __init__(self, broker: FakeBroker, batch_bytes: int) -> None:
        self._broker = broker
        self._cluster = broker.cluster
        self._batch_bytes = batch_bytes
        self._started = False
        self._spent = False

    async def start(self) -> None:
        await self._broker.call("appender start", "")
        self._started = True

    async def send(self, topic: str, partition: int, records: Sequence[RawRecord]) -> None:
        try:
            await self._broker.call("before send", topic)
            if not self._started or self._spent:
                raise TransactionFailedError("the producer is spent")
            self._cluster.partition(topic, partition)
            self._write(topic, partition, records, None)
            await self._broker.call("after send", topic)
        except BaseException:
            self._spent = True
            raise
        self._cluster.notify()

    def _write(
        self, topic: str, partition: int, records: Sequence[RawRecord], transaction: FakeTransaction | None
    ) -> None:
        limit = self._cluster.max_record_bytes.get(topic, 1_000_000)
        for index, (key, value, headers) in enumerate(records):
            size = len(key or b"") + len(value or b"")
            if size > limit:
                shared = len(records) > 1 and size <= self._batch_bytes
                raise MessageTooLargeError(topic, None if shared else index)
            self._cluster.append(topic, partition, (key, value, tuple(headers)), transaction)

    async def stop(self) -> None:
        self._started = False


class FakeLaneProducer(FakeAppender):
    """A `streamlabel.runtime.broker.LaneProducer`."""

    def __init__(self, broker: FakeBroker, transactional_id: str, batch_bytes: int) -> None:
        super().__init__(broker, batch_bytes)
        self._id = transactional_id
        self._epoch = 0
        self._transaction: FakeTransaction | None = None

    async def start(self) -> None:
        await self._broker.call("before start", self._id)
        self._cluster.epochs[self._id] += 1
        self._epoch = self._cluster.epochs[self._id]
        left = self._cluster.transactions.get(self._id)
        if left is not None:
            self._cluster.end(left, Fate.ABORTED)
        self._cluster.settle(self._id)
        self._started = True
        await self._broker.call("after start", self._id)

    async def begin(self) -> None:
        await self._step("begin")
        self._cluster.settle(self._id)
        self._transaction = self._cluster.transactions[self._id] = FakeTransaction()

    async def send(self, topic: str, partition: int, records: Sequence[RawRecord]) -> None:
        await self._step("send", topic)
        assert self._transaction is not None, "send outside a transaction"
        try:
            self._cluster.partition(topic, partition)
            self._transaction.touched.add((topic, partition))
            self._write(topic, partition, records, self._transaction)
        except BaseException:
            self._spent = True
            raise
        await self._broker.call("after send", topic)

    async def send_offsets(self, group: str, offsets: Mapping[tuple[str, int], int]) -> None:
        await self._step("send_offsets")
        assert self._transaction is not None, "offsets outside a transaction"
        self._transaction.offsets.update({(group, *target): offset for target, offset in offsets.items()})
        await self._broker.call("after send_offsets", self._id)

    async def commit(self) -> None:
        await self._step("commit")
        assert self._transaction is not None, "commit outside a transaction"
        self._cluster.end(self._transaction, Fate.COMMITTED)
        self._transaction = None
        await self._broker.call("after commit", self._id)

    async def abort(self) -> None:
        if self._transaction is not None and self._epoch == self._cluster.epochs[self._id]:
            await self._broker.call("abort", self._id)
            self._cluster.end(self._transaction, Fate.ABORTED)
        self._transaction = None

    async def _step(self, name: str, subject: str | None = None) -> None:
        await self._broker.call(f"before {name}", subject or self._id)
        if self._epoch != self._cluster.epochs[self._id]:
            raise FencedError(f"another producer has taken {self._id}")
        if not self._started or self._spent:
            raise TransactionFailedError("the producer is spent")


class FakeTopicReader:
    """A `streamlabel.runtime.broker.TopicReader`."""

    def __init__(self, broker: FakeBroker, topic: str) -> None:
        self._broker = broker
        self._cluster = broker.cluster
        self._topic = topic
        self._positions: dict[int, int] = {}

    async def start(self) -> None:
        await self._broker.call("reader start", self._topic)
        self._cluster.partition(self._topic, 0)
        self._positions = {number: log.start for number, log in enumerate(self._cluster.topics[self._topic])}

    async def poll(self, timeout_s: float) -> Sequence[Message]:
        await self._broker.call("reader poll", self._topic)
        try:
            async with asyncio.timeout(timeout_s):
                while not (polled := self._fetch()):
                    await self._cluster.next_change()
                return polled
        except TimeoutError:
            return []

    def _fetch(self) -> list[Message]:
        polled: list[Message] = []
        for number, position in self._positions.items():
            messages, self._positions[number] = self._cluster.topics[self._topic][number].read(
                self._topic, number, position
            )
            polled += messages
        return polled

    async def missing(self) -> int:
        await self._broker.call("reader missing", self._topic)
        logs = self._cluster.topics[self._topic]
        return sum(logs[number].stable_end - position for number, position in self._positions.items())

    async def stop(self) -> None:
        self._positions.clear()


class FakeBroker:
    """One process's way to the cluster (a `streamlabel.runtime.broker.Broker`); `kill` makes it a dead process's."""

    def __init__(self, cluster: FakeCluster) -> None:
        self.cluster = cluster
        self.killed = False
        self.fetch_rows = 1_000

    def source(self, topic: str, group: str) -> FakeSource:
        return FakeSource(self, topic, group)

    def producer(self, transactional_id: str, *, batch_bytes: int | None = None) -> FakeLaneProducer:
        return FakeLaneProducer(self, transactional_id, batch_bytes or 512 * 1024)

    def appender(self) -> FakeAppender:
        return FakeAppender(self, 512 * 1024)

    def reader(self, topic: str) -> FakeTopicReader:
        return FakeTopicReader(self, topic)

    async def read_tail(
        self, topic: str, partition: int, before_offset: int, count: int, *, max_bytes: int = TAIL_MAX_BYTES
    ) -> Sequence[Message]:
        await self.call("read_tail", topic)
        log = self.cluster.partition(topic, partition)
        messages = [message for message in log.read(topic, partition, log.start)[0] if message.offset < before_offset]
        tail: list[Message] = []
        for message in reversed(messages[-count:] if count else []):
            max_bytes -= len(message.key) + len(message.value)
            if tail and max_bytes < 0:
                break
            tail.insert(0, message)
        return tail

    async def committed(self, group: str, topic: str, partition: int) -> int | None:
        await self.call("committed", f"{topic}[{partition}]")
        return self.cluster.offsets.get((group, topic, partition))

    async def call(self, step: str, subject: str) -> None:
        """Everything passes here: where a dead process hangs for ever, and where faults strike."""
        if self.killed:
            await asyncio.Event().wait()
        await self.cluster.step(step, subject)
        if self.killed:
            await asyncio.Event().wait()

    async def expire(self) -> None:
        """The group notices that this process is dead: its members are out, nobody asked them."""
        for group in list(self.cluster.groups.values()):
            for member in [each for each in group.members if isinstance(each, FakeSource) and each.broker is self]:
                await group.change(leave=member)
