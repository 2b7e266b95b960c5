"""A gate as routing needs it: the certificate together with the scorer that its threshold is about."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from streamlabel.core.control import Gate
from streamlabel.core.prediction import MAX_CANDIDATES, Prediction
from streamlabel.gate.embeddings import used_length
from streamlabel.gate.scorer import Predictions, Scorer


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedGate:
    """What stands on the gates topic: whole, so that whoever reads it needs nothing else to decide."""

    gate: Gate
    scorer: Scorer


def used_embedding(prediction: Prediction) -> Sequence[float]:
    """The embedding, or none where it is longer than gates use."""
    embedding = prediction.embedding
    return embedding if used_length(len(embedding)) else ()


def is_scorable(prediction: Prediction, places: Mapping[str, int], embedding_length: int | None) -> bool:
    """Whether a gate can speak of the prediction at all; what decides and what gathers evidence both ask here.

    It must have as many candidates as models of this taxonomy give, the best one of a class that is known (`places` are those of the
    taxonomy), and an embedding of finite values and the right length (None: of any); one that is too long to be used counts as none.
    """
    # Of 32-bit values no sum overflows: it is finite where each of them is, and looking at each would take several times as long.
    return _is_whole(prediction, places, embedding_length) and math.isfinite(sum(used_embedding(prediction)))


def _is_whole(prediction: Prediction, places: Mapping[str, int], embedding_length: int | None) -> bool:
    """Whether it is scorable as far as one sees without adding its embedding up."""
    candidates = prediction.candidates
    return (
        len(candidates) == min(MAX_CANDIDATES, len(places))
        and candidates[0].class_name in places
        and embedding_length in (None, used_length(len(prediction.embedding)))
    )


def score_all(
    published: PublishedGate, predictions: Sequence[Prediction], places: Mapping[str, int]
) -> list[float | None]:
    """The score of each prediction by the gate's scorer; None where the gate cannot speak of it (`is_scorable`).

    `places` are those of the classes in the taxonomy. Rows are scored together, and each gets the score that it would get alone.
    """
    scores: list[float | None] = [None] * len(predictions)
    scorer, length = published.scorer, published.gate.embedding_length
    if scorer.neighbours is not None:
        length = len(scorer.neighbours.projection)
    embeddings = None
    if scorer.neighbours is None:
        rows = [row for row, each in enumerate(predictions) if is_scorable(each, places, length)]
    else:
        rows = [row for row, each in enumerate(predictions) if _is_whole(each, places, length)]
        # Added up all together, which is what `is_scorable` does one by one. None is too long to be used: of these all have `length`.
        embeddings = np.array([predictions[row].embedding for row in rows], dtype=np.float64).reshape(
            len(rows), length or 0
        )
        finite = np.isfinite(embeddings.sum(axis=1))
        if not finite.all():
            rows, embeddings = np.array(rows)[finite].tolist(), embeddings[finite]
    if not rows:
        return scores
    chosen = [predictions[row] for row in rows]
    table = Predictions(
        np.array([[candidate.probability for candidate in each.candidates] for each in chosen], dtype=np.float64),
        np.array([places[each.candidates[0].class_name] for each in chosen], dtype=np.int64),
        len(places),
        embeddings,
    )
    for row, score in zip(rows, scorer.score(table).tolist(), strict=True):
        scores[row] = score if math.isfinite(score) else None
    return scores
