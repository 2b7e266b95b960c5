"""Lots: at most so many are wrong, and that is true as often as promised."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from streamlabel.gate.lot import certify_lot


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
