"""Evidence that may be looked at at any time: small where it should be, never infinite, rarely wrong."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, special

from streamlabel.gate.e_process import log_e_value


@pytest.mark.parametrize(("errors", "count", "alpha"), [(0, 10, 0.05), (3, 200, 0.05), (40, 400, 0.1), (1, 900, 0.01)])
def test_it_is_the_mixture_that_it_says(errors: int, count: int, alpha: float) -> None:
    a, b = 1.0, 2 / alpha - 1

    def member(p: float) -> float:
        ratio = (p / alpha) ** errors * ((1 - p) / (1 - alpha)) ** (count - errors)
        return float(ratio * p ** (a - 1) * (1 - p) ** (b - 1))

    mixture, _ = integrate.quad(member, 0, alpha, limit=200)
    mass, _ = integrate.quad(lambda p: p ** (a - 1) * (1 - p) ** (b - 1), 0, alpha)
    assert np.exp(log_e_value(errors, count, alpha)) == pytest.approx(mixture / mass, rel=1e-6)


def test_where_the_beta_function_underflows_there_is_no_evidence() -> None:
    assert special.betainc(1101, 3939, 0.05) == 0
    assert log_e_value(1100, 5000, 0.05) == -np.inf
    assert np.exp(log_e_value(1100, 5000, 0.05)) == 0
    values = log_e_value(np.arange(5001), np.full(5001, 5000), 0.001)
    assert not np.isnan(values).any()
    assert (values[5:] < 0).all()
    assert values[0] > 0


def test_it_starts_at_one_and_no_errors_let_it_grow() -> None:
    assert log_e_value(0, 0, 0.05) == pytest.approx(0)
    assert (np.diff(log_e_value(np.zeros(300, dtype=np.int64), np.arange(300), 0.05)) > 0).all()


def test_it_hardly_ever_certifies_a_rate_that_is_alpha() -> None:
    chance = np.random.default_rng(8)
    wrong = chance.random((1000, 3000)) < 0.05
    counts = np.arange(1, 3001)
    best = log_e_value(np.cumsum(wrong, axis=1), np.broadcast_to(counts, wrong.shape), 0.05).max(axis=1)
    ever = (best >= np.log(1 / 0.05)).mean()
    assert ever <= 0.05
    assert ever > 0  # over so many looks it does happen: the test is not idle
