"""Who is known, and by which votes."""

from __future__ import annotations

import numpy as np
import pytest

from streamlabel.consensus import crowd as subject
from streamlabel.consensus.crowd import KNOWN_VOTES, Crowd, VoteSample, fit, is_refit_due
from support.voters import CLASSES, Town, sample


def test_known_are_those_who_voted_often_where_others_did_too() -> None:
    votes = [(task, who, "a") for task in range(KNOWN_VOTES) for who in ("ann", "bob")]
    votes += [(100 + task, "cat", "a") for task in range(KNOWN_VOTES * 5)]
    votes += [(task, "dan", "b") for task in range(KNOWN_VOTES - 1)]
    found = fit(sample(votes), CLASSES, None)
    assert sorted(found.annotators) == ["ann", "bob"]
    assert [found.knows(name) for name in ("ann", "cat", "dan", "eve")] == [True, False, False, False]
    assert found.posterior([("ann", "a"), ("dan", "a")]) is None
    assert found.skill("cat") is None
    skill = found.skill("ann")
    assert skill is not None
    assert 0.9 < skill <= 1
    posterior = found.posterior([("ann", "a"), ("bob", "a")])
    assert posterior is not None
    assert sum(posterior.values()) == pytest.approx(1)


def test_votes_for_what_is_no_class_any_more_count_for_nothing() -> None:
    votes = [(task, who, "gone") for task in range(50) for who in ("ann", "bob")]
    assert fit(sample(votes), CLASSES, None).annotators == ()
    assert (
        fit(VoteSample(tickets=np.array([], dtype=np.int64), annotators=[], class_names=[]), CLASSES, None).annotators
        == ()
    )


def test_a_fit_goes_on_from_the_one_before_and_finds_the_same() -> None:
    town = Town(3)
    votes = town.votes(3)
    first = fit(sample(votes[:3000]), CLASSES, None)
    warm, cold = fit(sample(votes), CLASSES, first), fit(sample(votes), CLASSES, None)
    assert sorted(warm.annotators) == sorted(cold.annotators) == sorted(town.people)
    for name in town.people:
        assert warm.skill(name) == pytest.approx(cold.skill(name), abs=0.01)
        truth = float(np.mean([town.habits[name][t, t] for t in town.truth]))
        assert warm.skill(name) == pytest.approx(truth, abs=0.05)


def test_the_least_active_are_not_known_where_all_would_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "MOST_CELLS", 16 * 3)
    votes = [(task, f"p{who}", "a") for who in range(5) for task in range(30 + who)]
    assert sorted(fit(sample(votes), CLASSES, None).annotators) == ["p2", "p3", "p4"]


@pytest.mark.parametrize(
    ("new", "before", "due"),
    [
        (19, 0, False),
        (20, 0, True),
        (20, 100, True),
        (59, 300, False),
        (60, 300, True),
        (199, 10_000, False),
        (200, 10_000, True),
    ],
)
def test_a_fit_is_due_after_200_votes_or_a_fifth_more(new: int, before: int, due: bool) -> None:
    assert is_refit_due(new, before) == due


def test_sizes_must_match() -> None:
    with pytest.raises(ValueError, match="cannot have"):
        Crowd(
            class_names=CLASSES,
            annotators=["ann"],
            prevalence=np.zeros(4, dtype=np.float32),
            confusion=np.zeros((2, 4, 4), dtype=np.float32),
        )
