"""Who is right where people disagree, against another implementation and against the truth."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from crowdkit.aggregation import DawidSkene

from streamlabel.consensus.dawid_skene import Ballots, CrowdModel, Smoothing, fit_crowd, grown

pytestmark = pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")

NOTHING = Smoothing(right=0.0, wrong=0.0)


def a_crowd(
    seed: int, *, tasks: int = 400, people: int = 20, classes: int = 4, each: int = 5
) -> tuple[Ballots, np.ndarray]:
    """Votes of people who each have errors of their own, and the truth."""
    chance = np.random.default_rng(seed)
    truth = chance.choice(classes, tasks, p=chance.dirichlet(np.full(classes, 5.0)))
    habits = np.array(
        [[chance.dirichlet(np.full(classes, 0.5) + 6 * row) for row in np.eye(classes)] for _ in range(people)]
    )
    votes = [
        (task, person, chance.choice(classes, p=habits[person, truth[task]]))
        for task in range(tasks)
        for person in chance.choice(people, each, replace=False)
    ]
    columns = np.array(votes, dtype=np.int64)
    ballots = Ballots(
        tasks=columns[:, 0],
        annotators=columns[:, 1],
        answers=columns[:, 2],
        task_count=tasks,
        annotator_count=people,
        class_count=classes,
    )
    return ballots, truth


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_it_finds_what_crowd_kit_finds(seed: int) -> None:
    ballots, _ = a_crowd(seed)
    table = pd.DataFrame({"task": ballots.tasks, "worker": ballots.annotators, "label": ballots.answers})
    # Left to itself it stops where its own bound first falls, which may be early: it goes all rounds instead.
    theirs = DawidSkene(n_iter=300, tol=-np.inf).fit(table).probas_.sort_index()[range(4)].to_numpy()
    ours = fit_crowd(ballots, smoothing=NOTHING, most_rounds=300, tolerance=1e-12)
    assert np.abs(ours.posteriors - theirs).max() < 1e-3


def test_it_knows_better_than_a_count_of_votes() -> None:
    ballots, truth = a_crowd(5, each=3)
    found = fit_crowd(ballots)
    right, by_count = (np.mean(shares.argmax(axis=1) == truth) for shares in (found.posteriors, ballots.shares()))
    assert right > by_count + 0.02
    assert found.model.skill.argmin() in np.argsort(share_right(ballots, truth))[:3]


def share_right(ballots: Ballots, truth: np.ndarray) -> np.ndarray:
    right = np.bincount(ballots.annotators, weights=ballots.answers == truth[ballots.tasks])
    return right / ballots.votes_of()


def test_one_with_a_bias_tells_as_much_as_one_without() -> None:
    """Who always says 1 for 0 and 0 for 1 tells as much as who is always right; by counting votes it would be the worst of all."""
    chance = np.random.default_rng(0)
    truth = chance.integers(0, 2, 300)
    answers = np.concatenate([truth, truth, 1 - truth])
    answers[:600] = np.where(chance.random(600) < 0.2, 1 - answers[:600], answers[:600])
    people = np.repeat([0, 1, 2], 300)
    tasks = np.tile(np.arange(300), 3)
    ballots = Ballots(tasks=tasks, annotators=people, answers=answers, task_count=300, annotator_count=3, class_count=2)
    assert np.mean(fit_crowd(ballots).posteriors.argmax(axis=1) == truth) > 0.97 > np.mean(answers[:300] == truth) + 0.1


def test_a_warm_start_ends_where_a_cold_one_does_and_sooner() -> None:
    ballots, _ = a_crowd(7)
    early = np.arange(len(ballots)) < len(ballots) - 200
    before = fit_crowd(part(ballots, early))
    warm = fit_crowd(ballots, start=grown(before.model, ballots.annotator_count))
    cold = fit_crowd(ballots)
    assert warm.rounds < cold.rounds
    assert np.abs(warm.posteriors - cold.posteriors).max() < 1e-3


def part(ballots: Ballots, kept: np.ndarray) -> Ballots:
    return Ballots(
        tasks=ballots.tasks[kept],
        annotators=ballots.annotators[kept],
        answers=ballots.answers[kept],
        task_count=ballots.task_count,
        annotator_count=ballots.annotator_count,
        class_count=ballots.class_count,
    )


def test_nobody_is_known_at_first_and_a_newcomer_is_taken_for_better_than_a_guess() -> None:
    nobody = Ballots(
        tasks=np.zeros(0, dtype=np.int64),
        annotators=np.zeros(0, dtype=np.int64),
        answers=np.zeros(0, dtype=np.int64),
        task_count=2,
        annotator_count=1,
        class_count=150,
    )
    found = fit_crowd(nobody)
    assert found.posteriors == pytest.approx(1 / 150)
    assert found.model.skill[0] > 0.5
    assert grown(found.model, 3).confusion.sum(axis=2) == pytest.approx(1.0)


def test_a_thousand_contradicting_votes_do_not_overflow() -> None:
    votes = 2000
    ballots = Ballots(
        tasks=np.zeros(votes, dtype=np.int64),
        annotators=np.zeros(votes, dtype=np.int64),
        answers=np.arange(votes, dtype=np.int64) % 2,
        task_count=1,
        annotator_count=1,
        class_count=2,
    )
    assert fit_crowd(ballots).posteriors.sum() == pytest.approx(1.0)


@pytest.mark.parametrize("broken", ["answers", "annotators", "tasks"])
def test_votes_outside_their_bounds_are_refused(broken: str) -> None:
    columns = {name: np.array([0, 1]) for name in ("tasks", "annotators", "answers")}
    with pytest.raises(ValueError, match="not in 0–1"):
        Ballots(**(columns | {broken: np.array([0, 2])}), task_count=2, annotator_count=2, class_count=2)


def test_a_model_of_others_is_refused() -> None:
    ballots, _ = a_crowd(1)
    model = CrowdModel(prevalence=np.full(3, 1 / 3), confusion=np.full((20, 3, 3), 1 / 3))
    with pytest.raises(ValueError, match="others"):
        fit_crowd(ballots, start=model)
