"""How much evidence is still wanted?"""

from __future__ import annotations

import numpy as np

from streamlabel.gate.binomial import p_value
from streamlabel.gate.second_looks import SecondLooks
from streamlabel.gate.sequence import Tally

_MOST_LABELS = 10_000_000
# So seldom would chance alone show so many errors, were the rate alpha.
_DOUBT = 0.05


def more_labels(
    tally: Tally,
    count: int,
    alpha: float,
    delta: float,
    second_looks: SecondLooks | None = None,
    *,
    most: int = _MOST_LABELS,
) -> int | None:
    """The fewest further answers after which some region would pass, were its error rate what it seems to be; None where none would,
    or where that takes more than `most` answers in all.

    `count` answers are there already, inside and outside of the regions of `tally`; never 0. With `second_looks` what these find is
    taken off alpha.
    """
    # Drawn towards half of alpha, as by 1/alpha answers more: a few answers without an error are too few, and nothing worse.
    rates = (tally.errors + 0.5) / (tally.counts + 1 / alpha)
    held = np.maximum(tally.counts, 1) / count
    possible = (rates < alpha) & (tally.counts > 0)
    if not possible.any():
        return None

    def would_pass(total: int) -> bool:
        counts = np.floor(held * total).astype(np.int64)
        errors = np.ceil(rates * counts).astype(np.int64)
        left = alpha if second_looks is None else np.maximum(alpha - second_looks.expected(counts, alpha), 0.0)
        return bool((possible & (p_value(errors, counts, left) <= delta / 2)).any())

    most = max(most, count)
    low, high = count, min(2 * count, most)
    while not would_pass(high):
        if high >= most:
            return None
        low, high = high, min(2 * high, most)
    while low < high:
        middle = (low + high) // 2
        if would_pass(middle):
            high = middle
        else:
            low = middle + 1
    return max(1, high - count)


def begins_badly(tally: Tally, starts: tuple[int, ...], alpha: float) -> bool:
    """Whether more than alpha is wrong wherever chains of tests begin, and not by chance: then they never come to what lies behind."""
    starting = list(starts)
    errors, counts = tally.errors[starting], tally.counts[starting]
    return bool(starts) and bool(((errors > 0) & (1 - p_value(errors - 1, counts, alpha) < _DOUBT)).all())
