"""Lots: at most so many are wrong, and that is true as often as promised."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from streamlabel.gate.lot import Stratum, certify_lot, certify_strata, widening


def test_it_inverts_the_hypergeometric_tail() -> None:
    found = certify_lot(1000, 100, 2, 0.05)
    most = found.wrong_at_most + 2
    assert stats.hypergeom.cdf(2, 1000, most, 100) > 0.05 >= stats.hypergeom.cdf(2, 1000, most + 1, 100)
    assert found.rate_at_most == found.wrong_at_most / 1000


def test_the_edges() -> None:
    assert certify_lot(0, 0, 0, 0.05).wrong_at_most == 0
    assert certify_lot(50, 50, 3, 0.05).wrong_at_most == 0
    assert certify_lot(50, 0, 0, 0.05).wrong_at_most == 50
    assert certify_lot(10, 5, 5, 0.05).wrong_at_most == 5
    for bad in ((10, 11, 0), (10, 5, 6), (10, 5, -1)):
        with pytest.raises(ValueError, match="found ≤ audited ≤ size"):
            certify_lot(*bad, 0.05)
    with pytest.raises(ValueError, match="delta"):
        certify_lot(10, 5, 1, 0.0)


@pytest.mark.parametrize(("size", "wrong", "audited"), [(400, 30, 60), (2000, 10, 300), (5000, 400, 100)])
def test_it_is_wrong_at_most_as_often_as_delta(size: int, wrong: int, audited: int) -> None:
    draws = np.random.default_rng(size).hypergeometric(wrong, size - wrong, audited, 1000)
    missed = np.mean([wrong - found > certify_lot(size, audited, int(found), 0.05).wrong_at_most for found in draws])
    assert missed <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 1000)


def test_beyond_its_bound_so_good_an_audit_is_unlikely() -> None:
    found = certify_lot(1000, 100, 2, 0.05)
    assert found.chance(0) == 1.0
    assert found.chance(found.wrong_at_most) > 0.05 >= found.chance(found.wrong_at_most + 1)
    assert found.chance(901) == 0.0


AUDITED = Stratum(lane_rate=0.15, labels=900, audited=100, found=2, unanswered=1)
LATER = Stratum(lane_rate=0.05, labels=480, audited=20, found=0)
UNSEEN = Stratum(lane_rate=0.05, labels=500, audited=0, found=0)


def test_strata_share_delta_and_are_each_bounded() -> None:
    assert certify_strata([AUDITED, LATER], 0.1) == [certify_lot(1000, 100, 2, 0.05), certify_lot(500, 20, 0, 0.05)]
    assert certify_strata([], 0.1) == []


def test_a_stratum_in_which_nobody_looked_takes_no_part_of_delta() -> None:
    """Whatever delta, all of it may be wrong: the others need not be bounded more strictly for that."""
    first, unseen, later = certify_strata([AUDITED, UNSEEN, LATER], 0.1)
    assert (first, later) == (certify_lot(1000, 100, 2, 0.05), certify_lot(500, 20, 0, 0.05))
    assert (unseen.size, unseen.wrong_at_most) == (500, 500), "nothing is known"


def test_what_widens_a_bound_is_reckoned() -> None:
    found = widening([AUDITED, LATER, UNSEEN], 0.1)
    later = certify_lot(500, 20, 0, 0.05).wrong_at_most
    assert found.wrong_if_answered == certify_lot(1000, 100, 1, 0.05).wrong_at_most + later + 500
    assert found.wrong_if_faultless == certify_lot(1000, 100, 0, 0.05).wrong_at_most + later + 500
    assert found.never_audited == 500


def test_strata_with_other_rates_and_errors_are_wrong_together_at_most_as_often_as_delta() -> None:
    """Early labels are few, much audited and good; late ones many, little audited and bad."""
    chance = np.random.default_rng(3)
    truths = ((0.5, 300, 0.02), (0.05, 3000, 0.10))
    missed = 0
    for _ in range(250):
        strata, left = [], 0
        for rate, count, error in truths:
            wrong, drawn = chance.random(count) < error, chance.random(count) < rate
            found = int((wrong & drawn).sum())
            strata.append(
                Stratum(lane_rate=rate, labels=count - int(drawn.sum()), audited=int(drawn.sum()), found=found)
            )
            left += int(wrong.sum()) - found
        missed += left > sum(each.wrong_at_most for each in certify_strata(strata, 0.1))
    assert missed / 250 <= 0.1 + 3 * np.sqrt(0.1 * 0.9 / 250)


def test_strata_that_are_often_not_audited_at_all_are_wrong_together_at_most_as_often_as_delta() -> None:
    """Which strata share delta is known only when the coins have fallen: that must not be what makes them hold."""
    chance = np.random.default_rng(5)
    missed = 0
    for _ in range(400):
        strata, left = [], 0
        for count, error in ((20, 0.5), (40, 0.3), (15, 0.9), (400, 0.1)):
            wrong, drawn = chance.random(count) < error, chance.random(count) < 0.05
            found, looked = int((wrong & drawn).sum()), int(drawn.sum())
            strata.append(Stratum(lane_rate=0.05, labels=count - looked, audited=looked, found=found))
            left += int(wrong.sum()) - found
        missed += left > sum(each.wrong_at_most for each in certify_strata(strata, 0.1))
    assert missed / 400 <= 0.1 + 3 * np.sqrt(0.1 * 0.9 / 400)
