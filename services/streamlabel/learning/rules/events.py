"""What happens to the records of a subject, in the order in which it became known; each event tells of many records at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streamlabel.gate.sample import NOT_ASKED
from streamlabel.gate.scorer import Predictions

Flags = npt.NDArray[np.bool_]
UNKNOWN_CLASS = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The model answered: one row of `predictions` and one coin for each of `record_ids`. None was decided before `earliest_ms`.

    Embeddings hold what fits into 32 bits, as they came.
    """

    at_ms: int
    earliest_ms: int
    record_ids: tuple[str, ...]
    predictions: Predictions
    coins: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Word:
    """What routing decided of a record: to the calibration `lane`, or not; alone by the model (`passed`), or not; when, and by the
    gate of which number (0: by none).

    `passable`: it is of the lane, and would have passed but for the coin; `twice`: the coin asks two people. An answer tells of the
    decision too, but not of when.
    """

    lane: bool
    passable: bool
    twice: bool = False
    passed: bool = False
    decided_ms: int | None = None
    gate: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Routed:
    """Routing decided, at the moments `decided_ms`: the date by which a calibration record stands beside the labels of the model."""

    at_ms: int
    record_ids: tuple[str, ...]
    lane: Flags
    passable: Flags
    twice: Flags
    passed: Flags
    decided_ms: npt.NDArray[np.int64]
    gates: npt.NDArray[np.int64]

    def words(self) -> Iterator[tuple[str, Word]]:
        """Record by record."""
        columns = (self.lane, self.passable, self.twice, self.passed, self.decided_ms, self.gates)
        for record_id, *row in zip(self.record_ids, *(each.tolist() for each in columns), strict=True):
            yield record_id, Word(*row)


@dataclass(frozen=True, slots=True)
class Answer:
    """What people said of a record: the class of its `label`, and of that the `first` one, and the `second` where the coin asked two.

    Classes are places in the taxonomy, UNKNOWN_CLASS for a name that it does not have, or where nobody answered in time.
    """

    label: int
    first: int
    second: int = NOT_ASKED


NO_ANSWER = Answer(UNKNOWN_CLASS, UNKNOWN_CLASS)
# Two who contradict each other wait for a third, agreement does not: what never came to a label tells of what the first overlooked.
NO_ANSWER_OF_TWO = Answer(UNKNOWN_CLASS, UNKNOWN_CLASS, UNKNOWN_CLASS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """People answered: `classes` [n] are those of the labels, `votes` [n, 2] what the first and the second person said where the coin
    asked two, NOT_ASKED where it did not.

    `lane`, `passable` and `twice` are as routing decided them.
    """

    at_ms: int
    record_ids: tuple[str, ...]
    classes: npt.NDArray[np.int64]
    votes: npt.NDArray[np.int64]
    lane: Flags
    passable: Flags
    twice: Flags

    def words(self) -> Iterator[tuple[str, Word, Answer]]:
        """Record by record, with the answer."""
        columns = (self.lane, self.passable, self.twice, self.classes, self.votes)
        for record_id, *row in zip(self.record_ids, *(each.tolist() for each in columns), strict=True):
            lane, passable, twice, label, (first, second) = row
            answer = Answer(label, label) if first == NOT_ASKED else Answer(label, first, second)
            yield record_id, Word(lane, passable, twice), answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticked:
    """Time went by: everything that could be read before `horizon_ms` is known here, whatever it is."""

    at_ms: int
    horizon_ms: int


Event = Seen | Routed | Answered | Ticked
