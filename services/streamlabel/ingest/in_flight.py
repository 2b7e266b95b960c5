"""What the door has taken and not yet seen acknowledged: how many bytes, and which records."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from streamlabel.errors import StreamlabelError

Fate = StreamlabelError | None
"""What became of a record that was written: None, the brokers have it; else why they do not."""


class ByteBudget:
    """At most `max_bytes` are out at once. Who waits is served in order of arrival; who will not wait is told at once."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()
        self.used_bytes = 0

    def try_take(self, size_bytes: int) -> bool:
        """Takes the bytes if there is room now and nobody waits for it."""
        if self._waiting or self.used_bytes + size_bytes > self._max_bytes:
            return False
        self.used_bytes += size_bytes
        return True

    async def take(self, size_bytes: int) -> None:
        """Takes the bytes as soon as there is room; the caller sets the deadline."""
        if self.try_take(size_bytes):
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (size_bytes, turn)
        self._waiting.append(entry)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give_back(size_bytes)  # The turn came at the very moment of giving up.
            else:
                self._waiting.remove(entry)
                self._serve()
            raise

    def give_back(self, size_bytes: int) -> None:
        """These bytes are out no more."""
        self.used_bytes -= size_bytes
        self._serve()

    def _serve(self) -> None:
        while self._waiting and self.used_bytes + self._waiting[0][0] <= self._max_bytes:
            size_bytes, turn = self._waiting.popleft()
            self.used_bytes += size_bytes
            turn.set_result(None)


class Flight:
    """A batch on its way to the brokers; `fates`, one a record, are known when all of it is acknowledged or given up."""

    __slots__ = ("fates",)

    def __init__(self) -> None:
        self.fates: asyncio.Future[Sequence[Fate]] = asyncio.get_running_loop().create_future()

    async def fate(self, seat: int) -> Fate:
        """What became of the record in this seat."""
        # Shielded: many callers may wait for one flight, and one that gives up must not take it from the others.
        return (await asyncio.shield(self.fates))[seat]


class Airborne:
    """The records in flight by key: their content hash, their flight and their seat in it."""

    def __init__(self) -> None:
        self._records: dict[bytes, tuple[bytes, Flight, int]] = {}

    def find(self, key: bytes) -> tuple[bytes, Flight, int] | None:
        """The flight that carries this key now, if one does."""
        return self._records.get(key)

    def board(self, key: bytes, content_hash: bytes, flight: Flight, seat: int) -> None:
        """This record leaves with `flight`."""
        self._records[key] = (content_hash, flight, seat)

    def landed(self, key: bytes) -> None:
        """This record is in flight no more."""
        del self._records[key]

    def __len__(self) -> int:
        return len(self._records)
