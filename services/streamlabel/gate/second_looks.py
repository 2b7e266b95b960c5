"""What one person overlooks: a second one, who knows neither the model's answer nor the first's, tells how often.

People who are asked one by one make the model look better wherever they make its very mistakes. Let R be the true error rate of a
region, and O the rate at which the first answer contradicts the model there. Then R ≤ O + ρ, where ρ is the chance that the first
answer agrees with the model and both are wrong. A second answer to records drawn by the coin bounds ρ, as far as the second person
is right: of records where the first agreed with the model, how many does the second contradict?
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streamlabel.gate.binomial import upper_bound
from streamlabel.gate.sample import Rows
from streamlabel.gate.sequence import Grid, Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondLooks:
    """Second answers in each region of a grid: `tally.counts` were given, `tally.errors` found what the first had overlooked.

    `share` of all calibration records are looked at twice. Each bound below holds with probability 1 - `level`.
    """

    tally: Tally
    share: float
    level: float

    @classmethod
    def of(cls, grid: Grid, evidence: Rows, *, share: float, level: float) -> SecondLooks:
        """Those among the evidence."""
        twice = evidence.take(evidence.twice)
        return cls(tally=Tally.of(grid, twice.scores, twice.overlooked), share=share, level=level)

    def bounds(self) -> npt.NDArray[np.float64]:
        """ρ at most, in each region (Clopper and Pearson, 1934)."""
        return upper_bound(self.tally.errors, self.tally.counts, self.level)

    def hoped_for(self, held: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """What the bounds would be for so many records in each region, had nothing been overlooked: known before any answer is."""
        return upper_bound(0, np.floor(held * self.share).astype(np.int64), self.level)

    def expected(self, counts: npt.NDArray[np.int64], alpha: float) -> npt.NDArray[np.float64]:
        """What the bounds would be for so many records in each region, were as much overlooked as seems to be.

        Few second answers are drawn towards a quarter of `alpha`.
        """
        rates = (self.tally.errors + 0.5) / (self.tally.counts + 2 / alpha)
        twice = np.floor(counts * self.share).astype(np.int64)
        return upper_bound(np.ceil(rates * twice).astype(np.int64), twice, self.level)
