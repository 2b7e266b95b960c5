"""What can be said of a finished lot: of so many labels set by the model, at most so many are wrong."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from scipy import stats


@dataclass(frozen=True, slots=True, kw_only=True)
class LotCertificate:
    """Of `size` labels set by the model at most `wrong_at_most` are wrong, with probability 1 - delta over the audit's coins.

    `audited` of them were drawn at random and looked at by people, `found` were wrong and have been mended; they are not
    counted in `wrong_at_most` any more.
    """

    size: int
    audited: int
    found: int
    delta: float
    wrong_at_most: int

    @property
    def rate_at_most(self) -> float:
        """The share of the lot that is wrong at most."""
        return self.wrong_at_most / self.size if self.size else 0.0

    def chance(self, wrong: int) -> float:
        """How likely the audit found as few as it did, were `wrong` labels of the lot still wrong: delta at most beyond the bound."""
        if wrong > self.size - self.audited:
            return 0.0
        return float(stats.hypergeom.cdf(self.found, self.size, wrong + self.found, self.audited))


@dataclass(frozen=True, slots=True, kw_only=True)
class Stratum:
    """A part of a lot whose records were audited with one probability: `labels` of the model stand beside `audited` records,
    of which `found` were wrong, `unanswered` of them only because nobody answered."""

    lane_rate: float
    labels: int
    audited: int
    found: int
    unanswered: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Widening:
    """What a bound owes to what: `wrong_if_answered` is what it would be, had those whom nobody answered been right,
    `wrong_if_faultless` what it would be, had all that were drawn been right; `never_audited` labels lie in strata in which
    nobody looked, and each of them counts as wrong."""

    wrong_if_answered: int
    wrong_if_faultless: int
    never_audited: int


def certify_lot(size: int, audited: int, found: int, delta: float) -> LotCertificate:
    """The exact certificate of a lot by the hypergeometric distribution; no assumption but that the audit was drawn at random.

    The largest number M of wrong labels in the lot for which finding as few as `found` among `audited` has a chance above
    delta; those found are mended, M - found may remain. Raises ValueError for impossible counts.

    Source: exact inversion of the hypergeometric tail (Katz, 1953).
    """
    if not 0 <= found <= audited <= size:
        raise ValueError(f"0 ≤ found ≤ audited ≤ size does not hold: found {found}, audited {audited}, size {size}")
    if not 0 < delta < 1:
        raise ValueError(f"delta must lie strictly between 0 and 1, not {delta}")
    low, high = found, size - (audited - found)
    while low < high:
        middle = (low + high + 1) // 2
        if stats.hypergeom.cdf(found, size, middle, audited) > delta:
            low = middle
        else:
            high = middle - 1
    return LotCertificate(size=size, audited=audited, found=found, delta=delta, wrong_at_most=low - found)


def certify_strata(strata: Sequence[Stratum], delta: float) -> list[LotCertificate]:
    """A certificate of each stratum, with a part of `delta`: all of them hold together with probability 1 - delta.

    So the sum of their `wrong_at_most` bounds what is wrong in the whole. The strata must be told apart by what was known before
    the coins fell. Those in which somebody looked share delta evenly: given how many records were drawn of each, which ones were is
    still even chance, so delta may be shared by these numbers. Where nobody looked all may be wrong, which needs no part of it: there
    `delta` stands whole, and risks nothing. Raises ValueError for impossible counts.
    """
    part = delta / max(1, sum(each.audited > 0 for each in strata))
    return [
        certify_lot(each.labels + each.audited, each.audited, each.found, part if each.audited else delta)
        for each in strata
    ]


def widening(strata: Sequence[Stratum], delta: float) -> Widening:
    """Why the bound of `certify_strata` is no smaller."""

    def bound(made: Iterable[Stratum]) -> int:
        return sum(each.wrong_at_most for each in certify_strata(list(made), delta))

    return Widening(
        wrong_if_answered=bound(replace(each, found=each.found - each.unanswered) for each in strata),
        wrong_if_faultless=bound(replace(each, found=0) for each in strata),
        never_audited=sum(each.labels for each in strata if not each.audited),
    )
