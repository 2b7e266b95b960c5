"""Answers that contradict the model more often than before: told, and from where on."""

from __future__ import annotations

import numpy as np

from streamlabel.gate.disagreement import compare_answers
from streamlabel.gate.sample import NOT_ASKED, Rows
from streamlabel.gate.scorer import Predictions


def answers(wrong: np.ndarray, places: np.ndarray) -> Rows:
    """Answers in the order in which they came; `wrong` says which contradict the model."""
    count = len(wrong)
    return Rows(
        predictions=Predictions(np.tile([0.9, 0.1], (count, 1)), np.zeros(count, dtype=np.int64), 2),
        places=places,
        scores=np.random.default_rng(5).random(count),
        truth=wrong.astype(np.int64),
        second=np.full(count, NOT_ASKED),
        weight=np.ones(count),
    )


def test_more_contradictions_are_told_and_as_many_as_before_are_not() -> None:
    wrong = np.random.default_rng(1).random(1000) < 0.1
    assert compare_answers(answers(wrong, np.arange(1000))) is None
    wrong[900:] = np.random.default_rng(2).random(100) < 0.6
    found = compare_answers(answers(wrong, np.arange(1000)))
    assert found is not None
    assert found.since == 1000 - found.answers


def test_since_is_the_earliest_record_of_the_latest_answers() -> None:
    wrong = np.arange(1000) >= 900
    places = np.arange(1000)
    # A hard record from long before was answered in the middle of the latest ones.
    places[[500, 950]] = places[[950, 500]]
    found = compare_answers(answers(wrong, places))
    assert found is not None
    assert found.since == 500
