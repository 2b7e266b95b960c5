"""Exact statements about an error rate from independent yes-no evidence.

`k` errors among `n` independent items, each wrong with probability `p`: everything here is the binomial tail, in terms of
the regularised incomplete beta function, exact up to rounding. No normal approximation, whatever the counts.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import special

Counts = int | npt.NDArray[np.int64]
# Where it takes more items than this, it takes for ever.
FOREVER = 10**9


def p_value(errors: Counts, count: Counts, alpha: float | npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The chance of so few errors, were the true error rate `alpha`: P(Bin(count, alpha) ≤ errors).

    Small values speak against "the rate is above alpha". It is valid for every rate from `alpha` on: P(p ≤ u) ≤ u for all u.
    Without evidence it is 1, and so it is where `alpha` is 0. Arrays are taken element by element.

    Source: exact one-sided binomial test; the p-value of Learn-then-Test for 0/1 losses (Angelopoulos et al., 2021).
    """
    errors, count = np.asarray(errors, dtype=np.float64), np.asarray(count, dtype=np.float64)
    tail = special.betainc(np.maximum(count - errors, 1.0), errors + 1.0, 1.0 - alpha)
    return np.where(errors >= count, 1.0, tail)


def upper_bound(errors: Counts, count: Counts, delta: float) -> npt.NDArray[np.float64]:
    """The largest error rate that so few errors do not speak against at level `delta` (Clopper and Pearson, 1934).

    At most `alpha` exactly where `p_value(errors, count, alpha) <= delta`. Without evidence, or where all are wrong, it is 1.
    """
    errors, count = np.asarray(errors, dtype=np.float64), np.asarray(count, dtype=np.float64)
    bound = special.betaincinv(errors + 1.0, np.maximum(count - errors, 1.0), 1.0 - delta)
    return np.where(errors >= count, 1.0, bound)


def interval(errors: int, count: int, delta: float) -> tuple[float, float]:
    """A two-sided interval that holds the true rate with probability 1 - delta at least (Clopper and Pearson, 1934)."""
    low = 0.0 if errors == 0 else float(special.betaincinv(errors, count - errors + 1.0, delta / 2))
    return low, float(upper_bound(errors, count, delta / 2))


def least_count(alpha: float, delta: float, errors: int = 0) -> int:
    """How many items with `errors` errors among them it takes to certify `alpha` at level `delta`; FOREVER where it takes more."""
    low = errors + 1
    high = max(low, math.ceil(min(math.log(delta) / math.log1p(-alpha), FOREVER)))
    while p_value(errors, high, alpha) > delta:
        if high >= FOREVER:
            return FOREVER
        low, high = high, min(2 * high, FOREVER)
    while low < high:
        middle = (low + high) // 2
        if p_value(errors, middle, alpha) <= delta:
            high = middle
        else:
            low = middle + 1
    return low
