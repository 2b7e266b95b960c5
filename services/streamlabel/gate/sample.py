"""The latest rows of a stream, as many as are wanted and no more."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from streamlabel.gate.scorer import Predictions, Selection, join_predictions

NOBODY_KNOWS, NOT_ASKED = -1, -2


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Predictions by their places in the stream, each with the score that it got.

    `truth` are the classes that people gave, NOBODY_KNOWS where there is none; `second` those that a second person gave, NOT_ASKED
    where none was asked. `weight` undoes that some were more likely to be asked than others.
    """

    predictions: Predictions
    places: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float64]
    truth: npt.NDArray[np.int64]
    second: npt.NDArray[np.int64]
    weight: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.places)

    @property
    def wrong(self) -> npt.NDArray[np.bool_]:
        """Where the model's answer is not that of the people."""
        return np.asarray(self.predictions.predicted != self.truth)

    @property
    def twice(self) -> npt.NDArray[np.bool_]:
        """Where two people were asked."""
        return np.asarray(self.second != NOT_ASKED)

    @property
    def overlooked(self) -> npt.NDArray[np.bool_]:
        """Where the first person agreed with the model, and a second did not; or may have, where the second answer is not known."""
        contradicted = ~self.wrong & (self.second != self.predictions.predicted)
        return np.asarray(self.twice & (contradicted | (self.second == NOBODY_KNOWS)))

    def take(self, rows: Selection) -> Rows:
        """Some of the rows."""
        return Rows(
            predictions=self.predictions.take(rows),
            places=self.places[rows],
            scores=self.scores[rows],
            truth=self.truth[rows],
            second=self.second[rows],
            weight=self.weight[rows],
        )


def join(parts: list[Rows]) -> Rows:
    """All rows of all parts, in order; at least one part."""
    return Rows(
        predictions=join_predictions([part.predictions for part in parts]),
        places=np.concatenate([part.places for part in parts]),
        scores=np.concatenate([part.scores for part in parts]),
        truth=np.concatenate([part.truth for part in parts]),
        second=np.concatenate([part.second for part in parts]),
        weight=np.concatenate([part.weight for part in parts]),
    )


class Sample:
    """Keeps the last `capacity` rows that were added."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._parts: deque[Rows] = deque()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, rows: Rows) -> Rows | None:
        """Takes rows in, in the order of the stream; gives back those that had to go."""
        if not len(rows):
            return None
        self._parts.append(rows)
        self._count += len(rows)
        gone: list[Rows] = []
        while self._count > self._capacity:
            excess = self._count - self._capacity
            oldest = self._parts.popleft()
            if len(oldest) > excess:
                self._parts.appendleft(oldest.take(slice(excess, None)))
                oldest = oldest.take(slice(0, excess))
            self._count -= len(oldest)
            gone.append(oldest)
        return join(gone) if gone else None

    def rows(self) -> Rows | None:
        """What is kept, oldest first; None if nothing is."""
        if len(self._parts) > 1:
            self._parts = deque([join(list(self._parts))])
        return self._parts[0] if self._parts else None

    def forget_before(self, place: int) -> None:
        """Lets go of what lies before `place` in the stream."""
        self._keep(lambda rows: rows.take(rows.places >= place))

    def at(self, place: int) -> Rows | None:
        """The row at this place of the stream, if it is kept."""
        whole = self.rows()
        found = whole.take(whole.places == place) if whole is not None else None
        return found if found is not None and len(found) else None

    def amend(self, place: int, truth: int, second: int) -> Rows:
        """Gives the row at `place` other answers, and gives it back; raises ValueError where there is none."""

        def amended(rows: Rows) -> Rows:
            here = rows.places == place
            return replace(rows, truth=np.where(here, truth, rows.truth), second=np.where(here, second, rows.second))

        self._keep(amended)
        row = self.at(place)
        if row is None:
            raise ValueError(f"nothing is kept of place {place}")
        return row

    def rescore(self, scores: npt.NDArray[np.float64]) -> None:
        """Gives all rows other scores, in order."""
        self._keep(lambda rows: replace(rows, scores=scores))

    def _keep(self, change: Callable[[Rows], Rows]) -> None:
        whole = self.rows()
        if whole is None:
            return
        kept = change(whole)
        self._parts = deque([kept] if len(kept) else [])
        self._count = len(kept)
