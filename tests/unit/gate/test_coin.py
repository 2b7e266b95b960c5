"""The coin: the same for the same record, even over records, and independent of everything else."""

from __future__ import annotations

import numpy as np
from scipy import stats

from streamlabel.gate.coin import key_id, toss

KEY = bytes(range(32))


def test_a_record_that_comes_again_has_the_same_coin_and_another_key_another() -> None:
    assert toss(KEY, b"mail/1") == toss(KEY, b"mail/1")
    assert toss(KEY, b"mail/1") != toss(KEY, b"mail/2")
    assert toss(KEY, b"mail/1") != toss(KEY[::-1], b"mail/1")
    assert 0 <= toss(KEY, b"") < 1


def test_the_lane_has_its_rate_for_each_producer_and_each_hour() -> None:
    rate = 0.05
    for producer in range(5):
        in_lane = [
            sum(toss(KEY, b"mail/p%d-%d-%d" % (producer, hour, item)) < rate for item in range(2000))
            for hour in range(10)
        ]
        expected = np.array([2000 * rate, 2000 * (1 - rate)])
        seen = np.array([[lane, 2000 - lane] for lane in in_lane])
        statistic = ((seen - expected) ** 2 / expected).sum()
        assert stats.chi2.sf(statistic, 10) > 1e-3


def test_coins_are_even_and_do_not_follow_one_another() -> None:
    coins = np.array([toss(KEY, b"%d" % place) for place in range(20_000)])
    assert stats.kstest(coins, "uniform").pvalue > 1e-3
    assert abs(np.corrcoef(coins[:-1], coins[1:])[0, 1]) < 0.03


def test_a_key_has_a_name_that_does_not_tell_it() -> None:
    assert key_id(KEY) == key_id(KEY)
    assert len(key_id(KEY)) == 16
    assert KEY.hex()[:16] not in key_id(KEY)
