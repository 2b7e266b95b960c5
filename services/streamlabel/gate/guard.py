"""A price on errors: whatever the stream does, the excess of errors that pass within an epoch is bounded."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class PriceGuard:
    """A cap on the share of the stream that may pass, moved by each calibration record that would have passed.

    `cap ← min(1, cap − rate · (wrong − alpha))`. Nothing passes from `cap` 0 on. Then for any sequence of errors, without
    any assumption, the sum of (wrong − alpha) over those records within the epoch is at most `1 / rate + 1 − alpha`: the cap
    falls only while it is above 0, and clipping at 1 only lowers it. The bound is per epoch: `spent` ends one.

    `alpha` may be another one for the items to come; each then counts against that of its time. As with the alarm, items are what
    first answers show, and where two people are asked, alpha is without what these may overlook.

    Records that were let pass before the answers of earlier ones came in can exceed it by their own number.
    """

    alpha: float
    cap: float = 1.0
    rate: float = 0.05

    def observe(self, wrong: bool) -> bool:
        """Takes one item in; whether the guard is spent."""
        self.cap = min(1.0, self.cap - self.rate * (float(wrong) - self.alpha))
        return self.spent

    @property
    def spent(self) -> bool:
        """Whether nothing may pass any more in this epoch."""
        return self.cap <= 0

    @property
    def excess_bound(self) -> float:
        """What the sum of (wrong − alpha) over an epoch that began with cap 1 cannot exceed."""
        return 1 / self.rate + 1 - self.alpha
