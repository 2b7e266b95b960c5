"""The score that a gate compares: the belief that the model's answer is right, by a model of its errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streamlabel.gate.features import Matrix, Neighbours, neighbour_features, plain_features, tempered

Selection = npt.NDArray[np.int64] | npt.NDArray[np.bool_] | slice

# Scores are told apart to so many decimals: what two machines may compute differently lies far below.
_DECIMALS = 9


@dataclass(frozen=True, slots=True)
class Predictions:
    """Answers of one model version, row by row.

    `probabilities` [n, c] of the best candidates, best first, each row summing to at most 1; `predicted` [n] is the best one's place
    in the taxonomy of `classes` classes; `embeddings` [n, d], where the model gives any.
    """

    probabilities: Matrix
    predicted: npt.NDArray[np.int64]
    classes: int
    embeddings: Matrix | None = None

    def __len__(self) -> int:
        return len(self.predicted)

    def take(self, rows: Selection) -> Predictions:
        """Some of the rows."""
        embeddings = None if self.embeddings is None else self.embeddings[rows]
        return Predictions(self.probabilities[rows], self.predicted[rows], self.classes, embeddings)


def join_predictions(parts: Sequence[Predictions]) -> Predictions:
    """All rows of all parts, in order; at least one part, and all of one shape."""
    embeddings = [part.embeddings for part in parts if part.embeddings is not None]
    return Predictions(
        np.concatenate([part.probabilities for part in parts]),
        np.concatenate([part.predicted for part in parts]),
        parts[0].classes,
        np.concatenate(embeddings) if embeddings else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorer:
    """Gives each prediction its score; a value, so that a gate message can carry it whole.

    Without `weights` the score is the margin of the best candidate over the second. With them it is one minus the chance of
    an error by logistic regression over the features: `weights` fit features that are shifted by `centre` and divided by `spread`.
    """

    temperature: float = 1.0
    weights: tuple[float, ...] = ()
    intercept: float = 0.0
    centre: tuple[float, ...] = ()
    spread: tuple[float, ...] = ()
    neighbours: Neighbours | None = None

    def features(self, predictions: Predictions) -> Matrix:
        """The inputs of the error model, [n, 4] or [n, 8]."""
        probabilities = tempered(predictions.probabilities, predictions.classes, self.temperature)
        plain = plain_features(probabilities, predictions.classes)
        if self.neighbours is None or predictions.embeddings is None:
            return plain
        placed = self.neighbours.place(predictions.embeddings)
        return np.column_stack((plain, neighbour_features(placed, predictions.predicted, self.neighbours)))

    def score(self, predictions: Predictions) -> npt.NDArray[np.float64]:
        """One score in 0–1 for each row; the same row gets the same score in any company."""
        if not self.weights:
            # Candidates of a foreign hand need not be in order: their margin may be negative.
            margin = plain_features(predictions.probabilities, predictions.classes)[:, 1]
            return np.asarray(np.round(np.maximum(margin, 0.0), _DECIMALS))
        return self.score_features(self.features(predictions))

    def score_features(self, features: Matrix) -> npt.NDArray[np.float64]:
        """The score of rows whose features are known."""
        # Added up column by column: a matrix product may round otherwise for another number of rows.
        log_odds = np.full(len(features), self.intercept)
        for column, (weight, centre, spread) in enumerate(zip(self.weights, self.centre, self.spread, strict=True)):
            log_odds += weight * ((features[:, column] - centre) / spread)
        return np.asarray(np.round(1 / (1 + np.exp(np.clip(log_odds, -500, 500))), _DECIMALS))
