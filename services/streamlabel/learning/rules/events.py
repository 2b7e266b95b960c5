"""What happens to the records of a subject, in the order in which it became known; each event tells of many records at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Routed:
    """Routing decided: to the calibration `lane`, or not; alone by the model (`passed`), or not.

    `passable` are those of the lane that would have passed but for the coin.
    """

    at_ms: int
    record_ids: tuple[str, ...]
    lane: Flags
    passable: Flags
    passed: Flags


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """People answered: `classes` are places in the taxonomy, UNKNOWN_CLASS for a name that it does not have.

    `lane` and `passable` are as routing decided them.
    """

    at_ms: int
    record_ids: tuple[str, ...]
    classes: npt.NDArray[np.int64]
    lane: Flags
    passable: Flags


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticked:
    """Time went by: everything that the model answered before `horizon_ms` is known here."""

    at_ms: int
    horizon_ms: int


Event = Seen | Routed | Answered | Ticked
