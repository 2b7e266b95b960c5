"""What an owner asks of a gate, and how it goes about it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from streamlabel.gate.binomial import FOREVER, least_count, p_value, upper_bound

# So many calibration records a gate keeps at most, with their embeddings: at 512 numbers each, 50 MB of memory and of each snapshot.
MOST_EVIDENCE = 12_000
_LEAST_WINDOW = 3000
# Nobody wants to be told of more.
_MOST = {"alpha": 0.5, "delta": 0.5, "double_blind_share": 1.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class GatePolicy:
    """At most the share `alpha` of what passes may be wrong, with probability 1 - `delta`; the rest is how to get there.

    Rates are shares of the stream that go to the calibration lane: `lane_rate` in the steady state, `growing_rate` until
    `growing_count` records are in evidence, `closed_rate` while nothing passes and people see everything anyway.

    Counts are records. `window` of the lane are evidence, up to `longest_window` where little passes or alpha is small (0: as many
    as alpha and delta want, 3,000 to 12,000); the `buffer` of others gives the grid. The gate is looked at every `look_every` of
    the stream, every `closed_look_every` while closed, and no certificate outlives `lifetime`. Scorers are fitted to the last
    `training_count` answers outside the evidence, first at `first_fit_count`, then whenever there are `refit_growth` times as many.
    After a change, answers from up to `recall_count` records before it still count for that.

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
    longest_window: int = 0
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
        if not self.longest_window:
            wanted = min(MOST_EVIDENCE, max(_LEAST_WINDOW, 4 * self.least_evidence))
            object.__setattr__(self, "longest_window", wanted)

    @property
    def look_share(self) -> float:
        """The part of delta that a planned look risks."""
        return 1.0 if self.double_blind_share else self.exact_share

    @property
    def second_look_level(self) -> float:
        """The part of delta that a bound on what first answers overlook risks: two regions begin a chain."""
        return self.delta * (1 - self.exact_share) / 2

    @property
    def least_evidence(self) -> int:
        """How many calibration records it takes to open the gate of a model that is never wrong, about which nothing is overlooked.

        10⁹ at most: for ever.
        """
        delta = self.delta * self.exact_share

        def would_do(count: int) -> bool:
            left = self.alpha
            if self.double_blind_share:
                twice = math.floor(count * self.double_blind_share)
                left = max(left - float(upper_bound(0, twice, self.second_look_level)), 0.0)
            # Where a chain begins, half of what lies there would have to do.
            return bool(p_value(0, count // 2, left) <= delta)

        low, high = 1, 2
        while not would_do(high):
            low, high = high, 2 * high
            if high > FOREVER:
                return FOREVER
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if would_do(middle) else (middle + 1, high)
        return high

    @property
    def can_open(self) -> bool:
        """Whether any model could open the gate with what it keeps."""
        return self.least_evidence <= self.longest_window

    def evidence_for(self, share: float) -> int:
        """How many of the latest calibration records bear out a region that holds this share of the stream."""
        wanted = 8 * least_count(self.alpha, self.delta)
        if self.double_blind_share:
            wanted = max(wanted, 4 * self.least_evidence)
        return max(self.window, round(wanted / share))


def check_can_open(*, alpha: float, delta: float, double_blind_share: float = 0.0) -> None:
    """Raises ValueError for a promise that no gate can ever make, however good the model; it names the nearest that one can."""
    asked = GatePolicy(alpha=alpha, delta=delta, double_blind_share=double_blind_share)
    if asked.can_open:
        return
    given = {"alpha": alpha, "delta": delta, "double_blind_share": double_blind_share}
    given = {name: value for name, value in given.items() if value}
    nearest = {name: _nearest(given, name, most) for name, most in _MOST.items() if name in given}
    remedies = [f"{name} {value:g}" for name, value in nearest.items() if value is not None]
    least = asked.least_evidence
    raise ValueError(
        f"{_listed([f'{name} {value:g}' for name, value in given.items()], 'and')} could never be certified: that takes "
        f"{'over ' if least >= FOREVER else ''}{least:,} calibration answers even for a model that is never wrong, and a gate keeps "
        f"{asked.longest_window:,} at most. "
        + (f"From {_listed(remedies, 'or')} on it could" if remedies else "More than one of these must be larger")
    )


def _listed(words: list[str], last: str) -> str:
    return f" {last} ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _nearest(given: dict[str, float], name: str, most: float) -> float | None:
    """The least value of this part, up to `most`, with which the gate can open, rounded up to two digits; None where there is none."""

    def does(value: float) -> bool:
        tried = given | {name: value}
        share = tried.get("double_blind_share", 0.0)
        return GatePolicy(alpha=tried["alpha"], delta=tried["delta"], double_blind_share=share).can_open

    if given[name] >= most or not does(most):
        return None
    low, high = math.log(given[name]), math.log(most)
    while high - low > 1e-3:
        middle = (low + high) / 2
        low, high = (low, middle) if does(math.exp(middle)) else (middle, high)
    unit = 10.0 ** (math.floor(high / math.log(10)) - 1)
    return min(most, math.ceil(math.exp(high) / unit) * unit)
