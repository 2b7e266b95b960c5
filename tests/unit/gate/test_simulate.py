"""Whole streams: the promise holds over many of them, drift included, and bad input is refused."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from streamlabel.core.control import GateState
from streamlabel.gate import Run, simulate


def stream(count: int, seed: int, *, base: float = 0.2, skill: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
    """Answers of a two-class model whose errors, `base` of all, are the likelier the less sure it says to be."""
    chance = np.random.default_rng(seed)
    hard = chance.random(count)
    first = 0.5 + 0.5 * np.clip(1 - hard + chance.normal(scale=0.1, size=count), 0.01, 0.99)
    wrong = chance.random(count) < np.minimum(1, base * (skill + 1) * hard**skill)
    return np.column_stack((first, 1 - first)), wrong.astype(np.int64)


def test_the_promise_holds_on_streams_that_stay_as_they_are() -> None:
    found = [simulate(*stream(6000, seed), alpha=0.05, seed=seed) for seed in range(60)]
    violations = sum(each.violation_rate for each in found)
    assert violations / 60 <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 60)
    assert np.mean([each.runs[0].coverage_last_quarter for each in found]) > 0.4


def changed(seed: int, *, base: float, skill: float) -> tuple[np.ndarray, np.ndarray]:
    """6,000 records as ever, then 6,000 whose probabilities look the same and mean less."""
    before, after = stream(6000, seed), stream(6000, 100 + seed, base=base, skill=skill)
    probabilities, labels = (np.concatenate(pair) for pair in zip(before, after, strict=True))
    return probabilities, labels


def error_after(run: Run, begin: int, end: int) -> float:
    """Wrong ÷ set by the model, over a stretch."""
    parts = [each for each in run.windows if begin <= each.begin and each.end <= end]
    passed = [(each.end - each.begin) * each.coverage for each in parts]
    wrong = sum(count * each.error for count, each in zip(passed, parts, strict=True))
    return wrong / sum(passed) if sum(passed) else 0.0


def test_after_an_abrupt_change_the_error_over_the_next_five_thousand_stays_below_alpha() -> None:
    held, whole, delays = [], [], []
    for seed in range(20):
        (run,) = simulate(*changed(seed, base=0.35, skill=2.5), alpha=0.05, seed=seed, change_at=6000).runs
        held.append(error_after(run, 6000, 11_100) <= 0.05)
        whole.append(run.error <= 0.05)
        delays.append(run.detection_delay)
        if run.detection_delay is not None:
            assert run.suspects <= run.detection_delay + 500
    assert np.mean(held) >= 0.95
    assert np.mean(whole) >= 0.95
    assert all(delay is not None for delay in delays)
    assert np.median(delays) <= 700


def test_a_model_that_became_useless_is_stopped_soon_and_for_good() -> None:
    for seed in range(8):
        (run,) = simulate(*changed(seed, base=0.45, skill=0.7), alpha=0.05, seed=seed, change_at=6000).runs
        assert run.detection_delay is not None
        assert run.detection_delay <= 700
        assert run.coverage_last_quarter == 0


def test_a_run_is_the_same_again_and_another_seed_another_one() -> None:
    first, again, other = (simulate(*stream(2000, 1), alpha=0.1, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_what_a_run_tells_adds_up() -> None:
    probabilities, labels = stream(4000, 3)
    (run,) = simulate(probabilities, labels, alpha=0.1).runs
    assert run.answers == round((1 - run.coverage) * 4000)
    assert run.windows[0].begin == 0
    assert run.windows[-1].end == 4000
    assert sum((each.end - each.begin) * each.coverage for each in run.windows) == pytest.approx(run.coverage * 4000)
    assert run.transitions[0].state is GateState.CERTIFIED
    assert run.certificate is not None
    assert run.certificate.bound <= 0.1
    assert 0 < run.guard <= 1


def test_annotators_who_err_make_it_careful_not_wrong() -> None:
    sure = simulate(*stream(6000, 4), alpha=0.1).runs[0]
    unsure = simulate(*stream(6000, 4), alpha=0.1, annotator_error=0.04).runs[0]
    assert unsure.coverage < sure.coverage
    assert unsure.error <= 0.1


def test_runs_and_their_order() -> None:
    found = simulate(*stream(1500, 5), alpha=0.1, runs=3, shuffle=True)
    assert len({run.coverage for run in found.runs}) == 3
    low, high = found.violation_ci
    assert low <= found.violation_rate <= high


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"probabilities": [[0.5, math.nan]] * 30}, "row 0, counted from 0: a probability is no finite number"),
        (
            {"probabilities": [[0.5, 0.5]] * 10 + [[0.5, 0.6]] * 20},
            "row 10, counted from 0: probabilities do not sum to 1 but to 1.1",
        ),
        ({"probabilities": [[1.5, -0.5]] * 30}, "row 0, counted from 0: a probability lies outside 0–1"),
        ({"probabilities": [0.5] * 30}, "two columns or more"),
        ({"labels": [0] * 29 + [2]}, "row 29, counted from 0: label is no whole number from 0 to 1: 2"),
        ({"labels": [0.5] * 30}, "row 0, counted from 0: label is no whole number"),
        ({"labels": ["a"] * 30}, "labels must be whole numbers from 0 to 1, not <U1"),
        ({"labels": [0] * 20}, "but there are 30 records"),
        ({"embeddings": [[1.0]] * 20}, "embeddings have shape"),
        ({"embeddings": [[math.inf]] * 30}, "row 0, counted from 0: an embedding value"),
        ({"probabilities": [[0.5, 0.5]] * 5, "labels": [0] * 5}, "5 records are too few"),
        ({"probabilities": [["a", "b"]] * 30}, "probabilities must be numbers"),
        ({"alpha": -1.0}, "alpha must lie"),
        ({"alpha": 5.0}, "alpha must lie strictly between 0 and 1, not 5; did you mean 0.05\\?"),
        ({"annotator_error": 2.0}, "annotator_error must lie"),
        ({"lane_rate": 0.0}, "lane_rate must lie"),
        ({"runs": 0}, "runs must be at least 1"),
        ({"change_at": 30}, "change_at must be a place"),
    ],
)
def test_what_cannot_be_a_stream_is_refused(change: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"probabilities": [[0.5, 0.5]] * 30, "labels": [0] * 30, "alpha": 0.1}
    with pytest.raises(ValueError, match=message):
        simulate(**(given | change))


def test_it_is_drawn(tmp_path) -> None:
    simulate(*stream(2000, 6), alpha=0.1, runs=2, change_at=1000).plot().savefig(tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
