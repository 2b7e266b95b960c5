"""What a prediction tells of its own correctness: the inputs of the error model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]

NEAR, NEARER = 10, 3
# Embeddings become whole numbers of this many steps per unit of their largest value, and unit vectors whole numbers of fewer
# per unit: sums of products are then exact, in float64 and in float32, whatever order a machine adds them in, and a score
# replays bit for bit.
_STEPS = 1 << 15
_UNIT_STEPS = 1 << 9
_PRODUCTS_AT_ONCE = 1 << 18
# Likenesses of so many rows stay in a core's cache while they are looked through.
_ROWS_AT_ONCE = 64
# A likeness is a whole number of at most 2^18 either way: it fits into 32 bits together with the place of its point.
_PLACE_BITS = 10
MAX_POINTS = _PLACES = 1 << _PLACE_BITS
_LOG_ODDS_LIMIT = 16.0
_LEAST = 1e-12


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Records whose true class is known, as points to compare with.

    `projection` [d, r] of whole numbers takes an embedding into the space of `points` [m, r], unit vectors in steps; m is at most
    1,024, r at most 64. `classes` [m] are places in the taxonomy. `embedding_scale`, above 0, is the largest value of an embedding
    that is told apart.
    """

    projection: Matrix
    points: Matrix
    classes: npt.NDArray[np.int64]
    embedding_scale: float

    def place(self, embeddings: Matrix) -> Matrix:
        """Embeddings [n, d] as unit vectors in steps, [n, r]."""
        # What lies so far beyond the scale that the quotient is infinite is cut off like all that lies beyond.
        with np.errstate(over="ignore"):
            steps = np.rint(np.clip(embeddings / self.embedding_scale, -1, 1) * _STEPS)
        return to_unit_steps(_product(steps, self.projection))


def _product(left: npt.NDArray[Any], right: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The matrix product of whole numbers, a few rows at a time.

    The sums are exact, so the cut changes nothing. Beyond so many products OpenBLAS wakes a thread per core, and in a service
    whose cores have other work these cost several times what they save.
    """
    rows = max(1, _PRODUCTS_AT_ONCE // right.size)
    made = np.empty((len(left), right.shape[1]), dtype=left.dtype)
    for begin in range(0, len(left), rows):
        np.matmul(left[begin : begin + rows], right, out=made[begin : begin + rows])
    return made


def to_unit_steps(vectors: Matrix) -> Matrix:
    """Rows scaled to length one and rounded to steps; a zero row stays zero."""
    largest = np.maximum(np.abs(vectors).max(axis=1, keepdims=True), 1e-30)
    shrunk = np.rint(vectors / largest * _STEPS)
    lengths = np.sqrt((shrunk * shrunk).sum(axis=1, keepdims=True))
    return np.asarray(np.rint(shrunk / np.maximum(lengths, 1.0) * _UNIT_STEPS))


def tempered(probabilities: Matrix, classes: int, temperature: float) -> Matrix:
    """The best candidates' probabilities at a temperature, [n, c] of `classes` classes; the rest share what is left evenly.

    At temperature 1 nothing changes. Source: temperature scaling (Guo et al., 2017).
    """
    if temperature == 1.0:
        return probabilities
    logs = np.log(np.maximum(probabilities, _LEAST)) / temperature
    top = logs.max(axis=1, keepdims=True)
    mass = np.exp(logs - top)
    total = mass.sum(axis=1, keepdims=True)
    others = classes - probabilities.shape[1]
    if others > 0:
        rest = np.maximum(1 - probabilities.sum(axis=1, keepdims=True), 0.0) / others
        total = total + others * np.exp(np.log(np.maximum(rest, _LEAST)) / temperature - top)
    return np.asarray(mass / total)


def plain_features(probabilities: Matrix, classes: int) -> Matrix:
    """Log-odds of the best candidate, its margin, the second and the entropy, [n, 4]; from probabilities [n, c], best first."""
    first = probabilities[:, 0]
    second = probabilities[:, 1] if probabilities.shape[1] > 1 else np.zeros_like(first)
    odds = np.log(np.maximum(first, _LEAST)) - np.log(np.maximum(1 - first, _LEAST))
    others = max(classes - probabilities.shape[1], 1)
    rest = np.maximum(1 - probabilities.sum(axis=1), 0.0) / others
    entropy = -(probabilities * np.log(np.maximum(probabilities, _LEAST))).sum(axis=1)
    entropy = entropy - others * rest * np.log(np.maximum(rest, _LEAST))
    return np.column_stack((np.clip(odds, -_LOG_ODDS_LIMIT, _LOG_ODDS_LIMIT), first - second, second, entropy))


def neighbour_features(
    placed: Matrix, predicted: npt.NDArray[np.int64], neighbours: Neighbours, *, leave_out: bool = False
) -> Matrix:
    """How the nearest known records agree with the predicted class, and how near they are; [n, 4].

    Shares of the 10 and of the 3 nearest that are of the predicted class, cosine to the nearest, and mean cosine to the 10.
    With `leave_out` the rows are the points themselves, and none counts as its own neighbour.
    """
    count, near = len(neighbours.points), min(NEAR, len(neighbours.points) - leave_out)
    ranked = np.empty((len(placed), near), dtype=np.int32)
    left, right = placed.astype(np.float32), neighbours.points.T.astype(np.float32)
    last = np.arange(_PLACES - 1, _PLACES - 1 - count, -1, dtype=np.int32)
    keys = np.empty((min(_ROWS_AT_ONCE, len(placed)), count), dtype=np.int32)
    for begin in range(0, len(placed), _ROWS_AT_ONCE):
        rows = slice(begin, begin + _ROWS_AT_ONCE)
        keys = keys[: len(left[rows])]
        # Likeness and place as one number: the larger, the nearer, and of equals the first; no two are the same.
        np.copyto(keys, _product(left[rows], right), casting="unsafe")
        keys <<= _PLACE_BITS
        keys += last
        if leave_out:
            keys[np.arange(len(keys)), np.arange(begin, begin + len(keys))] = np.iinfo(np.int32).min
        keys.partition(count - near, axis=1)
        ranked[rows] = keys[:, -near:]
    ranked = -np.sort(-ranked, axis=1)
    nearest = _PLACES - 1 - (ranked & (_PLACES - 1))
    values = (ranked >> _PLACE_BITS) / (_UNIT_STEPS * _UNIT_STEPS)
    agree = neighbours.classes[nearest] == predicted[:, None]
    return np.column_stack((agree.mean(axis=1), agree[:, :NEARER].mean(axis=1), values[:, 0], values.mean(axis=1)))
