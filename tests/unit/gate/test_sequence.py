"""The threshold: two chains over a grid, against MAPIE, by validity and by what they find."""

from __future__ import annotations

import numpy as np
import pytest
from mapie.risk_control import FWERFixedSequenceTesting, control_fwer

from streamlabel.gate.binomial import p_value
from streamlabel.gate.sequence import Grid, Tally, certify_region, chain_starts, walk

RUNS = 2000


def test_a_grid_takes_equal_scores_together() -> None:
    grid = Grid.of_stream(np.array([0.9] * 50 + [0.2] * 50))
    assert grid.thresholds[0] == grid.thresholds[24] == 0.9
    assert grid.thresholds[-1] == 0.2
    tally = Tally.of(grid, np.array([0.9, 0.9, 0.2]), np.array([False, True, True]))
    assert tally.counts.tolist()[:25] == [2] * 25
    assert (tally.counts[-1], tally.errors[-1]) == (3, 2)


def test_a_grid_of_the_evidence_leaves_out_the_item_that_made_the_threshold() -> None:
    scores = np.arange(100) / 100
    tally = Tally.of(Grid.of_evidence(scores), scores, np.zeros(100, dtype=np.bool_))
    assert tally.counts[:3].tolist() == [1, 3, 5]
    assert tally.counts[-1] == 100


@pytest.mark.parametrize("seed", range(20))
def test_one_chain_is_mapies_fixed_sequence(seed: int) -> None:
    p_values = np.random.default_rng(seed).uniform(0, 0.07, 50)
    rejected = control_fwer(p_values, 0.05, FWERFixedSequenceTesting(n_starts=1))
    found = walk(p_values, (0,), 0.05)
    assert (found[0] if found else None) == (int(rejected.max()) if len(rejected) else None)


@pytest.mark.parametrize("seed", range(200))
def test_two_chains_reach_at_least_what_mapies_two_starts_reach(seed: int) -> None:
    chance = np.random.default_rng(seed)
    p_values = np.where(chance.random(50) < 0.9, chance.uniform(0, 0.025, 50), chance.uniform(0, 0.07, 50))
    rejected = control_fwer(p_values, 0.05, FWERFixedSequenceTesting(n_starts=2))
    theirs = int(rejected.max()) if len(rejected) else -1
    found = walk(p_values, (0, 25), 0.05)
    ours = found[0] if found else -1
    assert ours >= theirs
    if ours > theirs:
        # Only where the first chain has handed its part over.
        assert found is not None
        assert found[1] == pytest.approx(0.05)
        assert (p_values[:25] <= 0.025).all()


def test_a_chain_that_stops_early_hands_nothing_over() -> None:
    p_values = np.array([0.01, 0.03, 0.01, 0.03, 0.01])
    assert walk(p_values, (0, 2), 0.05) == (2, 0.025)
    assert walk(np.array([0.01, 0.02, 0.01, 0.03, 0.06]), (0, 2), 0.05) == (3, 0.05)
    assert walk(np.array([0.03, 0.9, 0.9, 0.9, 0.9]), (0, 2), 0.05) is None


def test_starts_depend_on_counts_and_on_what_a_model_expects_never_on_errors() -> None:
    grid = Grid.of_stream(np.linspace(0, 1, 2000))
    assert chain_starts(grid, 1000, 0.05, 0.05) == (5, 15)
    assert chain_starts(grid, 50, 0.05, 0.05) == ()
    expected = np.linspace(0.0, 0.2, 50)
    first, second = chain_starts(grid, 400, 0.05, 0.05, expected)
    assert second == first + 10
    assert 59 / 400 <= grid.shares[first] <= 0.5


def violations(count: int, chance: np.random.Generator, *, expected: bool) -> float:
    """How often a region is certified whose true error rate is alpha or more, on streams made to be as hard as possible.

    Down to a random share the error rate is far below alpha; there the regions' rate jumps to exactly alpha, and stays.
    """
    alpha = delta = 0.05
    bad = 0
    for _ in range(RUNS):
        edge = chance.uniform(0.05, 0.6)
        scores = chance.random(count)
        ranks = 1 - scores
        low = alpha * 0.4
        # Below the edge so many errors that the region just past it has rate alpha, then alpha itself.
        jump = (alpha * (edge + 0.02) - low * edge) / 0.02
        rates = np.where(ranks < edge, low, np.where(ranks < edge + 0.02, jump, alpha))
        wrong = chance.random(count) < rates
        grid = Grid.of_stream(chance.random(2000))
        guess = np.full(len(grid.shares), low) if expected else None
        found = certify_region(grid, Tally.of(grid, scores, wrong), count, alpha=alpha, delta=delta, expected=guess)
        bad += found is not None and 1 - found.threshold >= edge + 0.02
    return bad / RUNS


@pytest.mark.parametrize("count", [200, 700, 2000])
@pytest.mark.parametrize("expected", [False, True])
def test_a_wrong_certificate_is_as_rare_as_delta_says(count: int, expected: bool) -> None:
    rate = violations(count, np.random.default_rng(count), expected=expected)
    # Three standard errors at delta. Where the bound were off by one error, or delta not shared out, it would be far beyond.
    assert rate <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / RUNS)


def test_the_test_is_not_idle() -> None:
    chance = np.random.default_rng(1)
    scores = chance.random(700)
    wrong = chance.random(700) < np.where(scores > 0.4, 0.01, 0.4)
    grid = Grid.of_stream(chance.random(2000))
    found = certify_region(grid, Tally.of(grid, scores, wrong), 700, alpha=0.05, delta=0.05)
    assert found is not None
    assert 0.5 < found.share < 0.7
    assert found.bound <= 0.05
    assert p_value(found.errors, found.count, 0.05) <= 0.05
