"""From which score on may the model stand alone? Learn-then-Test with exact binomial p-values and two fixed-sequence chains."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streamlabel.gate.binomial import p_value, upper_bound

Scores = npt.NDArray[np.float64]

_STEPS = 50
_SECOND_CHAIN_STEPS = 10


@dataclass(frozen=True, slots=True)
class Grid:
    """Regions of the score, from the most certain share of the stream to all of it.

    Region j holds the scores from `thresholds[j]` on: the share `shares[j]` of the stream, as far as the scores tell from
    which the grid was made. It must not depend on any error of the evidence that is tested on it.
    """

    shares: npt.NDArray[np.float64]
    thresholds: Scores

    @classmethod
    def of_stream(cls, scores: Scores, steps: int = _STEPS) -> Grid:
        """The grid of scores that are not themselves evidence. Equal scores are taken into a region together or not at all."""
        shares = np.arange(1, steps + 1) / steps
        ordered = np.sort(np.asarray(scores, dtype=np.float64))
        places = np.clip(np.floor((1 - shares) * len(ordered) + 1e-9).astype(np.int64), 0, len(ordered) - 1)
        return cls(shares, ordered[places])

    def expect(self, scores: Scores) -> npt.NDArray[np.float64]:
        """The error rate of each region that scores of the stream stand for, where each is the chance to be right."""
        ordered = np.sort(np.asarray(scores, dtype=np.float64))
        below = np.searchsorted(ordered, self.thresholds, side="left")
        risks = np.concatenate(([0.0], np.cumsum(1 - ordered)))
        return np.asarray((risks[-1] - risks[below]) / np.maximum(len(ordered) - below, 1))

    @classmethod
    def of_evidence(cls, scores: Scores, steps: int = _STEPS) -> Grid:
        """The grid of the very scores whose errors are tested.

        Region j begins right above the order statistic that it is made from: given that value, the items above it are
        independent draws of the region, so the binomial test stays exact, at the price of one item.

        Where the highest score is that of many, nothing lies above it. Such regions begin right above the next lower score that
        there is, and hold all of the highest. Which that is follows from scores, never from errors; and where regions get worse as
        they grow it makes no test more lenient. For were that region bad, let u be the highest score above which the stream is bad:
        nothing was seen between u and the highest, so its items are all those above u, independent draws of a bad region. That so
        few of them are wrong as the test asks for has a chance of its level at most. A test draws such streams, and others.
        """
        grid = cls.of_stream(scores, steps)
        thresholds = np.nextafter(grid.thresholds, np.inf)
        # Nothing lies below the lowest score: the whole stream is a region that needs no order statistic.
        thresholds[-1] = grid.thresholds[-1]
        known = np.asarray(scores, dtype=np.float64)
        lower = known[known < known.max()]
        return cls(
            grid.shares, np.minimum(thresholds, np.nextafter(lower.max(), np.inf) if len(lower) else known.max())
        )


@dataclass(frozen=True, slots=True)
class Tally:
    """Evidence in each region of a grid: `counts[j]` labelled items, `errors[j]` of them wrong."""

    counts: npt.NDArray[np.int64]
    errors: npt.NDArray[np.int64]

    @classmethod
    def of(cls, grid: Grid, scores: Scores, wrong: npt.NDArray[np.bool_]) -> Tally:
        """The evidence `wrong`, each with its score, counted in all regions at once."""
        order = np.argsort(scores, kind="stable")
        ordered = np.asarray(scores, dtype=np.float64)[order]
        below = np.searchsorted(ordered, grid.thresholds, side="left")
        wrong_below = np.concatenate(([0], np.cumsum(np.asarray(wrong, dtype=np.int64)[order])))
        return cls(
            counts=(len(ordered) - below).astype(np.int64),
            errors=(wrong_below[-1] - wrong_below[below]).astype(np.int64),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """With probability 1 - delta over the evidence: of what scores `threshold` or more, at most the share alpha is wrong.

    It holds for the stream that the evidence was drawn from, by coins that do not know the record. `bound` is the error
    rate that the evidence itself rules out, at the level it was tested at; it is at most alpha. `overlooked` of it is for errors
    that first answers do not show, at most; `delta` is all that was risked, for both.
    """

    threshold: float
    share: float
    alpha: float
    delta: float
    count: int
    errors: int
    bound: float
    overlooked: float = 0.0

    @property
    def alpha_shown(self) -> float:
        """What is left of alpha for the errors that first answers show: more of these than that were ruled out; above 0."""
        return self.alpha - self.overlooked


def chain_starts(
    grid: Grid,
    count: int,
    alpha: float | npt.NDArray[np.float64],
    delta: float,
    expected: npt.NDArray[np.float64] | None = None,
) -> tuple[int, ...]:
    """Where the two chains begin, from the number of items in evidence alone, never from their errors.

    `alpha` may be one for all regions, or one for each; where it is not above 0, no chain begins.

    With `expected` error rates of the regions, from a model of errors that never saw the evidence, the first chain begins where a
    certificate is most likely. Without, it begins at the smallest region that can be expected to hold twice the least evidence. The
    second begins twenty percent of the stream further: confident errors at the top stop one chain, not both.
    """
    held = grid.shares * count
    levels = np.broadcast_to(alpha, held.shape)
    halves = held / 2 if expected is None else held
    possible = p_value(0, np.floor(halves + 1e-9).astype(np.int64), levels) <= delta
    if expected is None:
        first = int(np.argmax(possible))
    else:
        # As many without an error would do, were there no more to tell of a region than that.
        least = np.ceil(np.log(delta) / np.log1p(-np.clip(levels, 1e-12, 1 - 1e-12)))
        clearance = (levels - expected) * np.sqrt(held / (expected * (1 - expected) + 1 / least))
        first = int(np.argmax(np.where(possible, clearance, -np.inf)))
    if not possible.any():
        return ()
    step = max(1, round(_SECOND_CHAIN_STEPS * len(grid.shares) / _STEPS))
    return tuple(start for start in (first, first + step) if start < len(grid.shares))


def starts_of_answers(
    grid: Grid, counts: npt.NDArray[np.int64], count: int, alpha: float, delta: float
) -> tuple[int, ...]:
    """Where chains begin over `count` answers at hand, of which each region holds `counts`: by scores alone, never by errors.

    As `chain_starts` has it, but where scores are equal several regions are one: the second chain begins with another region than the
    first. Where no region can be expected to hold twice the least evidence, one chain begins with the first that does hold the least.
    What is tested, and in which order, is so fixed before the first error is looked at.
    """
    starts = chain_starts(grid, count, alpha, delta)
    if not starts:
        enough = p_value(0, counts, alpha) <= delta
        return (int(np.argmax(enough)),) if enough.any() else ()
    first, rest = starts[0], starts[1:]
    others = np.flatnonzero(grid.thresholds < grid.thresholds[first])
    further = others[others >= rest[0]] if rest else others[:0]
    return (first, int(further[0])) if len(further) else (first,)


def walk(p_values: npt.NDArray[np.float64], starts: tuple[int, ...], delta: float) -> tuple[int, float] | None:
    """The largest region that the chains reach, and the level at which it passed; None where nothing passes.

    Each chain has an equal part of `delta` and goes from its start to larger regions while their p-values are at most that.
    A chain that comes to the start of the next hands its part over: from there on both parts count. The chance to pass any
    region whose null hypothesis is true is at most `delta`, whatever the dependence.

    Source: fixed sequences with several starts, as a sequentially rejective graph (Bretz, Maurer, Brannath and Posch, 2009).
    """
    reached: tuple[int, float] | None = None
    level = 0.0
    for number, start in enumerate(starts):
        level += delta / len(starts)
        end = starts[number + 1] if number + 1 < len(starts) else len(p_values)
        passed = _passed(p_values[start:], level)
        if passed:
            reached = (start + passed - 1, level)
        if start + passed < end:
            # It does not come to the next start: the next chain is alone.
            level = 0.0
    return reached


def _passed(p_values: npt.NDArray[np.float64], level: float) -> int:
    """How many pass before the first that fails."""
    failed = np.flatnonzero(p_values > level)
    return int(failed[0]) if len(failed) else len(p_values)


def certify_region(
    grid: Grid,
    tally: Tally,
    count: int,
    *,
    alpha: float,
    delta: float,
    expected: npt.NDArray[np.float64] | None = None,
    starts: tuple[int, ...] | None = None,
    overlooked: npt.NDArray[np.float64] | float = 0.0,
    overlooked_delta: float = 0.0,
) -> Certificate | None:
    """The certificate of the largest region that the evidence supports; None where it supports none.

    `count` is the number of items in evidence, inside and outside the regions; `expected` is as for `chain_starts`, `starts` what
    that gives where something else than `count` decides. The chance to certify any region whose error rate is above alpha is at
    most delta. Nothing is assumed about how the error rate changes with the score.

    `overlooked` bounds, for each region, the rate of errors that the evidence does not show; it is taken off alpha. The chance that
    it fails in the first region of either chain, together `overlooked_delta`, comes on top of delta, and only that: what lies behind
    is tested only after it.

    Source: Learn-then-Test (Angelopoulos et al., 2021).
    """
    if starts is None:
        starts = chain_starts(grid, count, alpha, delta, expected)
    hidden = np.broadcast_to(overlooked, grid.shares.shape)
    found = walk(p_value(tally.errors, tally.counts, np.maximum(alpha - hidden, 0.0)), starts, delta)
    if found is None:
        return None
    reached, level = found
    return Certificate(
        threshold=float(grid.thresholds[reached]),
        share=float(grid.shares[reached]),
        alpha=alpha,
        delta=delta + overlooked_delta,
        count=int(tally.counts[reached]),
        errors=int(tally.errors[reached]),
        bound=float(upper_bound(tally.errors[reached], tally.counts[reached], level) + hidden[reached]),
        overlooked=float(hidden[reached]),
    )
