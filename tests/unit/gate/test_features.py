"""Scores: the same row gets the same score in any company, and the fitted one sorts better than the margin."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from streamlabel.gate import fit
from streamlabel.gate.features import Neighbours, neighbour_features, plain_features, tempered, to_unit_steps
from streamlabel.gate.fit import fit_neighbours, fit_scorer, fit_temperature
from streamlabel.gate.scorer import Predictions, Scorer


def blobs(count: int, seed: int, *, classes: int = 6, spread: float = 1.6) -> tuple[Predictions, np.ndarray]:
    """Points around class centres, a model that knows half the dimensions, and embeddings that know all."""
    chance = np.random.default_rng(seed)
    centres = np.random.default_rng(0).normal(scale=1.5, size=(classes, 8))
    truth = chance.integers(0, classes, count)
    points = centres[truth] + chance.normal(scale=spread, size=(count, 8))
    logits = -((points[:, None, :4] - centres[None, :, :4]) ** 2).sum(axis=2) / (2 * spread**2)
    chances = np.exp(logits - logits.max(axis=1, keepdims=True))
    chances /= chances.sum(axis=1, keepdims=True)
    order = np.argsort(-chances, axis=1, kind="stable")
    return Predictions(np.take_along_axis(chances, order, axis=1), order[:, 0], classes, points), truth


def ranking_quality(scores: np.ndarray, right: np.ndarray) -> float:
    """The chance that a right answer has the higher score of two."""
    good, bad = scores[right], scores[~right]
    return float((good[:, None] > bad).mean() + (good[:, None] == bad).mean() / 2)


def test_the_fitted_score_sorts_right_from_wrong_better_than_the_margin() -> None:
    predictions, truth = blobs(2000, 1)
    scorer = fit_scorer(predictions, truth)
    fresh, fresh_truth = blobs(2000, 2)
    right = fresh.predicted == fresh_truth
    assert 0.1 < 1 - right.mean() < 0.5
    assert ranking_quality(scorer.score(fresh), right) > ranking_quality(Scorer().score(fresh), right) + 0.03
    # It means what it says: of what gets a score around 0.9, about nine in ten are right.
    scores = scorer.score(fresh)
    near = (scores > 0.85) & (scores < 0.95)
    assert right[near].mean() == pytest.approx(0.9, abs=0.06)


@pytest.mark.parametrize("embedded", [True, False])
def test_a_row_has_its_score_whatever_rows_come_with_it(embedded: bool) -> None:
    predictions, truth = blobs(900, 3)
    if not embedded:
        predictions = Predictions(predictions.probabilities, predictions.predicted, predictions.classes)
    scorer = fit_scorer(predictions, truth)
    whole = scorer.score(predictions)
    alone = np.concatenate([scorer.score(predictions.take(slice(row, row + 1))) for row in range(100)])
    assert (alone == whole[:100]).all()
    for size in (7, 64, 333):
        parts = [scorer.score(predictions.take(slice(row, row + size))) for row in range(0, 900, size)]
        assert (np.concatenate(parts) == whole).all()


def test_points_are_compared_in_pieces_with_exact_sums() -> None:
    """Far more products than are made at once, of the most points and dimensions that there are; ties among them."""
    chance = np.random.default_rng(9)
    points = to_unit_steps(chance.choice([-512.0, 511.0, 123.0], size=(1000, 64)))
    points[::7] = points[3]
    classes = chance.integers(0, 4, 1000)
    neighbours = Neighbours(np.eye(64), points, classes, 1.0)
    placed = to_unit_steps(chance.choice([-512.0, 511.0, -1.0], size=(400, 64)))
    placed[:2] = points[3], -points[3]
    found = neighbour_features(placed, np.zeros(400, dtype=np.int64), neighbours)
    exact = placed.astype(np.int64) @ points.astype(np.int64).T
    # Nearest first, and of equals the one that stands first.
    order = np.argsort(-exact, axis=1, kind="stable")[:, :10]
    values = np.take_along_axis(exact, order, axis=1)
    assert (found[:, 2] == values[:, 0] / (1 << 18)).all()
    assert (found[:, 3] == (values / (1 << 18)).mean(axis=1)).all()
    assert (found[:, 0] == (classes[order] == 0).mean(axis=1)).all()
    assert (found[:, 1] == (classes[order[:, :3]] == 0).mean(axis=1)).all()


def test_with_nothing_to_learn_from_it_is_the_margin() -> None:
    predictions, _ = blobs(100, 4)
    assert fit_scorer(predictions, predictions.predicted) == Scorer()
    margin = predictions.probabilities[:, 0] - predictions.probabilities[:, 1]
    assert Scorer().score(predictions) == pytest.approx(margin, abs=1e-9)


def test_a_temperature_undoes_overconfidence() -> None:
    predictions, truth = blobs(4000, 5)
    sharper = tempered(predictions.probabilities, predictions.classes, 0.5)
    right = predictions.predicted == truth
    found = fit_temperature(sharper, predictions.classes, right, np.ones(len(right)))
    assert found == pytest.approx(2.0, abs=0.3)
    assert tempered(sharper, predictions.classes, 2.0) == pytest.approx(predictions.probabilities, abs=1e-5)


def test_tempering_knows_of_the_classes_that_are_not_shown() -> None:
    whole = np.array([[0.5, 0.2, 0.1, 0.1, 0.1]])
    assert tempered(whole[:, :2], 5, 1.5)[:, 0] == pytest.approx(tempered(whole, 5, 1.5)[:, 0])


def test_features_of_the_extremes_are_finite() -> None:
    rows = np.array([[1.0, 0.0], [0.5, 0.5], [1e-12, 0.0]])
    assert np.isfinite(plain_features(rows, 2)).all()
    assert np.isfinite(plain_features(np.array([[1.0]]), 1000)).all()


def principal_directions(embeddings: np.ndarray, count: int) -> np.ndarray:
    """By the definition: the first eigenvectors of EᵀE, as far as their signs."""
    return np.linalg.eigh(embeddings.T @ embeddings)[1][:, ::-1][:, :count]


@pytest.mark.parametrize(("records", "width", "directions"), [(400, 60, 24), (60, 400, 24), (10, 40, 10)])
def test_points_lie_along_the_principal_directions_however_wide_the_embeddings(
    records: int, width: int, directions: int
) -> None:
    chance = np.random.default_rng(records)
    embeddings = chance.normal(size=(records, width)) * 0.8 ** np.arange(width)
    found = fit.principal_directions(embeddings)
    assert found.shape == (width, directions)
    wanted = principal_directions(embeddings, directions)
    signs = np.sign((found * wanted).sum(axis=0))
    np.testing.assert_allclose(found, wanted * signs, atol=1e-8)


def test_embeddings_without_a_direction_lie_nowhere() -> None:
    found = fit_neighbours(np.zeros((30, 100)), np.zeros(30, dtype=np.int64))
    assert not found.points.any()
    one = np.zeros((30, 100))
    one[:, 7] = np.linspace(1, 2, 30)
    found = fit_neighbours(one, np.zeros(30, dtype=np.int64))
    assert found.points.shape == (30, 1)
    assert len(set(np.abs(found.points).ravel().tolist())) == 1


def test_wide_embeddings_take_no_square_of_their_width() -> None:
    embeddings = np.random.default_rng(1).normal(size=(150, 8192))
    tracemalloc.start()
    try:
        fit_neighbours(embeddings, np.zeros(150, dtype=np.int64))
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 8192 * 8192 * 8 / 4
