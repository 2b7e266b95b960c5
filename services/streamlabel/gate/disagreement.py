"""Do people contradict the model more often than they did? Every answer counts here, also those that are no evidence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from streamlabel.gate.sample import Rows

# So many answers are compared with so many before.
SCALES = (50, 100, 200, 400)
BEFORE = 2500
# … every time so many have come.
EVERY = 10
_STRATA = 10
_SETTLE = 200


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A warning: how unlikely it is, over how many of the latest answers it shows, and the earliest place in the stream of these."""

    p_value: float
    answers: int
    since: int


def compare_answers(rows: Rows, *, level: float = 1e-6) -> Disagreement | None:
    """Whether the latest answers contradict the model more often than those before did, at equal scores.

    People answer the calibration lane and whatever the gate does not let pass: a selection by score. So answers are compared within
    ten strata of it, by the sum over strata of what is more than before (Mantel and Haenszel, 1959), on several scales.
    One-sided: fewer contradictions are no reason to worry. It suspends a gate and never opens one, hence needs no exact level.
    """
    edges = np.quantile(rows.scores, np.arange(1, _STRATA) / _STRATA)
    strata = np.searchsorted(edges, rows.scores)
    wrong = rows.wrong
    found = [
        # In the order of the answers, not of the stream: an early record may have been answered last.
        Disagreement(_p_value(strata, wrong, scale), scale, int(rows.places[-scale:].min()))
        for scale in SCALES
        if len(rows) - scale >= max(_SETTLE, 3 * scale)
    ]
    if not found:
        return None
    least = min(found, key=lambda each: each.p_value)
    p_value = min(1.0, least.p_value * len(found))
    return Disagreement(p_value, least.answers, least.since) if p_value < level else None


def _p_value(strata: npt.NDArray[np.int64], wrong: npt.NDArray[np.bool_], scale: int) -> float:
    count = len(strata)
    before, latest = slice(max(0, count - scale - BEFORE), count - scale), slice(count - scale, None)
    counts, recent = (np.bincount(strata[part], minlength=_STRATA) for part in (before, latest))
    rates = (np.bincount(strata[before], wrong[before], _STRATA) + 0.5) / (counts + 1)
    excess = wrong[latest].sum() - (recent * rates).sum() - 0.5
    variance = (rates * (1 - rates) * recent * (1 + recent / np.maximum(counts, 1))).sum()
    return float(special.ndtr(-excess / np.sqrt(variance))) if variance > 0 else 1.0
