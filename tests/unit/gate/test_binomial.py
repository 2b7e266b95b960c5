"""The exact binomial statements, against scipy's and MAPIE's, and at the edges."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from streamlabel.gate.binomial import interval, least_count, p_value, upper_bound


@pytest.mark.parametrize("alpha", [0.001, 0.05, 0.3])
def test_the_p_value_is_the_binomial_tail(alpha: float) -> None:
    counts = np.array([1, 7, 60, 500, 5000])
    for errors in (0, 1, 5):
        here = counts[counts > errors]
        wanted = stats.binom.cdf(errors, here, alpha)
        assert p_value(np.full(len(here), errors), here, alpha) == pytest.approx(wanted, rel=1e-9)


def test_without_evidence_nothing_is_certain() -> None:
    assert p_value(0, 0, 0.05) == 1
    assert upper_bound(0, 0, 0.05) == 1
    assert upper_bound(7, 7, 0.05) == 1


@pytest.mark.parametrize(
    ("alpha", "errors", "count"),
    [(0.05, 0, 59), (0.05, 1, 93), (0.05, 2, 124), (0.05, 3, 153), (0.05, 5, 208), (0.05, 10, 336), (0.05, 20, 577),
     (0.02, 0, 149), (0.02, 1, 236), (0.02, 3, 386), (0.02, 10, 845), (0.01, 0, 299), (0.01, 1, 473), (0.01, 3, 773),
     (0.01, 10, 1693), (0.10, 0, 29), (0.10, 3, 76)],
)  # fmt: skip
def test_how_much_evidence_a_target_takes(alpha: float, errors: int, count: int) -> None:
    assert least_count(alpha, 0.05, errors) == count
    assert p_value(errors, count, alpha) <= 0.05 < p_value(errors, count - 1, alpha)


def test_the_bound_is_at_most_alpha_exactly_where_the_test_passes() -> None:
    errors, counts = np.meshgrid(np.arange(0, 12), np.arange(12, 400, 7))
    passes = p_value(errors, counts, 0.05) <= 0.025
    assert ((upper_bound(errors, counts, 0.025) <= 0.05) == passes).all()
    assert passes.any()
    assert not passes.all()


def test_the_bound_holds_as_often_as_it_says() -> None:
    draws = np.random.default_rng(4).binomial(300, 0.05, 20_000)
    missed = (upper_bound(draws, np.full_like(draws, 300), 0.05) < 0.05).mean()
    # Discreteness makes it a little rarer than 5 %: exactly the chance of 8 errors or fewer.
    assert missed == pytest.approx(stats.binom.cdf(8, 300, 0.05), abs=0.005)
    assert stats.binom.cdf(8, 300, 0.05) <= 0.05 < stats.binom.cdf(9, 300, 0.05)


def test_an_interval_has_two_sides() -> None:
    assert interval(0, 100, 0.05) == (0.0, pytest.approx(0.0362, abs=1e-4))
    low, high = interval(5, 100, 0.05)
    assert stats.binom.sf(4, 100, low) == pytest.approx(0.025)
    assert stats.binom.cdf(5, 100, high) == pytest.approx(0.025)


def test_large_counts_and_small_targets_are_sound() -> None:
    assert 0 < p_value(0, 5000, 0.001) < 0.01
    assert p_value(5000, 5000, 0.001) == 1
    assert p_value(1100, 5000, 0.001) == pytest.approx(1)
    assert np.isfinite(upper_bound(np.arange(5000), np.full(5000, 5000), 1e-12)).all()
