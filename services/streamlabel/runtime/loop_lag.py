"""How late the event loop runs: whoever blocks it, every lane and every caller waits."""

from __future__ import annotations

import asyncio

from prometheus_client import Histogram

from streamlabel.runtime.clock import Clock
from streamlabel.runtime.tasks import set_within

_INTERVAL_S = 0.25


class LoopLagProbe:
    """Sleeps four times a second and records by how much the loop overslept."""

    def __init__(self, histogram: Histogram, clock: Clock) -> None:
        self.name = "loop lag"
        self._histogram = histogram
        self._clock = clock
        self._stopped = asyncio.Event()

    async def start(self) -> None:
        """Nothing to prepare."""

    async def run(self) -> None:
        """Measure until stopped."""
        while not self._stopped.is_set():
            before_s = self._clock.monotonic_s()
            if await set_within(self._stopped, _INTERVAL_S):
                return
            self._histogram.observe(max(0.0, self._clock.monotonic_s() - before_s - _INTERVAL_S))

    async def stop(self) -> None:
        """The current measure is the last."""
        self._stopped.set()
