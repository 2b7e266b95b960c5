"""Whether people's time is better spent where it is asked as long as a task is open: on people whose habits are known to the test."""

from __future__ import annotations

import pytest

from streamlabel.consensus.crowd import Crowd, fit, is_refit_due
from streamlabel.core.label import Vote
from streamlabel.core.project import ReviewPolicy
from streamlabel.review.rules.votes import consensus
from support.voters import CLASSES, Given, Town, sample


def asked(town: Town, policy: ReviewPolicy, needed: int) -> tuple[list[str], Given]:
    """The label of each task, and all votes. Nobody is known at first; fits come as they fall due."""
    known: Crowd | None = None
    given: Given = []
    labels: list[str] = []
    fitted = 0
    for task in range(len(town.truth)):
        votes: list[Vote] = []
        for name in map(str, town.chance.permutation(town.people)):
            votes.append(Vote(annotator=name, class_name=town.answer(name, task)))
            found = consensus(votes, needed, policy, known)
            if found.class_name is not None:
                labels.append(found.class_name)
                break
        given += [(task, vote.annotator, vote.class_name) for vote in votes]
        if is_refit_due(len(given) - fitted, fitted):
            known, fitted = fit(sample(given), CLASSES, known), len(given)
    return labels, given


@pytest.mark.parametrize("seed", range(1, 6))
def test_as_many_votes_as_it_takes_are_right_more_often_than_as_many_for_each(seed: int) -> None:
    """Compared are the later half of the tasks, at no greater mean cost."""
    adaptive, counted = Town(seed), Town(seed)
    labels, given = asked(adaptive, ReviewPolicy(sure=0.96, max_votes=6), needed=1)
    by_count, given_for_count = asked(counted, ReviewPolicy(), needed=3)
    half = len(labels) // 2
    cost, cost_of_count = (sum(task >= half for task, _, _ in votes) / half for votes in (given, given_for_count))
    assert cost <= cost_of_count
    assert adaptive.right(labels[half:]) > counted.right(by_count[half:])
