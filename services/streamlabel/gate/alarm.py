"""Is the error rate above alpha *now*? An e-detector over the errors of calibration records that the gate would let pass."""

from __future__ import annotations

from dataclasses import dataclass, field

_RATIOS = (1.5, 2.0, 4.0)


@dataclass(slots=True)
class HarmAlarm:
    """A mixture of CUSUMs in e-value form, for error rates of 1.5, 2 and 4 times alpha.

    While the conditional chance of an error is at most `alpha`, the mean number of items until a false alarm is at least
    `limit`, whatever the dependence between items. Source: e-detectors (Shin, Ramdas and Rinaldo, 2022).

    `alpha` may be another one for the items to come, never above the first. Items are what first answers show: where two people are
    asked, the keeper watches alpha less the bound on what these overlook. That people begin to overlook more shows at looks.

    `since` counts the items since the evidence last stood at nothing: the change, if there was one, is estimated to lie there.
    """

    alpha: float
    limit: float
    evidence: list[float] = field(default_factory=list)
    ages: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not self.evidence:
            self.evidence = [1.0 for ratio in _RATIOS if ratio * self.alpha < 1]
            self.ages = [0] * len(self.evidence)

    def observe(self, wrong: bool) -> bool:
        """Takes one item in; whether the alarm sounds."""
        for place, ratio in enumerate(_RATIOS[: len(self.evidence)]):
            before = self.evidence[place]
            if before <= 1.0:
                before, self.ages[place] = 1.0, 0
            factor = ratio if wrong else (1 - ratio * self.alpha) / (1 - self.alpha)
            self.evidence[place] = before * factor
            self.ages[place] += 1
        return self.sounds

    @property
    def value(self) -> float:
        """The evidence against "all is well"."""
        return sum(self.evidence) / len(self.evidence) if self.evidence else 0.0

    @property
    def sounds(self) -> bool:
        """Whether the evidence has reached the limit."""
        return self.value >= self.limit

    @property
    def since(self) -> int:
        """How many items ago the strongest evidence began to grow."""
        if not self.evidence:
            return 0
        strongest = max(range(len(self.evidence)), key=self.evidence.__getitem__)
        return self.ages[strongest]
