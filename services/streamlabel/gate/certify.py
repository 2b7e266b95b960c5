"""A certificate for scores and answers at hand, without a stream."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from streamlabel.gate.checks import LEAST_ROWS, check_levels, checked_correct, checked_scores
from streamlabel.gate.needs import begins_badly, more_labels
from streamlabel.gate.sequence import Certificate, Grid, Tally, certify_region, starts_of_answers

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True, kw_only=True)
class Certified:
    """What the answers support.

    `threshold` is infinite and `certificate` None where they support nothing; `coverage` is the share of all scores that would
    pass. `more_labels_needed` is how many more answers, drawn like these, would make a certificate likely should the error rates stay
    what they seem to be; 0 where there is one, None where no number of answers would do. Where looks are counted it is about the
    next one. `look` is which of several this was, None for the only one; `level` the part of delta that it was tested at. `answers`
    were given, right or wrong; `starts` are the regions of the grid that the chains of tests begin with.
    """

    alpha: float
    delta: float
    look: int | None
    level: float
    answers: int
    threshold: float
    certificate: Certificate | None
    coverage: float
    more_labels_needed: int | None
    starts: tuple[int, ...] = field(repr=False)
    scores: npt.NDArray[np.float64] = field(repr=False)
    grid: Grid = field(repr=False)
    tally: Tally = field(repr=False)

    def threshold_told(self, digits: int) -> str:
        """The threshold in so many digits; in full where in these other scores would reach it."""
        short = f"{self.threshold:.{digits}g}"
        same = (self.scores >= float(short)).sum() == (self.scores >= self.threshold).sum()
        return short if same else repr(self.threshold)

    @property
    def is_good_somewhere(self) -> bool:
        """Whether some region looks good enough, though only just, or not one that a certificate can begin with."""
        return bool((self.tally.errors < self.alpha * self.tally.counts).any())

    def plot(self, name: str = "") -> Figure:
        """Error against coverage: what was seen, what is certain, where the threshold lies. Needs matplotlib.

        `name` is that of the data, for the title.
        """
        from streamlabel.gate.plot import plot_certified

        return plot_certified(self, name)


def level_of_look(delta: float, look: int | None) -> float:
    """The part of delta that the `look`-th of several looks is tested at, from 1 on: all together come to delta, however many they
    are. None: the only look, all of it."""
    return delta if look is None else delta / (look * (look + 1))


def certify(
    scores: npt.ArrayLike,
    correct: npt.ArrayLike,
    *,
    alpha: float,
    delta: float = 0.05,
    unlabelled: npt.ArrayLike | None = None,
    look: int | None = None,
) -> Certified:
    """From which score on is at most the share `alpha` wrong, with probability 1 - `delta`?

    `scores` [n] and `correct` [n] (0 or 1) are answers to records that were drawn at random from the stream, whatever their scores;
    `unlabelled` [m] are scores of others, which make the grid and the coverage more exact. Any score will do; the better
    it sorts right from wrong, the more passes. Raises ValueError for what cannot be scores and answers.

    The promise is about one look. Who fails, gathers more answers and looks again until it passes breaks it: each look is another
    chance to be lucky. So does who tries one score after the other on the same answers. Several looks at growing answers are
    planned from the first one on: `look` = 1, 2, …, each with all answers so far, and look N is tested at delta / (N (N + 1)). Where
    the numbers of answers are planned before the first look too, the chance that any of them certifies what is above alpha is at
    most delta, whenever one stops. Where each number hangs on what earlier looks have found, that is not proven, and nearly so: in
    the worst of all ways eight looks come to 0.97 delta at delta = 0.05, to 1.14 delta at 0.01. A first look without `look` has
    spent all of delta: with 2, 3, … behind it, the sum is 1.5 delta.

    >>> import numpy as np
    >>> chance = np.random.default_rng(0)
    >>> scores = chance.random(2000)
    >>> correct = chance.random(2000) < 0.6 + 0.4 * np.sqrt(scores)
    >>> found = certify(scores, correct, alpha=0.1)
    >>> found.certificate is not None and found.certificate.bound <= 0.1
    True

    Source: Learn-then-Test (Angelopoulos et al., 2021), exact binomial p-values, two fixed-sequence chains.
    """
    check_levels(alpha, delta)
    if look is not None and look < 1:
        raise ValueError(f"look must be 1 or more, not {look}")
    level = level_of_look(delta, look)
    known = checked_scores(scores)
    right = checked_correct(correct, known)
    if len(known) < LEAST_ROWS:
        raise ValueError(f"{len(known)} answers are too few to say anything: give at least {LEAST_ROWS}")
    others = checked_scores([] if unlabelled is None else unlabelled)
    # Few scores beside the evidence make a worse grid than the evidence itself.
    grid = Grid.of_stream(others) if len(others) >= len(known) else Grid.of_evidence(known)
    tally = Tally.of(grid, known, right == 0)
    starts = starts_of_answers(grid, tally.counts, len(known), alpha, level)
    found = certify_region(grid, tally, len(known), alpha=alpha, delta=level, starts=starts)
    everything = np.concatenate((known, others))
    return Certified(
        alpha=alpha,
        delta=delta,
        look=look,
        level=level,
        answers=len(known),
        threshold=math.inf if found is None else found.threshold,
        certificate=found,
        coverage=0.0 if found is None else float((everything >= found.threshold).mean()),
        starts=starts,
        more_labels_needed=0
        if found is not None
        else _more_labels(grid, tally, len(known), alpha, _next_level(delta, look)),
        scores=everything,
        grid=grid,
        tally=tally,
    )


def _more_labels(grid: Grid, tally: Tally, count: int, alpha: float, level: float) -> int | None:
    more = more_labels(tally, count, alpha, level)
    if more is None:
        return None
    # Where chains begin then, by how much each region seems to hold.
    held = np.floor(tally.counts * ((count + more) / count)).astype(np.int64)
    starts = starts_of_answers(grid, held, count + more, alpha, level)
    return None if begins_badly(tally, starts, alpha) else more


def _next_level(delta: float, look: int | None) -> float:
    return level_of_look(delta, None if look is None else look + 1)
