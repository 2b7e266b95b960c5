"""How long one thing that does not work may hold up everything behind it."""

from __future__ import annotations

from collections.abc import Collection, Hashable
from dataclasses import dataclass

from streamlabel.runtime.clock import Clock

# Who waits tries again within seconds: failures further apart are not one wait, nobody was held up in between.
_APART_S = 600.0


@dataclass(slots=True)
class _Failures:
    """Of one thing: since when, until when, and whether that was too long already."""

    since_s: float
    last_s: float
    is_over: bool = False


class Patience:
    """Counts, for each thing by its key, the time since it was first tried in vain without a success in between."""

    def __init__(self, *, limit_s: float, clock: Clock) -> None:
        self._limit_s = limit_s
        self._clock = clock
        self._failures: dict[Hashable, _Failures] = {}

    def failed(self, key: Hashable) -> bool:
        """It was tried in vain again; whether that has gone on for `limit_s` or longer."""
        now_s = self._clock.monotonic_s()
        known = self._failures.get(key)
        if known is None or (not known.is_over and now_s - known.last_s > _APART_S):
            known = self._failures[key] = _Failures(now_s, now_s)
        known.last_s = now_s
        known.is_over = known.is_over or now_s - known.since_s >= self._limit_s
        return known.is_over

    def is_over(self, key: Hashable) -> bool:
        """Whether the last word on it was that it has failed for too long."""
        known = self._failures.get(key)
        return known is not None and known.is_over

    def worked(self, key: Hashable) -> None:
        """It works, or nothing can be said of it now: the next failure is a first one."""
        self._failures.pop(key, None)

    def retain(self, keys: Collection[Hashable]) -> None:
        """Nobody waits for anything else any more: should somebody again, the next failure is a first one."""
        for key in self._failures.keys() - set(keys):
            del self._failures[key]
