"""Evidence over one grid that may be looked at after every item; what it once certified it may certify ever after."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from streamlabel.gate.e_process import log_e_value
from streamlabel.gate.sequence import Certificate, Grid, Tally, walk


class Expansion:
    """An e-process in each region of a grid, from a first batch of evidence on.

    The grid and where its chains start are fixed before the first error is looked at, and so is the scorer of the scores.
    """

    def __init__(self, grid: Grid, starts: tuple[int, ...], *, alpha: float, delta: float) -> None:
        self.grid = grid
        self._alpha, self._delta = alpha, delta
        self._starts = starts
        self._counts = np.zeros(len(grid.shares), dtype=np.int64)
        self._errors = np.zeros(len(grid.shares), dtype=np.int64)
        self._best = np.zeros(len(grid.shares))

    def observe(self, scores: npt.NDArray[np.float64], wrong: npt.NDArray[np.bool_]) -> None:
        """Takes evidence in, item by item in its order."""
        if not len(scores):
            return
        inside = scores[:, None] >= self.grid.thresholds
        counts = self._counts + np.cumsum(inside, axis=0)
        errors = self._errors + np.cumsum(inside & wrong[:, None], axis=0)
        self._best = np.maximum(self._best, log_e_value(errors, counts, self._alpha).max(axis=0))
        self._counts, self._errors = counts[-1], errors[-1]

    def certificate(self, recent: Tally) -> Certificate | None:
        """The widest region that was ever certified and that recent evidence does not speak against; None: none.

        The promise holds without the second condition on a stream that stays as it is; a stream that slowly gets worse
        shall not keep a certificate from better days.
        """
        sound = recent.errors <= self._alpha * recent.counts
        # The reciprocal of the largest evidence is a p-value that may be looked at at any time.
        found = walk(np.where(sound, np.exp(-self._best), 1.0), self._starts, self._delta)
        if found is None:
            return None
        reached, _ = found
        return Certificate(
            threshold=float(self.grid.thresholds[reached]),
            share=float(self.grid.shares[reached]),
            alpha=self._alpha,
            delta=self._delta,
            count=int(self._counts[reached]),
            errors=int(self._errors[reached]),
            bound=self._alpha,
        )
