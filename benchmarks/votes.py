"""What votes are worth: as many people for every text, or as many as its votes leave open; on real ratings of real people.

    python -m benchmarks.votes [--cache FOLDER] [--orders 20]

Each text of the `sentiment` example was rated by at least ten people. Here a few of them, drawn anew in each order, are asked one
after the other, and the consensus of those is compared with the opinion of all ten: that of their mean rating, and that of most of
them. Who rated is not known, so that one confusion matrix stands for everybody; it is fitted, without any truth, to three votes for
each of one half of the texts, and how sure the adaptive votes must be is set there too, so that they cost at most three votes a text.
What is reported is of the other half.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from streamlabel.consensus.dawid_skene import Ballots, CrowdModel, fit_crowd
from streamlabel.local.rated_texts import OPINIONS, RatedText, load_rated_texts, opinion_of

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
PEOPLE, FIXED, MOST = 10, 3, 5
LEVELS = np.linspace(0.5, 0.9999, 400)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One way to ask: votes a text, and the share of texts whose consensus is the opinion of all."""

    way: str
    votes: float
    as_the_mean: float
    as_most: float


class Texts:
    """Texts with the votes [texts, PEOPLE] in the order in which they are asked for, and what all of them say."""

    def __init__(self, votes: Integers, of_the_mean: Integers, of_most: Integers) -> None:
        self.votes, self.of_the_mean, self.of_most = votes, of_the_mean, of_most

    @classmethod
    def of(cls, texts: Sequence[RatedText]) -> Texts:
        """Those that enough people rated."""
        places = {name: place for place, name in enumerate(OPINIONS)}
        rated = [text for text in texts if len(text.ratings) >= PEOPLE]
        votes = np.array([[places[opinion_of(each)] for each in text.ratings[:PEOPLE]] for text in rated])
        return cls(
            votes, np.array([places[opinion_of(text.mean)] for text in rated]), shares_of(votes, PEOPLE).argmax(axis=1)
        )

    def halves(self, chance: np.random.Generator) -> tuple[Texts, Texts]:
        """Two halves at random, people in another order for each text."""
        order = chance.permutation(len(self.votes))
        votes = np.take_along_axis(self.votes, chance.random(self.votes.shape).argsort(axis=1), axis=1)
        middle = len(order) // 2
        first, second = (
            Texts(votes[half], self.of_the_mean[half], self.of_most[half]) for half in (order[:middle], order[middle:])
        )
        return first, second

    def judged(self, way: str, votes: float, consensus: Integers) -> Outcome:
        """How often the consensus is right."""
        return Outcome(
            way=way,
            votes=votes,
            as_the_mean=float(np.mean(consensus == self.of_the_mean)),
            as_most=float(np.mean(consensus == self.of_most)),
        )


def shares_of(votes: Integers, asked: int) -> Floats:
    """Votes for each class among the first `asked`; of equal counts the one that was voted for first is a hair ahead."""
    counts = np.stack([(votes[:, :asked] == each).sum(axis=1) for each in range(len(OPINIONS))], axis=1).astype(float)
    for place in range(asked):
        counts[np.arange(len(votes)), votes[:, place]] += 1e-3 * (asked - place)
    return counts


def learned(texts: Texts) -> CrowdModel:
    """What FIXED votes a text tell of how people answer."""
    count = len(texts.votes)
    return fit_crowd(
        Ballots(
            tasks=np.repeat(np.arange(count), FIXED),
            annotators=np.zeros(count * FIXED, dtype=np.int64),
            answers=texts.votes[:, :FIXED].ravel(),
            task_count=count,
            annotator_count=1,
            class_count=len(OPINIONS),
        ),
        most_rounds=500,
    ).model


def posteriors(texts: Texts, model: CrowdModel) -> list[Floats]:
    """How likely each opinion is after one vote, two votes … MOST."""
    joint = np.repeat(np.log(model.prevalence)[None], len(texts.votes), axis=0)
    found = []
    for asked in range(MOST):
        joint = joint + np.log(model.confusion[0])[:, texts.votes[:, asked]].T
        likelihood = np.exp(joint - joint.max(axis=1, keepdims=True))
        found.append(likelihood / likelihood.sum(axis=1, keepdims=True))
    return found


def adaptive(after: Sequence[Floats], sure: float) -> tuple[Integers, Integers]:
    """The consensus of each text, and how many votes it took: until an opinion is so sure, or MOST have voted."""
    consensus, cost = after[-1].argmax(axis=1), np.full(len(after[-1]), MOST)
    for asked in range(MOST - 1, 0, -1):
        is_sure = after[asked - 1].max(axis=1) >= sure
        consensus = np.where(is_sure, after[asked - 1].argmax(axis=1), consensus)
        cost = np.where(is_sure, asked, cost)
    return consensus, cost


def compared(texts: Texts, chance: np.random.Generator) -> list[Outcome]:
    """All ways to ask, on one half of the texts."""
    known, new = texts.halves(chance)
    model = learned(known)
    of_known, of_new = posteriors(known, model), posteriors(new, model)
    sure = max(level for level in LEVELS if adaptive(of_known, level)[1].mean() <= FIXED)
    consensus, cost = adaptive(of_new, sure)
    return [
        new.judged("one vote", 1.0, new.votes[:, 0]),
        new.judged("three votes, most of them", FIXED, shares_of(new.votes, FIXED).argmax(axis=1)),
        new.judged("three votes, Dawid-Skene", FIXED, of_new[FIXED - 1].argmax(axis=1)),
        new.judged("adaptive votes, Dawid-Skene", float(cost.mean()), consensus),
        new.judged("five votes, Dawid-Skene", MOST, of_new[-1].argmax(axis=1)),
    ]


def main() -> None:
    """Prints a table for each kind of text."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "streamlabel-texts")
    parser.add_argument("--orders", type=int, default=20)
    given = parser.parse_args()
    table = Table("texts", "way", "votes a text", "as the mean of ten", "as most of ten")
    for kind, rated in load_rated_texts(given.cache).items():
        texts = Texts.of(rated)
        runs = [compared(texts, np.random.default_rng((order, len(rated)))) for order in range(given.orders)]
        for outcomes in zip(*runs, strict=True):
            figures = [
                np.mean([getattr(each, name) for each in outcomes]) for name in ("votes", "as_the_mean", "as_most")
            ]
            table.add_row(
                kind.name.lower(), outcomes[0].way, f"{figures[0]:.2f}", *(f"{each:.1%}" for each in figures[1:])
            )
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
