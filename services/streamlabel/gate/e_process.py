"""Evidence that may be looked at after every item: a Beta mixture of likelihood ratios, truncated to rates below alpha."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import special

Counts = int | npt.NDArray[np.int64]


def log_e_value(errors: Counts, count: Counts, alpha: float) -> npt.NDArray[np.float64]:
    """The logarithm of the evidence that the error rate lies below `alpha`, after `errors` among `count` items.

    With B the Beta(a, b) prior, a = 1 and b = 2 / alpha - 1 (mean alpha / 2), cut off at alpha, it is the mixture over
    p < alpha of (p / alpha)^errors ((1 - p) / (1 - alpha))^(count - errors). Each member has conditional mean at most 1
    wherever the conditional chance of an error is at least alpha, whatever came before; so the mixture is an e-process,
    without any assumption of independence: P(it ever reaches 1 / delta) ≤ delta (Ville).

    Arrays are taken element by element. Where the incomplete beta function underflows (many errors, tiny alpha) the
    mixture has next to no mass, and the answer is minus infinity: no evidence, never infinite evidence.

    Source: method of mixtures (Robbins, 1970; Waudby-Smith and Ramdas, 2024); the truncation makes it one-sided.
    """
    errors, count = np.asarray(errors, dtype=np.float64), np.asarray(count, dtype=np.float64)
    a, b = 1.0, 2.0 / alpha - 1.0
    right = count - errors
    with np.errstate(divide="ignore"):
        mass = np.log(special.betainc(errors + a, right + b, alpha))
    prior = special.betaln(a, b) + math.log(special.betainc(a, b, alpha))
    likelihood = errors * math.log(alpha) + right * math.log1p(-alpha)
    return np.asarray(special.betaln(errors + a, right + b) + mass - prior - likelihood)
