"""What of the in-memory Kafka survives the death of any process: logs, transactions, groups, committed offsets.

It keeps the traps of the real one. Offsets committed in a transaction become readable only when the transaction is
settled, by the next `begin` or `start` of its transactional id; an open transaction hides what lies behind it from
readers of committed records; a process that was killed leaves its transaction open and its membership in place.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from streamlabel.errors import ConfigurationError
from streamlabel.runtime.broker import BrokerUnavailableError
from streamlabel.runtime.messages import Headers, Message, RawRecord


class Fate(Enum):
    OPEN = "open"
    COMMITTED = "committed"
    ABORTED = "aborted"


@dataclass(slots=True)
class FakeTransaction:
    fate: Fate = Fate.OPEN
    touched: set[tuple[str, int]] = field(default_factory=set)
    offsets: dict[tuple[str, str, int], int] = field(default_factory=dict)


@dataclass(slots=True)
class Entry:
    """A record, or (without one) the marker that ends a transaction."""

    record: RawRecord | None
    transaction: FakeTransaction | None
    timestamp_ms: int


class Partition:
    """A log; its first `start` offsets are deleted."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.start = 0

    @property
    def end(self) -> int:
        return len(self.entries)

    @property
    def stable_end(self) -> int:
        for offset, entry in enumerate(self.entries):
            if entry.transaction is not None and entry.transaction.fate is Fate.OPEN:
                return offset
        return self.end

    def read(self, topic: str, partition: int, first: int, limit: int = 1_000_000) -> tuple[list[Message], int]:
        """Committed messages from `first`, and the position after what was looked at."""
        messages: list[Message] = []
        offset, end = first, self.stable_end
        while offset < end and len(messages) < limit:
            entry = self.entries[offset]
            if entry.record is not None and (entry.transaction is None or entry.transaction.fate is Fate.COMMITTED):
                key, value, headers = entry.record
                messages.append(
                    Message(
                        topic=topic,
                        partition=partition,
                        offset=offset,
                        key=key or b"",
                        value=value or b"",
                        headers=headers,
                        timestamp_ms=entry.timestamp_ms,
                        tombstone=value is None,
                    )
                )
            offset += 1
        return messages, offset


Fault = Callable[[str], Awaitable[None]]


class FakeCluster:
    """What survives the death of any process: logs, groups, transactional ids."""

    def __init__(self) -> None:
        self.topics: dict[str, list[Partition]] = {}
        self.max_record_bytes: dict[str, int] = {}
        self.offsets: dict[tuple[str, str, int], int] = {}
        self.epochs: Counter[str] = Counter()
        self.transactions: dict[str, FakeTransaction] = {}
        self.groups: dict[tuple[str, str], FakeGroup] = {}
        self.calls: list[tuple[str, str]] = []
        self._waiters: list[asyncio.Future[None]] = []
        self._faults: dict[str, list[Fault]] = {}
        self.clock_ms = 1_700_000_000_000

    def create_topic(self, name: str, partitions: int) -> str:
        self.topics[name] = [Partition() for _ in range(partitions)]
        return name

    def fault(self, step: str, action: Fault | BaseException, *, times: int = 1) -> None:
        """At the next `times` calls of `step` (`before start`, `after commit`, …), raise or do this."""

        async def fail(subject: str) -> None:
            raise action  # type: ignore[misc]

        self._faults.setdefault(step, []).extend([fail if isinstance(action, BaseException) else action] * times)

    async def step(self, name: str, subject: str) -> None:
        self.calls.append((name, subject))
        await asyncio.sleep(0)
        queued = self._faults.get(name)
        if queued:
            await queued.pop(0)(subject)

    def notify(self) -> None:
        """Something was written, or may be read now."""
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def next_change(self) -> asyncio.Future[None]:
        self._waiters.append(asyncio.get_running_loop().create_future())
        return self._waiters[-1]

    def partition(self, topic: str, number: int) -> Partition:
        if topic not in self.topics:
            raise BrokerUnavailableError(f"topic {topic} does not exist (yet)")
        if number >= len(self.topics[topic]):
            raise ConfigurationError(f"topic {topic} has {len(self.topics[topic])} partitions, not {number + 1}")
        return self.topics[topic][number]

    def append(self, topic: str, number: int, record: RawRecord | None, transaction: FakeTransaction | None) -> None:
        self.clock_ms += 1
        self.partition(topic, number).entries.append(Entry(record, transaction, self.clock_ms))

    def put(self, topic: str, number: int, *values: bytes, key: bytes = b"k", headers: Headers = ()) -> None:
        """Records from outside any transaction, for a test to begin with."""
        for value in values:
            self.append(topic, number, (key, value, headers), None)
        self.notify()

    def committed_messages(self, topic: str) -> list[Message]:
        """What a reader of committed records sees, partition after partition."""
        return [
            message
            for number, partition in enumerate(self.topics[topic])
            for message in partition.read(topic, number, partition.start)[0]
        ]

    def end(self, transaction: FakeTransaction, fate: Fate) -> None:
        if transaction.fate is Fate.OPEN:
            transaction.fate = fate
            for topic, number in sorted(transaction.touched):
                self.append(topic, number, None, transaction)
        self.notify()

    def settle(self, transactional_id: str) -> None:
        """The markers of its last transaction are written now: the offsets in it can be read."""
        transaction = self.transactions.pop(transactional_id, None)
        if transaction is not None and transaction.fate is Fate.COMMITTED:
            self.offsets.update(transaction.offsets)


class Member(Protocol):
    """A consumer, as its group sees it."""

    @property
    def dead(self) -> bool: ...

    async def revoke(self) -> None: ...

    async def assign(self, partitions: list[int]) -> None: ...


class FakeGroup:
    """A group with eager rebalances: everything is revoked from the living, then dealt anew."""

    def __init__(self, cluster: FakeCluster, topic: str) -> None:
        self._cluster = cluster
        self._topic = topic
        self.members: list[Member] = []
        self._lock = asyncio.Lock()

    async def change(self, *, join: Member | None = None, leave: Member | None = None) -> None:
        async with self._lock:
            for member in self.members:
                if member is not leave and not member.dead:
                    await member.revoke()
            if leave in self.members:
                self.members.remove(leave)
            if join is not None:
                self.members.append(join)
            count = len(self._cluster.topics[self._topic])
            for index, member in enumerate(self.members):
                if not member.dead:
                    await member.assign([number for number in range(count) if number % len(self.members) == index])


def values(messages: Collection[Message]) -> list[bytes]:
    """The values, in order."""
    return [message.value for message in messages]
