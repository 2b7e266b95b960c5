"""The people of one project, as their votes so far let us know them, and what the votes on one task come to by that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streamlabel.consensus.dawid_skene import Ballots, CrowdModel, fit_crowd, grown

Singles = npt.NDArray[np.float32]

# Whoever has given fewer votes on tasks that others answered too is not known.
KNOWN_VOTES = 20
# Cells of all confusion matrices of a fit: 66 people among 150 classes, 15,000 among ten. The least active beyond are unknown.
MOST_CELLS = 1_500_000
# So many of the latest votes tell what people are like now; fewer where each is a row of many classes: 16,666 where there are 150.
_MOST_VOTES = 50_000
_MOST_VOTE_CELLS = 2_500_000
_MOST_ROUNDS = 50
_TOLERANCE = 1e-4
_TINY = 1e-10


@dataclass(frozen=True, slots=True, kw_only=True)
class VoteSample:
    """Votes: `tickets` [n] says of which task each is, `annotators` and `class_names` who gave it and for what."""

    tickets: npt.NDArray[np.int64]
    annotators: Sequence[str]
    class_names: Sequence[str]


class Crowd:
    """Who is known, and how they err: `confusion` [annotators, classes, answers] and `prevalence` [classes], whose rows sum to 1.

    Raises ValueError where the arrays are of other sizes than the names.
    """

    def __init__(
        self, *, class_names: Sequence[str], annotators: Sequence[str], prevalence: Singles, confusion: Singles
    ) -> None:
        sizes = (len(annotators), len(class_names), len(class_names))
        if confusion.shape != sizes or prevalence.shape != sizes[1:2]:
            raise ValueError(f"a crowd of {sizes[:2]} people and classes cannot have {confusion.shape} habits")
        self.class_names = tuple(class_names)
        self.annotators = tuple(annotators)
        self.prevalence = prevalence
        self.confusion = confusion
        self._class_places = {name: place for place, name in enumerate(class_names)}
        self._places = {name: place for place, name in enumerate(annotators)}

    def posterior(self, votes: Sequence[tuple[str, str]]) -> Mapping[str, float] | None:
        """How likely each class is, given who voted for which; None where somebody who voted, or a class, is not known.

        What people know nothing of is as likely as it is among all tasks.
        """
        joint = np.log(np.clip(self.prevalence.astype(np.float64), _TINY, None))
        for annotator, class_name in votes:
            person, answer = self._places.get(annotator), self._class_places.get(class_name)
            if person is None or answer is None:
                return None
            joint += np.log(np.clip(self.confusion[person, :, answer].astype(np.float64), _TINY, None))
        likelihood = np.exp(joint - joint.max())
        return dict(zip(self.class_names, (likelihood / likelihood.sum()).tolist(), strict=True))

    def skill(self, annotator: str) -> float | None:
        """How likely somebody is to be right about a task as they come; None of whom nothing is known."""
        place = self._places.get(annotator)
        return None if place is None else float(self.prevalence @ np.diagonal(self.confusion[place]))

    def model_of(self, annotators: Sequence[str]) -> CrowdModel:
        """The model of just these people, all of whom are known."""
        places = np.array([self._places[name] for name in annotators], dtype=np.int64)
        return CrowdModel(
            prevalence=self.prevalence.astype(np.float64), confusion=self.confusion[places].astype(np.float64)
        )

    def knows(self, annotator: str) -> bool:
        """Whether somebody has given votes enough."""
        return annotator in self._places


def most_votes(classes: int) -> int:
    """How many of the latest votes a fit takes into account; with the most people it takes 110 MB and some seconds then."""
    return min(_MOST_VOTES, _MOST_VOTE_CELLS // classes)


def is_refit_due(new_votes: int, votes_before: int) -> bool:
    """Whether `new_votes` since a fit to `votes_before` are worth another: 200, or a fifth more, if that is 20 at least."""
    return new_votes >= min(200, max(KNOWN_VOTES, votes_before / 5))


def fit(sample: VoteSample, class_names: Sequence[str], before: Crowd | None) -> Crowd:
    """The crowd that these votes show, found from the one of `before`.

    Tasks that one person answered count too, though they say nothing of anybody by themselves: whether another was asked hung on what
    the first one said. Without those that were settled by one vote, only the doubtful half of a person's answers would be left.
    """
    classes = {name: place for place, name in enumerate(class_names)}
    answers = np.array([classes.get(name, -1) for name in sample.class_names], dtype=np.int64)
    names = _most_active(
        [name for name, answer in zip(sample.annotators, answers, strict=True) if answer >= 0], classes
    )
    # Those of the crowd before stand in front: their matrices go on from where they were.
    names.sort(key=lambda name: before is None or not before.knows(name))
    places = {name: place for place, name in enumerate(names)}
    people = np.array([places.get(name, -1) for name in sample.annotators], dtype=np.int64)
    use = (answers >= 0) & (people >= 0)
    tickets, tasks, counts = np.unique(sample.tickets[use], return_inverse=True, return_counts=True)
    ballots = Ballots(
        tasks=tasks,
        annotators=people[use],
        answers=answers[use],
        task_count=len(tickets),
        annotator_count=len(names),
        class_count=len(classes),
    )
    shared = np.bincount(ballots.annotators[counts[tasks] > 1], minlength=len(names))
    known = np.flatnonzero(shared >= KNOWN_VOTES)
    start = _start(names, class_names, before)
    model = fit_crowd(ballots, start=start, most_rounds=_MOST_ROUNDS, tolerance=_TOLERANCE).model
    return Crowd(
        class_names=class_names,
        annotators=[names[place] for place in known],
        prevalence=model.prevalence.astype(np.float32),
        confusion=model.confusion[known].astype(np.float32),
    )


def _most_active(voters: Sequence[str], classes: Mapping[str, int]) -> list[str]:
    """Each voter once, as many as there is room for."""
    return [name for name, _ in Counter(voters).most_common(MOST_CELLS // len(classes) ** 2)]


def _start(names: Sequence[str], class_names: Sequence[str], before: Crowd | None) -> CrowdModel | None:
    if before is None or before.class_names != tuple(class_names):
        return None
    known = [name for name in names if before.knows(name)]
    return grown(before.model_of(known), len(names)) if known else None
