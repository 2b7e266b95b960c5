"""Fits the scorer to answers of people that are not evidence: never to the calibration window that will judge it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

from streamlabel.gate.embeddings import told_apart
from streamlabel.gate.features import Matrix, Neighbours, neighbour_features, plain_features, tempered
from streamlabel.gate.scorer import Predictions, Scorer

MAX_NEIGHBOURS = 1000
_RANK = 24
_PROJECTION_STEPS = 1 << 12
_LEAST_ERRORS = 5
_PENALTY = 1.0
_WEIGHT_LIMIT = 20.0


def fit_temperature(
    probabilities: Matrix, classes: int, right: npt.NDArray[np.bool_], weight: npt.NDArray[np.float64]
) -> float:
    """The temperature at which the best candidate's probability tells best, by log-likelihood, whether it is right."""

    def loss(log_temperature: float) -> float:
        first = tempered(probabilities, classes, float(np.exp(log_temperature)))[:, 0]
        likelihood = np.where(right, np.log(np.maximum(first, 1e-12)), np.log(np.maximum(1 - first, 1e-12)))
        return -float((weight * likelihood).sum())

    found = optimize.minimize_scalar(loss, bounds=(-1.5, 2.3), method="bounded", options={"xatol": 1e-3})
    return float(np.exp(found.x))


def fit_logistic(
    features: Matrix, wrong: npt.NDArray[np.bool_], weight: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], float]:
    """Weights and intercept of a logistic regression with a ridge penalty on standardised features [n, f]."""
    target = wrong.astype(np.float64)

    def loss(parameters: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        weights, intercept = parameters[:-1], parameters[-1]
        log_odds = features @ weights + intercept
        residual = weight * (special.expit(log_odds) - target)
        value = (weight * (np.logaddexp(0, log_odds) - target * log_odds)).sum() + _PENALTY / 2 * (weights @ weights)
        return float(value), np.append(features.T @ residual + _PENALTY * weights, residual.sum())

    start = np.zeros(features.shape[1] + 1)
    found = optimize.minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 200})
    return found.x[:-1], float(found.x[-1])


def fit_neighbours(embeddings: Matrix, classes: npt.NDArray[np.int64]) -> Neighbours:
    """The given records as points to compare with, in at most 24 dimensions (principal components, not centred)."""
    scale = float(np.quantile(np.abs(embeddings), 0.999)) or 1.0
    wide = embeddings.shape[1] > _RANK
    projection = principal_directions(told_apart(embeddings)) if wide else np.eye(embeddings.shape[1])
    steps = np.rint(projection * _PROJECTION_STEPS)
    made = Neighbours(steps, np.zeros((0, steps.shape[1])), classes, scale)
    return Neighbours(steps, made.place(embeddings), classes, scale)


def principal_directions(embeddings: Matrix) -> Matrix:
    """The directions [d, r] along which embeddings [n, d] are longest, r ≤ 24, the longest first.

    Those of EᵀE or of EEᵀ, whichever is smaller: embeddings may be far wider than there are records. Where there are fewer directions
    than 24, there are no others: no record tells of them.
    """
    count, width = embeddings.shape
    if width <= count:
        return np.asarray(np.linalg.eigh(embeddings.T @ embeddings)[1][:, ::-1][:, :_RANK])
    squares, vectors = np.linalg.eigh(embeddings @ embeddings.T)
    kept = slice(None, -1 - min(_RANK, count), -1)
    squares, vectors = squares[kept], vectors[:, kept]
    told_apart = squares > max(squares[0], 0.0) * count * np.finfo(np.float64).eps
    directions = embeddings.T @ vectors[:, told_apart]
    lengths = np.linalg.norm(directions, axis=0)
    return np.asarray(directions / lengths) if told_apart.any() else np.zeros((width, 1))


def fit_scorer(
    predictions: Predictions, truth: npt.NDArray[np.int64], weight: npt.NDArray[np.float64] | None = None
) -> Scorer:
    """The scorer that tells right answers from wrong ones best among these; `truth` [n] are the classes that people gave.

    `weight` [n] undoes that some records were more likely to be asked than others. With too few errors to learn from, or none
    but errors, it is the plain scorer.
    """
    wrong = predictions.predicted != truth
    weight = np.ones(len(truth)) if weight is None else weight
    if min(wrong.sum(), (~wrong).sum()) < _LEAST_ERRORS:
        return Scorer()
    temperature = fit_temperature(predictions.probabilities, predictions.classes, ~wrong, weight)
    features = plain_features(
        tempered(predictions.probabilities, predictions.classes, temperature), predictions.classes
    )
    neighbours = None
    if predictions.embeddings is not None:
        # The latest: what the stream looks like now.
        recent = slice(max(0, len(truth) - MAX_NEIGHBOURS), None)
        neighbours = fit_neighbours(predictions.embeddings[recent], truth[recent])
        features, wrong, weight = features[recent], wrong[recent], weight[recent]
        about = neighbour_features(neighbours.points, predictions.predicted[recent], neighbours, leave_out=True)
        features = np.column_stack((features, about))
    centre, spread = features.mean(axis=0), np.maximum(features.std(axis=0), 1e-6)
    weights, intercept = fit_logistic((features - centre) / spread, wrong, weight * len(weight) / weight.sum())
    return Scorer(
        temperature=temperature,
        weights=tuple(np.clip(weights, -_WEIGHT_LIMIT, _WEIGHT_LIMIT).tolist()),
        intercept=intercept,
        centre=tuple(centre.tolist()),
        spread=tuple(spread.tolist()),
        neighbours=neighbours,
    )


def left_out_scores(scorer: Scorer, predictions: Predictions) -> npt.NDArray[np.float64]:
    """The scores of the rows that a scorer was fitted to, as if each had not been there to compare with."""
    if scorer.neighbours is None or predictions.embeddings is None:
        return scorer.score(predictions)
    known = len(scorer.neighbours.points)
    recent = predictions.take(slice(len(predictions) - known, None))
    plain = plain_features(tempered(recent.probabilities, recent.classes, scorer.temperature), recent.classes)
    about = neighbour_features(scorer.neighbours.points, recent.predicted, scorer.neighbours, leave_out=True)
    early = scorer.score(predictions.take(slice(0, len(predictions) - known)))
    return np.concatenate((early, scorer.score_features(np.column_stack((plain, about)))))
