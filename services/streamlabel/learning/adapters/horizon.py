"""Up to which moment everything is known that others could know: what is confirmed, and when time runs out, rests on it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Protocol

from streamlabel.errors import TransientError
from streamlabel.runtime.clock import Clock
from streamlabel.runtime.tasks import result_before, set_within

log = logging.getLogger(__name__)

_LOOK_S = 1.0
_FIRST_LOOK_S = 0.1
# Clocks of other machines, by which messages are dated, may be behind by so much.
_ALLOWANCE_MS = 1_000


class Reader(Protocol):
    """Who reads a topic."""

    async def caught_up(self) -> Mapping[int, bool]:
        """For each partition whether everything is applied that could be read; raises TransientError where nobody can tell."""
        ...


class Followed:
    """How far one topic is read. `stored` gives the partitions that were ever read of it."""

    def __init__(self, stored: Callable[[], Awaitable[Iterable[int]]]) -> None:
        self._stored = stored
        self._reader: Reader | None = None
        self._expected: set[int] | None = None
        self._applied: dict[int, int] = {}

    def watch(self, reader: Reader) -> None:
        """Ask this one from now on."""
        self._reader = reader

    def applied(self, partition: int, written_ms: int) -> None:
        """A message of the partition that was written then is applied, and so are all before it."""
        self._applied[partition] = max(written_ms, self._applied.get(partition, 0))

    async def known_until_ms(self, now_ms: int) -> int | None:
        """Everything that could be read before this moment is applied; None where that cannot be told. Raises TransientError."""
        if self._reader is None:
            return None
        if self._expected is None:
            self._expected = set(await self._stored())
        found = await self._reader.caught_up()
        # Another process may still hold some, by mistake or for a moment: they are out of sight here.
        if not found or (self._expected | self._applied.keys()) - found.keys():
            return None
        return min(now_ms if done else self._applied.get(partition, 0) for partition, done in found.items())


class Horizon:
    """The hour for learning (`ports.Clock`), and how far its knowledge reaches; a component of a process.

    A partition that was read to its end is known up to the moment of asking; another one up to the last message that was applied.
    It stands still while a partition is out of sight, and never goes back, unless the clock that it goes by was ahead.

    Readers end at the first transaction that is open, here as in routing: what lies in it may be dated before the horizon when it is
    committed, but nothing was decided by it, and no label was set, before it could be read.
    """

    def __init__(self, clock: Clock) -> None:
        self.name = "learning horizon"
        self._clock = clock
        self._followed: list[Followed] = []
        self._horizon_ms = 0
        self._stopped = asyncio.Event()

    def now_ms(self) -> int:
        """Milliseconds since the Unix epoch."""
        return self._clock.now_ms()

    def horizon_ms(self) -> int:
        """Everything that others could read before this moment has been heard."""
        return self._horizon_ms

    def follow(self, stored: Callable[[], Awaitable[Iterable[int]]]) -> Followed:
        """One more topic that has to be read for that."""
        self._followed.append(Followed(stored))
        return self._followed[-1]

    async def start(self) -> None:
        """Nothing to prepare."""

    async def run(self) -> None:
        """Look every second, sooner while nothing is known, until stopped."""
        while not self._stopped.is_set():
            # The readers stop first, and a client that was closed meanwhile may never answer.
            await result_before(self._look(), self._stopped)
            await set_within(self._stopped, _LOOK_S if self._horizon_ms else _FIRST_LOOK_S)

    async def stop(self) -> None:
        """End `run`."""
        self._stopped.set()

    async def _look(self) -> None:
        now_ms = self._clock.now_ms()
        try:
            known = [await each.known_until_ms(now_ms) for each in self._followed]
        except TransientError as error:
            log.debug("the horizon stands still: %s", error)
            return
        if known and None not in known:
            seen_ms = min(each for each in known if each is not None) - _ALLOWANCE_MS
            # Where the clock was ahead and was put right, what was known of the future is forgotten.
            self._horizon_ms = max(self._horizon_ms, seen_ms) if self._horizon_ms <= now_ms else seen_ms
