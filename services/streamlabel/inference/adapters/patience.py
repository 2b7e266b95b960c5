"""How long one thing that does not work may hold up everything behind it."""

from __future__ import annotations

from collections.abc import Hashable

from streamlabel.runtime.clock import Clock


class Patience:
    """Counts, for each thing by its key, the time since it was first tried in vain without a success in between."""

    def __init__(self, *, limit_s: float, clock: Clock) -> None:
        self._limit_s = limit_s
        self._clock = clock
        self._since_s: dict[Hashable, float] = {}

    def failed(self, key: Hashable) -> bool:
        """It was tried in vain again; whether that has gone on for `limit_s` or longer."""
        now_s = self._clock.monotonic_s()
        return now_s - self._since_s.setdefault(key, now_s) >= self._limit_s

    def worked(self, key: Hashable) -> None:
        """It works, or nothing can be said of it now: the next failure is a first one."""
        self._since_s.pop(key, None)
