"""Does the stream still look as it did? Needs no answers; it can only make the gate more careful, never less."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from streamlabel.gate.features import Matrix, plain_features
from streamlabel.gate.scorer import Predictions

_BINS = 64
_DIRECTIONS = 10
_SETTLE = 400
_SEED = 20_240_131


def kolmogorov_smirnov(gap: npt.NDArray[np.float64], recent: int, before: int) -> npt.NDArray[np.float64]:
    """The p-value of the largest gap between two empirical distributions of `recent` and `before` independent values.

    The limit law with Stephens's correction for finite samples (1970). Gaps that are taken at some places only, as of
    values in bins, are smaller than the largest: the p-value is then too large, never too small.
    """
    root = np.sqrt(recent * before / (recent + before))
    return np.asarray(special.kolmogorov((root + 0.12 + 0.11 / root) * gap))


@dataclass(frozen=True, slots=True)
class InputChange:
    """A warning: how unlikely the difference is, and over how many of the latest records it shows."""

    p_value: float
    records: int


class InputWatch:
    """Compares the latest records with those before them, on several scales, and with those at the start of the epoch.

    What is compared: log-odds, margin, second probability and entropy of the model's answer, its class, and the embedding in ten fixed
    directions. Every comparison is a Kolmogorov-Smirnov test on 64 bins; the smallest p-value, times the number of comparisons
    of this moment, must lie below `level` for a warning.
    """

    def __init__(
        self, *, level: float = 1e-4, scales: tuple[int, ...] = (50, 100, 250, 500), before: int = 2500
    ) -> None:
        self._level = level
        self._scales = scales
        self._before = before
        self.begin()

    def begin(self) -> None:
        """The stream is another one: only what comes from now on is compared."""
        self._early: list[Matrix] = []
        self._edges: Matrix | None = None
        self._directions: Matrix | None = None
        # Records seen, and for each column and bin how many of them lay in this bin or below, after each batch.
        self._seen: list[int] = [0]
        self._below: list[npt.NDArray[np.int64]] = []
        self._start: tuple[int, npt.NDArray[np.int64]] | None = None

    def observe(self, predictions: Predictions) -> InputChange | None:
        """Takes a batch in; a warning where the stream has changed."""
        columns = self._columns(predictions)
        if self._edges is None:
            self._early.append(columns)
            if sum(map(len, self._early)) < _SETTLE:
                return None
            columns = np.concatenate(self._early)
            self._early = []
            self._edges = np.quantile(columns, np.arange(1, _BINS) / _BINS, axis=0).T
        self._count(columns, self._edges)
        return self._compare()

    def _columns(self, predictions: Predictions) -> Matrix:
        plain = plain_features(predictions.probabilities, predictions.classes)
        parts = [plain, predictions.predicted[:, None].astype(np.float64)]
        if predictions.embeddings is not None:
            if self._directions is None:
                size = predictions.embeddings.shape[1]
                self._directions = np.random.default_rng(_SEED).normal(size=(size, min(_DIRECTIONS, size)))
            parts.append(predictions.embeddings @ self._directions)
        return np.column_stack(parts)

    def _count(self, columns: Matrix, edges: Matrix) -> None:
        below = np.empty(edges.shape, dtype=np.int64)
        for column in range(columns.shape[1]):
            ordered = np.sort(columns[:, column])
            below[column] = np.searchsorted(ordered, edges[column], side="right")
        if not self._below:
            self._below.append(np.zeros_like(below))
        self._below.append(below + self._below[-1])
        self._seen.append(len(columns) + self._seen[-1])
        if self._start is None and self._seen[-1] >= self._before:
            self._start = (self._seen[-1], self._below[-1])
        # What lies further back is never compared again.
        while len(self._seen) > 2 and self._seen[-1] - self._seen[1] > self._before + self._scales[-1]:
            del self._seen[0], self._below[0]

    def _compare(self) -> InputChange | None:
        seen, now = self._seen[-1], self._below[-1]
        base_seen, base = self._seen[0], self._below[0]
        found: list[tuple[float, int]] = []
        for scale in self._scales:
            place = int(np.searchsorted(self._seen, seen - scale, side="right")) - 1
            if place < 0 or self._seen[place] - base_seen < max(_SETTLE - scale, 3 * scale):
                continue
            recent, before = seen - self._seen[place], self._seen[place] - base_seen
            gap = np.abs((now - self._below[place]) / recent - (self._below[place] - base) / before).max()
            found.append((float(kolmogorov_smirnov(gap, recent, before)), recent))
        if self._start is not None and seen >= self._start[0] + self._before:
            place = int(np.searchsorted(self._seen, seen - self._scales[-1], side="right")) - 1
            recent, (before, start) = seen - self._seen[place], self._start
            gap = np.abs((now - self._below[place]) / recent - start / before).max()
            found.append((float(kolmogorov_smirnov(gap, recent, before)), recent))
        if not found:
            return None
        p_value, records = min(found)
        p_value = min(1.0, p_value * len(found) * len(now))
        return InputChange(p_value, records) if p_value < self._level else None
