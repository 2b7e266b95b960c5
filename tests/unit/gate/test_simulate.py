"""Whole streams: the promise holds over many of them, drift included, and bad input is refused."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from streamlabel.core.control import GateState
from streamlabel.gate import Run, simulate
from streamlabel.gate.runs import Spread


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
    wrong = sum(count * (each.error or 0.0) for count, each in zip(passed, parts, strict=True))
    return wrong / sum(passed) if sum(passed) else 0.0


def test_after_an_abrupt_change_the_error_over_the_next_five_thousand_stays_below_alpha() -> None:
    held, whole, delays = [], [], []
    for seed in range(20):
        (run,) = simulate(*changed(seed, base=0.35, skill=2.5), alpha=0.05, seed=seed, change_at=6000).runs
        held.append(error_after(run, 6000, 11_100) <= 0.05)
        whole.append((run.error or 0.0) <= 0.05)
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


def hopeless(count: int = 3000) -> tuple[np.ndarray, np.ndarray]:
    """A model that is wrong every second time, however sure it says to be."""
    probabilities, _ = stream(count, 7)
    return probabilities, np.random.default_rng(7).integers(0, 2, count)


def test_where_nothing_was_labelled_nothing_is_said_of_its_error_but_why() -> None:
    found = simulate(*hopeless(), alpha=0.05)
    (run,) = found.runs
    assert run.coverage == 0
    assert (run.error, run.error_last_quarter, found.error, run.opened_at) == (None, None, None, None)
    assert {each.error for each in run.windows} == {None}
    assert run.answers_needed is None
    assert (found.violations, found.opening, found.detection_delay) == (0, None, None)
    # Too short a stream, of a model that is good enough: some number of answers would do.
    (short,) = simulate(*stream(400, 7, base=0.05), alpha=0.02).runs
    assert short.opened_at is None
    assert short.answers_needed is not None
    assert short.answers_needed > 0


def test_second_answers_are_counted_and_what_they_take_of_alpha_is_told() -> None:
    probabilities, labels = stream(1500, 8)
    once, twice = (simulate(probabilities, labels, alpha=0.05, double_blind_share=share).runs[0] for share in (0, 0.5))
    assert (once.second_answers, once.overlooked_bound) == (0, None)
    assert twice.second_answers > 100
    assert twice.answers == round((1 - twice.coverage) * 1500) + twice.second_answers
    assert twice.overlooked_bound is not None
    assert 0 < twice.overlooked_bound < 0.1


def test_over_several_runs_the_middle_and_the_ends_are_told() -> None:
    found = simulate(*changed(3, base=0.45, skill=0.7), alpha=0.05, runs=3, change_at=6000)
    delays = sorted(run.detection_delay for run in found.runs if run.detection_delay is not None)
    assert found.detection_delay == Spread(median=delays[1], low=delays[0], high=delays[2], runs=3)
    assert found.error == pytest.approx(np.mean([run.error for run in found.runs]))
    assert found.records == 12_000
    assert Spread.of([None, 4, 1, None]) == Spread(median=2.5, low=1, high=4, runs=2)


def test_it_tells_how_far_it_is() -> None:
    told: list[tuple[int, int]] = []
    simulate(*stream(2510, 9), alpha=0.1, runs=2, progress=lambda done, total: told.append((done, total)))
    assert [done for done, _ in told] == [1000, 2000, 2510, 3510, 4510, 5020]
    assert {total for _, total in told} == {5020}


def words(figure: Figure) -> list[str]:
    """The legend of a picture, and its title."""
    return [text.get_text() for text in figure.legends[0].get_texts()] + [figure.get_suptitle()]


def test_it_is_drawn_and_all_that_is_seen_is_explained(tmp_path: Path) -> None:
    figure = simulate(*changed(6, base=0.45, skill=0.7), alpha=0.05, runs=3, change_at=6000).plot("a.npz")
    figure.savefig(tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
    *legend, title = words(figure)
    assert title.startswith("a.npz: α = 5%, δ = 0.05\nmean of 3 runs: ")
    assert legend[:4] == [
        "labelled by the model in run 1",
        "gate closed in run 1",
        "the stream changes, at 6,000",
        "wrong among those in run 1",
    ]
    assert "2 other runs, in thin lines" in legend
    assert any(each.startswith("beyond this axis: up to ") for each in legend)
    upper, lower = figure.axes
    assert upper.get_xlim() == (0, 12_000)
    assert lower.get_ylim()[1] < 20


def test_what_is_not_there_is_not_explained() -> None:
    figure = simulate(*hopeless(), alpha=0.05).plot()
    assert words(figure) == [
        "labelled by the model",
        "gate closed",
        "allowed: α = 5%",
        "α = 5%, δ = 0.05\nnothing labelled by the model",
    ]
