"""People with habits of error of their own, who vote on records whose class nobody knows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streamlabel.consensus.crowd import VoteSample

CLASSES = ("a", "b", "c", "d")
Given = list[tuple[int, str, str]]


class Town:
    """Everything of it is drawn from `seed`: habits, classes, and what is answered, in the order in which it is asked for."""

    def __init__(self, seed: int, people: int = 12, tasks: int = 2000) -> None:
        self.chance = np.random.default_rng(seed)
        skills = self.chance.uniform(2, 12, people)
        self.people = [f"p{number}" for number in range(people)]
        self.habits = {
            name: np.array([self.chance.dirichlet(np.full(4, 0.5) + skill * row) for row in np.eye(4)])
            for name, skill in zip(self.people, skills, strict=True)
        }
        prevalence = self.chance.dirichlet(np.full(4, 5.0))
        self.truth = self.chance.choice(4, tasks, p=prevalence)

    def answer(self, name: str, task: int) -> str:
        """What this person says of this task, once."""
        return CLASSES[self.chance.choice(4, p=self.habits[name][self.truth[task]])]

    def right(self, labels: Sequence[str]) -> float:
        """The share of the labels, of the last so many tasks, that are true."""
        return float(
            np.mean([CLASSES[t] == label for t, label in zip(self.truth[-len(labels) :], labels, strict=True)])
        )

    def votes(self, each: int) -> Given:
        """Task, person, class: votes of `each` people on every task."""
        return [
            (task, str(name), self.answer(str(name), task))
            for task in range(len(self.truth))
            for name in self.chance.choice(self.people, each, replace=False)
        ]


def sample(votes: Given) -> VoteSample:
    """The votes as those who learn from them get them."""
    tickets, annotators, classes = zip(*votes, strict=True)
    return VoteSample(tickets=np.array(tickets), annotators=annotators, class_names=classes)
