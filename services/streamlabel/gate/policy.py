"""What an owner asks of a gate, and how it goes about it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class GatePolicy:
    """At most the share `alpha` of what passes may be wrong, with probability 1 - `delta`; the rest is how to get there.

    Rates are shares of the stream that go to the calibration lane: `lane_rate` in the steady state, `growing_rate` until
    `growing_count` records are in evidence, `closed_rate` while nothing passes and people see everything anyway.

    Counts are records. `window` of the lane are evidence, up to `longest_window` where little passes; the `buffer` of
    others gives the grid. The gate is looked at every `look_every` of the stream, every `closed_look_every` while closed,
    and no certificate outlives `lifetime`. Scorers are fitted to the last `training_count` answers outside the evidence,
    first at `first_fit_count`, then whenever there are `refit_growth` times as many. After a change, answers from up to
    `recall_count` records before it still count for that.

    `exact_share` of delta goes to the planned looks, the rest to the evidence that may be looked at at any time.

    `double_blind_share` of the calibration records have a second answer. Where it is not 0, the bound on what first answers overlook
    takes the place, and the part of delta, of the evidence that may be looked at at any time.
    """

    alpha: float
    delta: float
    lane_rate: float = 0.05
    growing_rate: float = 0.15
    closed_rate: float = 0.5
    window: int = 700
    longest_window: int = 3000
    growing_count: int = 500
    buffer: int = 2000
    look_every: int = 500
    closed_look_every: int = 100
    lifetime: int = 5000
    alarm_limit: float = 200.0
    guard_rate: float = 0.05
    exact_share: float = 0.75
    training_count: int = 3000
    first_fit_count: int = 150
    refit_growth: float = 1.5
    recall_count: int = 500
    double_blind_share: float = 0.0

    def __post_init__(self) -> None:
        for name in ("alpha", "delta"):
            if not 0 < getattr(self, name) < 1:
                raise ValueError(f"{name} must lie strictly between 0 and 1, not {getattr(self, name)}")
        for name in ("lane_rate", "growing_rate", "closed_rate"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie above 0 and not above 1, not {getattr(self, name)}")
        if not 0 < self.exact_share <= 1:
            raise ValueError(f"exact_share must lie above 0 and not above 1, not {self.exact_share}")
        if not 0 <= self.double_blind_share <= 1:
            raise ValueError(f"double_blind_share must lie in 0-1, not {self.double_blind_share}")
        if self.double_blind_share and self.exact_share == 1:
            raise ValueError("with a double_blind_share, exact_share must leave a part of delta to it")

    @property
    def look_share(self) -> float:
        """The part of delta that a planned look risks."""
        return 1.0 if self.double_blind_share else self.exact_share
