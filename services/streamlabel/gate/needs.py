"""How much evidence is still wanted?"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from streamlabel.gate.binomial import p_value
from streamlabel.gate.sequence import Tally

_MOST_LABELS = 10_000_000


def more_labels(tally: Tally, count: int, alpha: float, delta: float) -> int | None:
    """The fewest further answers after which some region would pass, were its error rate what it seems to be; None where none would.

    `count` answers are there already, inside and outside of the regions of `tally`; never 0.
    """
    rates = (tally.errors + 0.5) / (tally.counts + 1)
    held = np.maximum(tally.counts, 1) / count
    possible = (rates < alpha) & (tally.counts > 0)
    if not possible.any():
        return None
    rates, held = rates[possible], held[possible]
    low, high = count, 2 * count
    while not _would_pass(rates, held, high, alpha, delta):
        low, high = high, 2 * high
        if high > _MOST_LABELS:
            return None
    while low < high:
        middle = (low + high) // 2
        if _would_pass(rates, held, middle, alpha, delta):
            high = middle
        else:
            low = middle + 1
    return max(1, high - count)


def _would_pass(
    rates: npt.NDArray[np.float64], held: npt.NDArray[np.float64], count: int, alpha: float, delta: float
) -> bool:
    counts = np.floor(held * count).astype(np.int64)
    errors = np.ceil(rates * counts).astype(np.int64)
    return bool((p_value(errors, counts, alpha) <= delta / 2).any())
