"""What several answers come to."""

from __future__ import annotations

import numpy as np
import pytest

from streamlabel.consensus.crowd import Crowd
from streamlabel.core.label import Vote
from streamlabel.core.project import ReviewPolicy
from streamlabel.review.rules.votes import Consensus, consensus

COUNTED = ReviewPolicy()
SURE = ReviewPolicy(sure=0.95, max_votes=4)
OPEN = Consensus()


def votes(classes: str) -> list[Vote]:
    """One vote a letter, each of another person: p0, p1 …"""
    return [Vote(annotator=f"p{number}", class_name=name) for number, name in enumerate(classes)]


def a_crowd(*right: float, classes: str = "abc") -> Crowd:
    """p0, p1 … who are right so often, whatever the class, and else err evenly."""
    count = len(classes)
    wrong = [(1 - each) / (count - 1) for each in right]
    confusion = [
        np.full((count, count), off) + np.eye(count) * (on - off) for on, off in zip(right, wrong, strict=True)
    ]
    return Crowd(
        class_names=list(classes),
        annotators=[f"p{number}" for number in range(len(right))],
        prevalence=np.full(count, 1 / count, dtype=np.float32),
        confusion=np.array(confusion, dtype=np.float32).reshape(-1, count, count),
    )


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
        ("abcdef", 7, None),  # As many as it needs are asked, also where that is more than the policy allows.
        ("abcdefg", 7, "a"),
    ],
)
def test_the_most_votes_decide_and_a_tie_asks_for_one_more(classes: str, needed: int, expected: str | None) -> None:
    assert consensus(votes(classes), needed, COUNTED, a_crowd(*[0.9] * 7)) == Consensus(class_name=expected)


@pytest.mark.parametrize(("most", "classes", "expected"), [(2, "ab", "a"), (3, "abc", "a"), (7, "abbac", None)])
def test_nobody_is_asked_after_the_last_that_the_project_allows(most: int, classes: str, expected: str | None) -> None:
    found = consensus(votes(classes), 2, ReviewPolicy(max_votes=most), None)
    assert (found.class_name, found.is_contested) == (expected, False)


@pytest.mark.parametrize(
    ("right", "classes", "needed", "expected"),
    [
        ((0.97,), "a", 1, "a"),  # One who is good enough suffices …
        ((0.97,), "a", 2, None),  # … where not more are wanted.
        ((0.9,), "a", 1, None),
        ((0.9, 0.9), "aa", 1, "a"),
        ((0.9, 0.9), "ab", 1, None),
        ((0.6, 0.6), "aa", 1, None),  # Two who often err are not sure, though they agree.
        ((0.6, 0.6, 0.99), "aab", 1, "b"),  # Two of them weigh less than one who is good.
        ((0.9, 0.9, 0.9), "aba", 1, None),
    ],
)
def test_who_voted_decides_where_the_project_says_how_sure(
    right: tuple[float, ...], classes: str, needed: int, expected: str | None
) -> None:
    found = consensus(votes(classes), needed, SURE, a_crowd(*right))
    assert (found.class_name, found.is_contested) == (expected, False)
    assert (found.posterior is None) == (expected is None)
    assert found.posterior is None or 0.95 <= found.posterior < 1


@pytest.mark.parametrize("known", [0, 1])
@pytest.mark.parametrize(("classes", "expected"), [("a", None), ("aa", "a"), ("ab", None), ("abb", "b")])
def test_while_somebody_is_not_known_two_are_asked_and_votes_are_counted(
    known: int, classes: str, expected: str | None
) -> None:
    for crowd in (None, a_crowd(*[0.999] * known)):
        if len(classes) > known:
            assert consensus(votes(classes), 1, SURE, crowd) == Consensus(class_name=expected)


def test_a_vote_for_a_class_that_nobody_knew_is_counted() -> None:
    assert consensus(votes("zz"), 1, SURE, a_crowd(0.9, 0.9)) == Consensus(class_name="z")


@pytest.mark.parametrize("crowd", [None, a_crowd(0.8, 0.8, 0.8, 0.8)])
def test_what_the_last_leaves_open_is_contested(crowd: Crowd | None) -> None:
    assert consensus(votes("abb"), 4, SURE, crowd) == consensus(votes("aab"), 4, SURE, crowd) == OPEN
    assert consensus(votes("abba"), 1, SURE, crowd) == Consensus(is_contested=True)
    assert consensus(votes("abbac"), 5, SURE, crowd) == Consensus(is_contested=True)


def test_a_class_that_nobody_voted_for_is_no_label() -> None:
    # Each takes every c for an a or a b: two who differ tell that it is c. People would not understand.
    confusion = np.array([[[0.98, 0.01, 0.01], [0.01, 0.98, 0.01], [0.5, 0.49, 0.01]]] * 2, dtype=np.float32)
    crowd = Crowd(
        class_names=["a", "b", "c"],
        annotators=["p0", "p1"],
        prevalence=np.full(3, 1 / 3, dtype=np.float32),
        confusion=confusion,
    )
    found = crowd.posterior([("p0", "a"), ("p1", "b")])
    assert found is not None
    assert found["c"] > 0.9
    assert consensus(votes("ab"), 1, SURE, crowd) == OPEN
    assert consensus(votes("ab"), 1, ReviewPolicy(sure=0.9, max_votes=2), crowd).is_contested
