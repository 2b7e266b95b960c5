"""The bounded buffer of one partition, between the one loop that polls and the worker of that partition."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from streamlabel.runtime.broker import Source
from streamlabel.runtime.clock import Clock
from streamlabel.runtime.handlers import LaneLimits
from streamlabel.runtime.messages import Message

_FULL = "full"
_HELD = "held"


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Consecutive messages of one partition, and when the oldest of them was read (on the clock's stopwatch)."""

    messages: list[Message]
    size_bytes: int
    read_at_s: float


class Inlet:
    """Takes what was polled while it is open, drops everything else, and hands it on in batches.

    Positions only move forward: a message below `position` is a stale fetch and dropped. A partition whose buffer is
    full, or whose worker holds it, is paused at the source; polling goes on, so the group never thinks us dead.
    """

    def __init__(self, source: Source, partition: int, limits: LaneLimits, clock: Clock) -> None:
        self._source = source
        self._partition = partition
        self._limits = limits
        self._clock = clock
        self._open = False
        self._paused_for: set[str] = set()
        self._messages: deque[Message] = deque()
        self._bytes = 0
        self._oldest_s = 0.0
        self._changed = asyncio.Event()
        self.position = 0

    @property
    def backlog(self) -> int:
        """How many messages wait."""
        return len(self._messages)

    def open(self, position: int) -> None:
        """Read on from there."""
        self._clear()
        self.position = position
        self._open = True
        self._source.seek(self._partition, position)
        self._source.resume(self._partition)

    def close(self) -> None:
        """Forget what waits, and take nothing until the next `open`."""
        self._open = False
        self._source.pause(self._partition)
        self._clear()

    def offer(self, messages: Sequence[Message]) -> None:
        """Take what was polled; never waits, and what does not fit any more pauses the partition."""
        if not self._open:
            return
        if not self._messages:
            self._oldest_s = self._clock.monotonic_s()
        position = self.position
        size = 0
        for message in messages:
            if message.offset >= position:
                position = message.offset + 1
                size += len(message.value) + len(message.key)
                self._messages.append(message)
        self.position = position
        self._bytes += size
        if len(self._messages) >= 2 * self._limits.max_rows or self._bytes >= 2 * self._limits.max_bytes:
            self._pause(_FULL)
        self._changed.set()

    async def take(self, idle: Callable[[], bool]) -> Batch | None:
        """The next batch: at once if `idle()`, otherwise when it is full or its oldest message waited long enough.

        None once the inlet is closed.
        """
        limits = self._limits
        while self._open:
            wait_s: float | None = None
            if self._messages and _HELD not in self._paused_for:
                if idle() or len(self._messages) >= limits.max_rows or self._bytes >= limits.max_bytes:
                    return self._cut()
                wait_s = self._oldest_s + limits.max_wait_s - self._clock.monotonic_s()
                if wait_s <= 0:
                    return self._cut()
            self._changed.clear()
            try:
                async with asyncio.timeout(wait_s):
                    await self._changed.wait()
            except TimeoutError:
                continue
        return None

    def nudge(self) -> None:
        """What `idle()` says may have changed."""
        self._changed.set()

    def hold(self) -> None:
        """Hand out nothing for now."""
        self._pause(_HELD)

    def release(self) -> None:
        """Undo `hold`."""
        self._unpause(_HELD)
        self._changed.set()

    def _cut(self) -> Batch:
        read_at_s, self._oldest_s = self._oldest_s, self._clock.monotonic_s()
        batch: list[Message] = []
        size = 0
        while self._messages and len(batch) < self._limits.max_rows:
            message = self._messages[0]
            message_bytes = len(message.value) + len(message.key)
            if batch and size + message_bytes > self._limits.max_bytes:
                break
            batch.append(self._messages.popleft())
            size += message_bytes
        self._bytes -= size
        if len(self._messages) < self._limits.max_rows and self._bytes < self._limits.max_bytes:
            self._unpause(_FULL)
        return Batch(messages=batch, size_bytes=size, read_at_s=read_at_s)

    def _clear(self) -> None:
        self._messages.clear()
        self._bytes = 0
        self._paused_for.clear()
        self._changed.set()

    def _pause(self, reason: str) -> None:
        if not self._paused_for:
            self._source.pause(self._partition)
        self._paused_for.add(reason)

    def _unpause(self, reason: str) -> None:
        if reason in self._paused_for:
            self._paused_for.discard(reason)
            if not self._paused_for and self._open:
                self._source.resume(self._partition)
