"""A grid whose evidence is looked at after every item: what it certifies, when, and for how long."""

from __future__ import annotations

import numpy as np

from streamlabel.gate.e_process import log_e_value
from streamlabel.gate.expansion import Expansion
from streamlabel.gate.sequence import Grid, Tally

ALPHA = DELTA = 0.05
GRID = Grid.of_stream(np.arange(1000) / 1000)
STARTS = (5, 15)


def an_expansion() -> Expansion:
    return Expansion(GRID, STARTS, alpha=ALPHA, delta=DELTA)


def no_objection() -> Tally:
    """Recent evidence that speaks against no region."""
    return Tally(counts=np.full(50, 100), errors=np.zeros(50, dtype=np.int64))


def test_a_region_is_certified_from_the_very_item_on_whose_evidence_reaches_its_share_of_delta() -> None:
    # All items lie in the first region: as many count everywhere.
    needed = next(n for n in range(1000) if log_e_value(0, n, ALPHA) >= np.log(len(STARTS) / DELTA))
    expansion = an_expansion()
    expansion.observe(np.full(needed - 1, 0.999), np.zeros(needed - 1, dtype=np.bool_))
    assert expansion.certificate(no_objection()) is None
    expansion.observe(np.array([0.999]), np.array([False]))
    found = expansion.certificate(no_objection())
    assert found is not None
    assert (found.count, found.errors, found.share) == (needed, 0, 1.0)


def test_what_was_certified_once_stays_unless_recent_evidence_objects() -> None:
    expansion = an_expansion()
    expansion.observe(np.full(400, 0.999), np.zeros(400, dtype=np.bool_))
    expansion.observe(np.full(60, 0.999), np.ones(60, dtype=np.bool_))
    assert log_e_value(60, 460, ALPHA) < 0
    found = expansion.certificate(no_objection())
    assert found is not None
    assert found.errors == 60
    objection = Tally(counts=np.full(50, 100), errors=np.full(50, 6))
    assert expansion.certificate(objection) is None
