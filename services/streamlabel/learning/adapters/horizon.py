"""Up to which moment every prediction is known: what is confirmed rests on it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
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
    """Who reads the predictions."""

    async def caught_up(self) -> Mapping[int, bool]:
        """For each partition whether everything is applied that could be read; raises TransientError where nobody can tell."""
        ...


class Horizon:
    """The hour for learning (`ports.Clock`), and how far its knowledge reaches; a component of a process.

    A partition that was read to its end is known up to the moment of asking; another one up to the last message that was applied.
    It stands still while a partition is out of sight, and never goes back.
    """

    def __init__(self, clock: Clock) -> None:
        self.name = "learning horizon"
        self._clock = clock
        self._reader: Reader | None = None
        self._applied: dict[int, int] = {}
        self._horizon_ms = 0
        self._stopped = asyncio.Event()

    def now_ms(self) -> int:
        """Milliseconds since the Unix epoch."""
        return self._clock.now_ms()

    def horizon_ms(self) -> int:
        """No prediction written before this moment is still to be heard of."""
        return self._horizon_ms

    def applied(self, partition: int, written_ms: int) -> None:
        """A message of the partition that was written then is applied, and so are all before it."""
        self._applied[partition] = max(written_ms, self._applied.get(partition, 0))

    def watch(self, reader: Reader) -> None:
        """Ask this one from now on."""
        self._reader = reader

    async def start(self) -> None:
        """Nothing to prepare."""

    async def run(self) -> None:
        """Look every second, sooner while nothing is known, until stopped."""
        while not self._stopped.is_set():
            # The reader stops first, and a client that was closed meanwhile may never answer.
            await result_before(self._look(), self._stopped)
            await set_within(self._stopped, _LOOK_S if self._horizon_ms else _FIRST_LOOK_S)

    async def stop(self) -> None:
        """End `run`."""
        self._stopped.set()

    async def _look(self) -> None:
        if self._reader is None:
            return
        now_ms = self._clock.now_ms()
        try:
            found = await self._reader.caught_up()
        except TransientError as error:
            log.debug("the horizon stands still: %s", error)
            return
        if not found or self._applied.keys() - found.keys():
            return
        known = [now_ms if done else self._applied.get(partition, 0) for partition, done in found.items()]
        self._horizon_ms = max(self._horizon_ms, min(known) - _ALLOWANCE_MS)
