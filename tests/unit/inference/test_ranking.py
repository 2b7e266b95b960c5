"""From a model's numbers to candidates."""

from __future__ import annotations

import numpy as np
import pytest

from streamlabel.core.project import OutputKind
from streamlabel.inference.rules.ranking import embedding_rows, rank


def test_probabilities_rank_best_first() -> None:
    ranking = rank(np.array([[0.2, 0.7, 0.1], [0.5, 0.1, 0.4]], dtype=np.float32), OutputKind.PROBABILITIES, 3)

    assert ranking.order == [[1, 0, 2], [0, 2, 1]]
    assert ranking.probabilities[0] == pytest.approx([0.7, 0.2, 0.1])
    assert not ranking.refused


def test_equal_probabilities_keep_the_taxonomys_order() -> None:
    assert rank(np.full((1, 4), 0.25), OutputKind.PROBABILITIES, 4).order == [[0, 1, 2, 3]]


def test_logits_become_probabilities_without_overflow() -> None:
    ranking = rank(np.array([[1000.0, 999.0], [-1e30, 1e30]], dtype=np.float32), OutputKind.LOGITS, 2)

    assert ranking.probabilities[0] == pytest.approx([1 / (1 + np.exp(-1)), 1 / (1 + np.exp(1))])
    assert ranking.probabilities[1] == [1.0, 0.0]
    assert ranking.order == [[0, 1], [1, 0]]


def test_at_most_ten_candidates_are_kept() -> None:
    chances = np.arange(1, 26, dtype=np.float64)
    ranking = rank((chances / chances.sum())[None], OutputKind.PROBABILITIES, 25)

    assert ranking.order == [list(range(24, 14, -1))]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", list(OutputKind))
def test_a_row_without_finite_numbers_is_refused_alone(bad: float, kind: OutputKind) -> None:
    ranking = rank(np.array([[0.5, 0.5], [bad, 0.5], [0.9, 0.1]]), kind, 2)

    assert {row: refusal.reason for row, refusal in ranking.refused.items()} == {1: "MODEL_OUTPUT_INVALID"}
    assert ranking.order[2] == [0, 1]


@pytest.mark.parametrize("row", [[0.5, 0.1], [3.0, -2.0], [0.0, 0.0], [1.5, -0.5]])
def test_what_is_no_distribution_is_refused_with_a_hint(row: list[float]) -> None:
    ranking = rank(np.array([row, [0.25, 0.75]]), OutputKind.PROBABILITIES, 2)

    assert list(ranking.refused) == [0]
    assert "if these are logits, say so" in ranking.refused[0].detail


def test_half_precision_rounding_is_borne() -> None:
    ranking = rank(np.array([[1.0005, 0.0001]], dtype=np.float16), OutputKind.PROBABILITIES, 2)

    assert not ranking.refused
    assert ranking.probabilities[0][0] == 1.0


@pytest.mark.parametrize("shape", [(2, 4), (2,), (2, 3, 1)])
def test_another_number_of_classes_is_a_mismatch_of_every_row(shape: tuple[int, ...]) -> None:
    ranking = rank(np.zeros(shape), OutputKind.LOGITS, 3)

    assert {refusal.reason for refusal in ranking.refused.values()} == {"MODEL_OUTPUT_MISMATCH"}
    assert list(ranking.refused) == [0, 1]


def test_embeddings_are_flat_float32_and_finite() -> None:
    rows, refused = embedding_rows(np.array([[[1.0, 2.0]], [[np.nan, 1.0]]]))

    assert rows.dtype == np.dtype("<f4")
    assert rows.shape == (2, 2)
    assert list(refused) == [1]
