"""A guess is told as a guess."""

from __future__ import annotations

import pytest

from streamlabel.gate.answers_wanted import in_words, more_answers


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (1, "about 1"),
        (28, "about 28"),
        (123, "about 130"),
        (120, "about 120"),
        (999, "about 1,000"),
        (5_440, "about 5,500"),
        (10_000, "about 10,000"),
        (10_001, "more than 10,000"),
        (4_000_000, "more than 10,000"),
    ],
)
def test_two_digits_are_told_rounded_up_and_beyond_ten_thousand_none(count: int, words: str) -> None:
    assert in_words(count) == words


@pytest.mark.parametrize(
    ("count", "evidence", "words"),
    [
        (123, 40, "about 130 more answers"),
        (1, 40, "about 1 more answer"),
        (146, 0, "at least 150 more answers"),
        (20_000, 0, "more than 10,000 more answers"),
    ],
)
def test_without_evidence_it_is_what_the_best_of_models_takes(count: int, evidence: int, words: str) -> None:
    assert more_answers(count, evidence) == words
