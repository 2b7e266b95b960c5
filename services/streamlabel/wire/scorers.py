"""Scorer on the wire: what comes out scores bit for bit like what went in."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from streamlabel.gate.features import MAX_POINTS, Neighbours
from streamlabel.gate.scorer import Scorer
from streamlabel.v1 import control_pb2

_PLAIN, _WITH_NEIGHBOURS = 4, 8
# Far beyond what is ever fitted, and near enough that no sum overflows.
_LARGEST, _LEAST_SPREAD = 1e9, 1e-9
# Products of so many numbers so large are exact in float32, those with a projection in float64.
_LARGEST_STEP, _MOST_DIMENSIONS = 1 << 9, 64
_MOST_STEPS = 1 << 53
# Unit vectors of 512 steps, and room for rounding: a likeness of two then fits beside a place into 32 bits.
_LARGEST_SQUARE = 1 << 20


def scorer_to_message(scorer: Scorer) -> control_pb2.Scorer:
    """The scorer on the wire; raises ValueError for one that would not come out as it went in."""
    _check(scorer)
    message = control_pb2.Scorer(
        temperature=scorer.temperature,
        weights=scorer.weights,
        intercept=scorer.intercept,
        centre=scorer.centre,
        spread=scorer.spread,
    )
    known = scorer.neighbours
    if known is not None:
        message.neighbours.dimensions = known.points.shape[1]
        message.neighbours.projection.extend(_whole("projection", known.projection))
        message.neighbours.points.extend(_whole("points", known.points))
        message.neighbours.classes.extend(known.classes.tolist())
        message.neighbours.embedding_scale = known.embedding_scale
    return message


def scorer_from_message(message: control_pb2.Scorer, class_count: int) -> Scorer:
    """The scorer; raises ValueError for one that could not score every prediction of `class_count` classes."""
    scorer = Scorer(
        temperature=message.temperature,
        weights=tuple(message.weights),
        intercept=message.intercept,
        centre=tuple(message.centre),
        spread=tuple(message.spread),
        neighbours=_neighbours(message.neighbours) if message.HasField("neighbours") else None,
    )
    _check(scorer)
    if scorer.neighbours is not None and (scorer.neighbours.classes >= class_count).any():
        raise ValueError(f"a neighbour is of a class that {class_count} classes do not have")
    return scorer


def _neighbours(message: control_pb2.Neighbours) -> Neighbours:
    rank = message.dimensions
    if not rank or len(message.projection) % rank or len(message.points) != rank * len(message.classes):
        raise ValueError("projection, points and classes of the neighbours do not fit each other")
    return Neighbours(
        projection=np.array(message.projection, dtype=np.float64).reshape(-1, rank),
        points=np.array(message.points, dtype=np.float64).reshape(-1, rank),
        classes=np.array(message.classes, dtype=np.int64),
        embedding_scale=message.embedding_scale,
    )


def _check(scorer: Scorer) -> None:
    """Raises ValueError unless scores of it are finite and of whole sums."""
    known = scorer.neighbours
    wanted = _PLAIN if known is None else _WITH_NEIGHBOURS
    if len(scorer.weights) not in (0, wanted):
        raise ValueError(f"a scorer has {wanted} weights or none, not {len(scorer.weights)}")
    if not len(scorer.weights) == len(scorer.centre) == len(scorer.spread):
        raise ValueError("weights, centre and spread of a scorer are of different lengths")
    _check_numbers((*scorer.weights, *scorer.centre, *scorer.spread, scorer.intercept))
    _check_numbers((scorer.temperature, *scorer.spread), least=_LEAST_SPREAD)
    if known is None:
        return
    # Models are free to give embeddings of any scale.
    if not 0 < known.embedding_scale < math.inf:
        raise ValueError(f"{known.embedding_scale} is no scale of embeddings")
    rank = known.points.shape[1]
    if not (len(known.points) and len(known.projection)) or known.projection.shape[1] != rank:
        raise ValueError("neighbours without points or without a projection to them")
    if len(known.points) > MAX_POINTS:
        raise ValueError(f"{len(known.points)} neighbours; there may be {MAX_POINTS}")
    if (
        rank > _MOST_DIMENSIONS
        or (known.points * known.points).sum(axis=1).max() > _LARGEST_SQUARE
        or np.abs(known.points).max() > _LARGEST_STEP
        or (1 << 15) * np.abs(known.projection).sum(axis=0).max() > _MOST_STEPS
    ):
        raise ValueError("numbers of the neighbours are too large to be added up exactly")


def _check_numbers(values: Iterable[float], *, least: float = -_LARGEST) -> None:
    for value in values:
        if not math.isfinite(value) or not least <= value <= _LARGEST:
            raise ValueError(f"{value} is no number that a scorer can have")


def _whole(what: str, values: npt.NDArray[np.float64]) -> list[int]:
    """The numbers row by row; raises ValueError where one is not whole."""
    made = values.astype(np.int64)
    if (made != values).any():
        raise ValueError(f"{what} of the neighbours are not whole numbers")
    numbers: list[int] = made.ravel().tolist()
    return numbers
