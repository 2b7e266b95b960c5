"""How often somebody may come: a token bucket for each name, time given as an argument."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass


@dataclass(slots=True)
class _Bucket:
    level: float
    at_s: float


class Buckets:
    """Each key may take `burst` at once and `rate_per_s` in the long run; a rate of 0 is no limit.

    Remembers the `max_keys` that came last: whoever is forgotten begins with a full bucket, so the bound costs strictness and
    never lets memory grow.
    """

    def __init__(self, *, rate_per_s: float, burst: float, max_keys: int = 10_000) -> None:
        if rate_per_s and burst < 1:
            raise ValueError("a bucket that holds less than one lets nobody in")
        self._rate_per_s = rate_per_s
        self._burst = burst
        self._max_keys = max_keys
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, key: str, now_s: float) -> float:
        """0.0 where `key` may come now, and it counts; else the seconds until it may, and nothing counts."""
        if not self._rate_per_s:
            return 0.0
        bucket = self._filled(key, now_s)
        if bucket.level >= 1:
            bucket.level -= 1
            return 0.0
        return (1 - bucket.level) / self._rate_per_s

    def give_back(self, key: str) -> None:
        """What was taken last shall not count."""
        if bucket := self._buckets.get(key):
            bucket.level = min(self._burst, bucket.level + 1)

    def _filled(self, key: str, now_s: float) -> _Bucket:
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = _Bucket(self._burst, now_s)
            if len(self._buckets) > self._max_keys:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(key)
        bucket.level = min(self._burst, bucket.level + max(0.0, now_s - bucket.at_s) * self._rate_per_s)
        bucket.at_s = now_s
        return bucket
