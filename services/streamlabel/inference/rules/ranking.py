"""What a model's numbers say: probabilities, and the classes in their order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from streamlabel.core.prediction import MAX_CANDIDATES
from streamlabel.core.project import OutputKind
from streamlabel.errors import InvalidMessageError
from streamlabel.inference.rules.reasons import ModelReason

# Half-precision models round; a logit that passes for a probability does not come this close to a sum of 1.
SUM_TOLERANCE = 0.02


@dataclass(frozen=True, slots=True)
class Ranking:
    """Per row, the best classes (their places in the taxonomy) and their probabilities, best first."""

    order: list[list[int]]
    probabilities: list[list[float]]
    refused: Mapping[int, InvalidMessageError]


def rank(output: npt.NDArray[Any], kind: OutputKind, classes: int) -> Ranking:
    """Ranks the rows of `output`; a row that is no probability distribution (or no finite logits) is refused.

    Equal probabilities rank in the taxonomy's order, so that the same numbers give the same candidates everywhere.
    """
    if output.ndim != 2 or output.shape[1] != classes:
        shape = list(output.shape[1:])
        fault = InvalidMessageError(
            ModelReason.MODEL_OUTPUT_MISMATCH, f"the model answered with shape {shape}, not with {classes} classes"
        )
        return Ranking([[]] * len(output), [[]] * len(output), dict.fromkeys(range(len(output)), fault))
    values = output.astype(np.float64)
    sane: npt.NDArray[np.bool_] = np.asarray(np.isfinite(values).all(axis=1))
    refused = {
        int(row): InvalidMessageError(ModelReason.MODEL_OUTPUT_INVALID, "the model answered with NaN or infinity")
        for row in np.flatnonzero(~sane)
    }
    values[~sane] = 0.0
    if kind is OutputKind.LOGITS:
        chances = softmax(values)
    else:
        refused |= _not_distributions(values, sane)
        chances = np.clip(values, 0.0, 1.0)
    best = np.argsort(-chances, axis=1, kind="stable")[:, :MAX_CANDIDATES]
    return Ranking(best.tolist(), np.take_along_axis(chances, best, axis=1).tolist(), refused)


def embedding_rows(output: npt.NDArray[Any]) -> tuple[npt.NDArray[np.float32], dict[int, InvalidMessageError]]:
    """One vector a row, whatever the output's axes, and the rows that hold NaN or infinity."""
    rows = output.reshape(len(output), -1).astype("<f4", copy=False)
    refused = {
        int(row): InvalidMessageError(ModelReason.MODEL_OUTPUT_INVALID, "the embedding holds NaN or infinity")
        for row in np.flatnonzero(~np.isfinite(rows).all(axis=1))
    }
    return rows, refused


def softmax(logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Probabilities of each row; cannot overflow, however large the logits."""
    shifted: npt.NDArray[np.float64] = np.exp(logits - logits.max(axis=1, keepdims=True))
    shifted /= shifted.sum(axis=1, keepdims=True)
    return shifted


def _not_distributions(values: npt.NDArray[np.float64], sane: npt.NDArray[np.bool_]) -> dict[int, InvalidMessageError]:
    outside = (values < -SUM_TOLERANCE).any(axis=1) | (values > 1 + SUM_TOLERANCE).any(axis=1)
    wrong = sane & (outside | (np.abs(values.sum(axis=1) - 1.0) > SUM_TOLERANCE))
    return {
        int(row): InvalidMessageError(
            ModelReason.MODEL_OUTPUT_INVALID,
            f"the model's probabilities sum to {values[row].sum():.4g} and lie in "
            f"{values[row].min():.4g} to {values[row].max():.4g}; if these are logits, say so in the project",
        )
        for row in np.flatnonzero(wrong)
    }
