"""Who is right where people disagree: each has habits of error of their own (Dawid and Skene, 1979).

Of a task of true class t, annotator w answers a with probability `confusion[w, t, a]`, whatever others answer. Neither the classes nor
the habits are known; expectation maximization finds both together from the answers alone. A whole matrix for each person, not one
number: who takes every 7 for a 1 is as good as anybody on the rest, and somebody with a bias is worse than a coin under a model that
knows no biases.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix
from scipy.special import logsumexp

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

# Off the diagonal of a person's matrix no more is supposed in all than this, however many classes there are.
_MOST_SUPPOSED_ERRORS = 0.9
_TINY = 1e-10


@dataclass(frozen=True, slots=True, kw_only=True)
class Ballots:
    """Who said what of which task: one vote in each place of three arrays [n].

    Tasks are numbers below `task_count`, annotators below `annotator_count`, answers below `class_count`.
    """

    tasks: Integers
    annotators: Integers
    answers: Integers
    task_count: int
    annotator_count: int
    class_count: int

    def __post_init__(self) -> None:
        if not len(self.tasks) == len(self.annotators) == len(self.answers):
            raise ValueError("tasks, annotators and answers are of different lengths")
        bounds = (
            (self.tasks, self.task_count),
            (self.annotators, self.annotator_count),
            (self.answers, self.class_count),
        )
        for values, bound in bounds:
            if len(values) and not (values.min() >= 0 and values.max() < bound):
                raise ValueError(f"a task, annotator or answer is not in 0–{bound - 1}")

    def __len__(self) -> int:
        return len(self.tasks)

    @property
    def by_task(self) -> csr_matrix:
        """How often each answer of each annotator was given to each task: [tasks, annotators * classes], sparse."""
        columns = self.annotators * self.class_count + self.answers
        shape = (self.task_count, self.annotator_count * self.class_count)
        return csr_matrix((np.ones(len(self)), (self.tasks, columns)), shape=shape)

    def shares(self) -> Floats:
        """The share of its votes that each class got, for each task: [tasks, classes]; all alike where there is no vote."""
        counts = np.zeros((self.task_count, self.class_count))
        np.add.at(counts, (self.tasks, self.answers), 1.0)
        totals = counts.sum(axis=1, keepdims=True)
        return np.where(totals > 0, counts / np.maximum(totals, 1), 1 / self.class_count)

    def votes_of(self) -> Integers:
        """How many votes each annotator gave: [annotators]."""
        return np.bincount(self.annotators, minlength=self.annotator_count)


@dataclass(frozen=True, slots=True, kw_only=True)
class Smoothing:
    """Votes that each person is supposed to have given before the first: `right` for the true class, `wrong` for each other."""

    right: float = 1.0
    wrong: float = 0.1

    def matrix(self, classes: int) -> Floats:
        """[classes, classes]; what is off the diagonal is bounded in all, or a new person would be taken for a guesser."""
        wrong = min(self.wrong, _MOST_SUPPOSED_ERRORS / max(1, classes - 1))
        return np.asarray(np.full((classes, classes), wrong) + np.eye(classes) * (self.right - wrong))


@dataclass(frozen=True, slots=True, kw_only=True)
class CrowdModel:
    """What is believed of classes and people: `prevalence` [classes] and `confusion` [annotators, classes, answers], rows sum to 1."""

    prevalence: Floats
    confusion: Floats

    @property
    def skill(self) -> Floats:
        """How likely each annotator is to be right about a task as they come: [annotators]."""
        return np.asarray(np.einsum("t,wtt->w", self.prevalence, self.confusion))

    def posteriors(self, ballots: Ballots) -> Floats:
        """How likely each class is to be the true one of each task, given its votes: [tasks, classes]; raises ValueError for votes of
        people or classes that the model does not know."""
        if (ballots.annotator_count, ballots.class_count) != self.confusion.shape[:2]:
            raise ValueError(
                f"the model is of {self.confusion.shape[:2]} annotators and classes, the votes are of others"
            )
        return _posteriors(ballots.by_task, self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """The model, the `posteriors` [tasks, classes] that go with it, and how many `rounds` it took."""

    model: CrowdModel
    posteriors: Floats
    rounds: int


def fit_crowd(
    ballots: Ballots,
    *,
    smoothing: Smoothing | None = None,
    start: CrowdModel | None = None,
    most_rounds: int = 100,
    tolerance: float = 1e-6,
) -> Fit:
    """The most likely model, found from `start` (None: from the shares of the votes) by rounds of expectation maximization.

    It ends when no posterior moves by more than `tolerance`, or after `most_rounds`. A model that grew by people since `start` was
    fitted must be given them: see `grown`. Raises ValueError where `start` is of other classes or people.
    """
    votes, prior = ballots.by_task, (smoothing or Smoothing()).matrix(ballots.class_count)
    transposed = votes.T.tocsr()
    posteriors = ballots.shares() if start is None else start.posteriors(ballots)
    rounds = 0
    while True:
        model = _model(transposed, posteriors, ballots, prior)
        before, posteriors = posteriors, _posteriors(votes, model)
        rounds += 1
        if rounds >= most_rounds or float(np.abs(posteriors - before).max(initial=0.0)) <= tolerance:
            return Fit(model=model, posteriors=posteriors, rounds=rounds)


def grown(model: CrowdModel, annotators: int, smoothing: Smoothing | None = None) -> CrowdModel:
    """The model with people added up to so many, of whom nothing is known yet."""
    classes = len(model.prevalence)
    prior = (smoothing or Smoothing()).matrix(classes)
    newcomers = np.repeat((prior / prior.sum(axis=1, keepdims=True))[None], annotators - len(model.confusion), axis=0)
    return CrowdModel(prevalence=model.prevalence, confusion=np.concatenate([model.confusion, newcomers]))


def _model(transposed: csr_matrix, posteriors: Floats, ballots: Ballots, prior: Floats) -> CrowdModel:
    people, classes = ballots.annotator_count, ballots.class_count
    given = np.asarray(transposed @ posteriors).reshape(people, classes, classes)  # [annotators, answers, true classes]
    # A hair of a vote for what never happened: nothing is impossible, and of a class that nobody was of a person knows nothing. In
    # place: the matrices of many people among many classes are large.
    confusion = np.swapaxes(given, 1, 2) + prior
    np.clip(confusion, _TINY, None, out=confusion)
    confusion /= confusion.sum(axis=2, keepdims=True)
    prevalence = posteriors.mean(axis=0) if len(posteriors) else np.full(classes, 1 / classes)
    return CrowdModel(prevalence=prevalence, confusion=confusion)


def _posteriors(votes: csr_matrix, model: CrowdModel) -> Floats:
    people, classes = model.confusion.shape[:2]
    likelihood = np.array(np.swapaxes(model.confusion, 1, 2), order="C").reshape(people * classes, classes)
    np.log(likelihood, out=likelihood)
    joint = np.asarray(votes @ likelihood) + np.log(np.clip(model.prevalence, _TINY, None))
    return np.asarray(np.exp(joint - logsumexp(joint, axis=1, keepdims=True)))
