"""A compacted topic as a table in memory: read whole at the start, followed ever after."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, ItemsView, Mapping
from typing import Any, Generic, TypeVar

from streamlabel.errors import InvalidMessageError, TransientError
from streamlabel.runtime.backoff import Backoff
from streamlabel.runtime.broker import Broker, TopicReader
from streamlabel.runtime.clock import Clock, SystemClock
from streamlabel.runtime.health import Health
from streamlabel.runtime.messages import Message
from streamlabel.runtime.tasks import pause

log = logging.getLogger(__name__)

Row = TypeVar("Row")

_POLL_S = 0.2


class CompactedTable(Generic[Row]):
    """The latest value of every key, committed values only; a component of a process.

    `decode` raises InvalidMessageError for a value that cannot be read: it is logged, skipped, and the row before it
    stays; with `unreadable_is_gone` that row goes too. `on_change` is called for each change in order, with None for a row
    that is gone. When Kafka goes away the table keeps what it knows (and says so to `Health`) and reads the topic anew when
    Kafka is back.
    """

    def __init__(
        self,
        *,
        topic: str,
        decode: Callable[[Message], Row],
        broker: Broker,
        health: Health,
        on_change: Callable[[bytes, Row | None], None] | None = None,
        clock: Clock | None = None,
        backoff: Backoff | None = None,
        unreadable_is_gone: bool = False,
    ) -> None:
        self.name = f"table {topic}"
        self._topic = topic
        self._decode = decode
        self._broker = broker
        self._check = health.check(self.name)
        self._on_change = on_change
        self._unreadable_is_gone = unreadable_is_gone
        self._clock = clock or SystemClock()
        self._backoff = backoff or Backoff()
        self._rows: dict[bytes, Row] = {}
        self._ready = asyncio.Event()
        self._stopping = asyncio.Event()
        self._refreshes: list[asyncio.Future[None]] = []

    @property
    def ready(self) -> bool:
        """Whether the topic was read to its end at least once."""
        return self._ready.is_set()

    def get(self, key: bytes) -> Row | None:
        """The latest value of `key`."""
        return self._rows.get(key)

    def items(self) -> ItemsView[bytes, Row]:
        """A view of all rows."""
        return self._rows.items()

    def rows(self) -> Mapping[bytes, Row]:
        """All rows, as they are now and will be."""
        return self._rows

    async def wait_ready(self) -> None:
        """Return once the topic was read to its end."""
        await self._ready.wait()

    async def refresh(self, timeout_s: float = 10.0) -> None:
        """Return once everything is here that was committed before this call; raises TransientError where that takes longer."""
        done = asyncio.get_running_loop().create_future()
        self._refreshes.append(done)
        try:
            async with asyncio.timeout(timeout_s):
                await done
        except TimeoutError as error:
            raise TransientError(f"{self._topic} could not be read to its end within {timeout_s:g} s") from error
        finally:
            if done in self._refreshes:
                self._refreshes.remove(done)

    async def start(self) -> None:
        """Nothing to prepare: `run` reads; others wait with `wait_ready`."""

    async def run(self) -> None:
        """Read and follow until stopped, across every outage."""
        attempt = 0
        while not self._stopping.is_set():
            try:
                await self._follow()
            except TransientError as error:
                attempt = 1 if self._check.reason is None else attempt + 1
                self._check.failing(str(error))
                delay_s = self._backoff.delay_s(attempt, at_least_s=error.retry_after_s)
                log.warning(
                    "cannot read the table", extra={"topic": self._topic, "reason": str(error), "pause_s": delay_s}
                )
                await pause(self._clock, delay_s, self._stopping)
        self._check.close()

    async def stop(self) -> None:
        """End `run` after its present poll."""
        self._stopping.set()

    async def _follow(self) -> None:
        reader = self._broker.reader(self._topic)
        try:
            await reader.start()
            seen: set[bytes] = set()
            await self._read_to_end(reader, seen)
            self._drop_unseen(seen)
            self._ready.set()
            self._check.ok()
            while not self._stopping.is_set():
                for message in await reader.poll(_POLL_S):
                    self._apply(message)
                if self._refreshes:
                    waiting = list(self._refreshes)
                    await self._read_to_end(reader, set())
                    for done in waiting:
                        if not done.done():
                            done.set_result(None)
        finally:
            await reader.stop()

    async def _read_to_end(self, reader: TopicReader, seen: set[bytes]) -> None:
        while not self._stopping.is_set() and await reader.missing():
            for message in await reader.poll(_POLL_S):
                self._apply(message)
                seen.add(message.key)

    def _apply(self, message: Message) -> None:
        row: Row | None = None
        if not message.tombstone:
            try:
                row = self._decode(message)
            except InvalidMessageError as error:
                log.error(
                    "a row cannot be read and is skipped",
                    extra={
                        "topic": self._topic,
                        "partition": message.partition,
                        "offset": message.offset,
                        "reason": str(error),
                    },
                )
                if not self._unreadable_is_gone:
                    return
        if row is None:
            self._rows.pop(message.key, None)
        else:
            self._rows[message.key] = row
        if self._on_change is not None:
            self._on_change(message.key, row)

    def _drop_unseen(self, seen: set[bytes]) -> None:
        """After a topic was read anew: a key that is no longer in it was deleted meanwhile, and its tombstone too."""
        for key in [key for key in self._rows if key not in seen]:
            del self._rows[key]
            if self._on_change is not None:
                self._on_change(key, None)


class TableRead:
    """A component that holds up the start until a table is read: nobody must hear that a row is unknown because we are new here."""

    def __init__(self, table: CompactedTable[Any]) -> None:
        self.name = f"reading {table.name}"
        self._table = table

    async def start(self) -> None:
        """Return once the table was read to its end; that may take as long as Kafka is away, and a stop of the process ends it."""
        await self._table.wait_ready()

    async def run(self) -> None:
        """Nothing to do."""

    async def stop(self) -> None:
        """Nothing to end."""
