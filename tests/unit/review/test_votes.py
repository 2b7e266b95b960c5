"""What several answers come to."""

from __future__ import annotations

import pytest

from streamlabel.core.label import Vote
from streamlabel.review.rules.votes import MAX_VOTES, verdict


def votes(classes: str) -> list[Vote]:
    """One vote a letter, each of another person."""
    return [Vote(annotator=f"p{number}", class_name=name) for number, name in enumerate(classes)]


@pytest.mark.parametrize(
    ("classes", "needed", "expected"),
    [
        ("", 1, None),
        ("a", 1, "a"),
        ("a", 2, None),
        ("aa", 2, "a"),
        ("ab", 2, None),  # A third one is asked.
        ("abb", 2, "b"),
        ("abc", 2, None),
        ("abcc", 2, "c"),
        ("aab", 3, "a"),
        ("aa", 3, None),  # Not a third vote could change it; but three people are wanted.
        ("abba", 4, None),
        ("abbac", 4, "a"),  # A tie of five: the first that was voted for.
        ("cabba", 5, "a"),  # c was voted for first, but is not of the tie.
        ("abcde", 5, "a"),
        ("abbaab", 5, "a"),
        ("abbabb", 5, "b"),
    ],
)
def test_the_most_votes_decide_and_a_tie_asks_for_one_more(classes: str, needed: int, expected: str | None) -> None:
    assert verdict(votes(classes), needed) == expected


def test_nobody_is_asked_after_the_last() -> None:
    assert all(verdict(votes(text[:MAX_VOTES]), 1) is not None for text in ("ababa", "abcde", "aabbc", "eeddc"))
