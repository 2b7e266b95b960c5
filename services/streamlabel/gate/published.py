"""A gate as routing needs it: the certificate together with the scorer that its threshold is about."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from streamlabel.core.control import Gate
from streamlabel.core.prediction import MAX_CANDIDATES, Prediction
from streamlabel.gate.scorer import Predictions, Scorer


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedGate:
    """What stands on the gates topic: whole, so that whoever reads it needs nothing else to decide."""

    gate: Gate
    scorer: Scorer


def score_all(scorer: Scorer, predictions: Sequence[Prediction], places: Mapping[str, int]) -> list[float | None]:
    """The score of each prediction; None where the scorer can make nothing of it.

    `places` are those of the classes in the taxonomy. It can make nothing of a prediction without candidates, of one whose best class
    is unknown, of one with fewer candidates or more than models of this taxonomy give (evidence would not speak of it), and, where it
    compares with neighbours, of one without an embedding of the right length and finite values.
    Rows are scored together, and each gets the score that it would get alone.
    """
    scores: list[float | None] = [None] * len(predictions)
    whole = min(MAX_CANDIDATES, len(places))
    wanted = None if scorer.neighbours is None else len(scorer.neighbours.projection)
    rows = [
        row
        for row, each in enumerate(predictions)
        if len(each.candidates) == whole
        and each.candidates[0].class_name in places
        and wanted in (None, len(each.embedding))
    ]
    embeddings = None
    if scorer.neighbours is not None and rows:
        embeddings = np.array([predictions[row].embedding for row in rows], dtype=np.float64)
        finite = np.isfinite(embeddings).all(axis=1)
        if not finite.all():
            rows, embeddings = [rows[at] for at in np.flatnonzero(finite)], embeddings[finite]
    if not rows:
        return scores
    chosen = [predictions[row] for row in rows]
    table = Predictions(
        np.array([[candidate.probability for candidate in each.candidates] for each in chosen], dtype=np.float64),
        np.array([places[each.candidates[0].class_name] for each in chosen], dtype=np.int64),
        len(places),
        embeddings,
    )
    # Candidates of a foreign hand need not be in order: their margin may be negative.
    for row, score in zip(rows, np.clip(scorer.score(table), 0.0, 1.0).tolist(), strict=True):
        scores[row] = score if math.isfinite(score) else None
    return scores
