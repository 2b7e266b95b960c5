"""The watch over inputs: quiet while nothing changes, quick when something does."""

from __future__ import annotations

import numpy as np
from scipy import stats

from streamlabel.gate.drift import InputChange, InputWatch, kolmogorov_smirnov
from streamlabel.gate.scorer import Predictions


def batches(count: int, seed: int, *, sharpness: float = 4.0, shift: float = 0.0, size: int = 25):
    chance = np.random.default_rng(seed)
    for _ in range(count // size):
        first = chance.beta(sharpness, 1, size) * 0.5 + 0.5
        predicted = chance.integers(0, 5, size)
        embeddings = chance.normal(size=(size, 16)) + shift
        yield Predictions(np.column_stack((first, 1 - first)), predicted, 5, embeddings)


def first_warning(watch: InputWatch, stream) -> tuple[int, InputChange] | None:
    seen = 0
    for batch in stream:
        seen += len(batch)
        if (change := watch.observe(batch)) is not None:
            return seen, change
    return None


def test_the_p_value_is_that_of_the_two_sample_test() -> None:
    chance = np.random.default_rng(1)
    for recent, before in ((50, 400), (500, 2500)):
        for _ in range(20):
            mine, theirs = chance.random(recent) ** 1.2, chance.random(before)
            wanted = stats.ks_2samp(mine, theirs, method="exact" if recent == 50 else "asymp")
            assert np.isclose(kolmogorov_smirnov(wanted.statistic, recent, before), wanted.pvalue, rtol=0.25, atol=1e-6)


def test_a_stream_that_stays_as_it_is_raises_no_warning() -> None:
    assert sum(first_warning(InputWatch(), batches(20_000, seed)) is not None for seed in range(5)) == 0


def test_a_change_of_the_answers_is_seen_within_a_hundred_records() -> None:
    for seed in range(5):
        watch = InputWatch()
        assert first_warning(watch, batches(5000, seed)) is None
        found = first_warning(watch, batches(3000, 100 + seed, sharpness=0.8))
        assert found is not None
        assert found[0] <= 100
        assert found[1].records <= 250


def test_a_change_of_the_embedding_alone_is_seen() -> None:
    watch = InputWatch()
    assert first_warning(watch, batches(5000, 1)) is None
    found = first_warning(watch, batches(3000, 2, shift=0.5))
    assert found is not None
    assert found[0] <= 500


def test_a_slow_change_is_seen_against_the_start_of_the_epoch() -> None:
    watch = InputWatch()
    assert first_warning(watch, batches(4000, 3)) is None
    steps = (batch for step in range(40) for batch in batches(250, step, sharpness=4 - step * 0.05))
    assert first_warning(watch, steps) is not None


def test_it_begins_anew_when_told_so() -> None:
    watch = InputWatch()
    first_warning(watch, batches(5000, 1))
    watch.begin()
    assert first_warning(watch, batches(5000, 2, sharpness=0.8)) is None
