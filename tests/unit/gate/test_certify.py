"""Certificates without a stream: honest where they are given, helpful where not, strict about their input."""

from __future__ import annotations

import math

import numpy as np
import pytest
from matplotlib.figure import Figure

from streamlabel.gate import Certified, certify
from streamlabel.gate.certify import level_of_look

RUNS = 500


def answers(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores, and answers that are right more often the higher the score: 60 % at 0, all at 1."""
    chance = np.random.default_rng(seed)
    scores = chance.random(count)
    return scores, chance.random(count) < 0.6 + 0.4 * np.sqrt(scores)


def true_error(threshold: float) -> float:
    """The true error rate of what scores `threshold` or more."""
    return 0.4 - 0.4 * (2 / 3) * (1 - threshold**1.5) / (1 - threshold)


def test_it_finds_a_threshold_and_tells_the_evidence() -> None:
    scores, correct = answers(3000, 1)
    found = certify(scores, correct, alpha=0.1)
    assert found.certificate is not None
    assert found.more_labels_needed == 0
    above = scores >= found.threshold
    assert (found.certificate.count, found.certificate.errors) == (above.sum(), (above & ~correct).sum())
    assert found.coverage == pytest.approx(above.mean())
    assert found.certificate.errors / found.certificate.count < found.certificate.bound <= 0.1
    assert 0.5 < found.coverage < 0.95


@pytest.mark.parametrize("with_unlabelled", [True, False])
def test_it_is_wrong_at_most_as_often_as_delta(with_unlabelled: bool) -> None:
    wrong = 0
    for seed in range(RUNS):
        scores, correct = answers(400, seed)
        others = np.random.default_rng(seed + RUNS).random(2000) if with_unlabelled else None
        found = certify(scores, correct, alpha=0.1, unlabelled=others)
        wrong += found.certificate is not None and true_error(found.threshold) > 0.1
    assert wrong / RUNS <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / RUNS)
    assert wrong > 0  # close enough to the truth that it can fail: the test is not idle


def test_where_it_certifies_nothing_it_says_how_much_is_missing() -> None:
    scores, correct = answers(150, 2)
    found = certify(scores, correct, alpha=0.05)
    assert (found.certificate, found.threshold, found.coverage) == (None, math.inf, 0.0)
    assert found.more_labels_needed is not None
    assert found.more_labels_needed > 0
    # So many more do make it likely.
    certain = [
        certify(*answers(150 + 2 * found.more_labels_needed, seed), alpha=0.05).certificate is not None
        for seed in range(20)
    ]
    assert np.mean(certain) >= 0.5


@pytest.mark.parametrize("count", [20, 50, 100])
def test_a_few_answers_without_an_error_among_the_surest_are_too_few_and_nothing_worse(count: int) -> None:
    """A good model: hardly any draw of a few answers may look hopeless, or as if tens of thousands were missing."""
    needed = [certify(*answers(count, seed), alpha=0.05).more_labels_needed for seed in range(100)]
    assert sum(each is None for each in needed) <= 3
    known = sorted(each for each in needed if each is not None)
    assert known[len(known) * 9 // 10] < 5000


def test_a_hopeless_score_is_told_so() -> None:
    chance = np.random.default_rng(3)
    found = certify(chance.random(500), chance.random(500) < 0.5, alpha=0.05)
    assert found.certificate is None
    assert found.more_labels_needed is None


def test_equal_scores_pass_together_or_not_at_all() -> None:
    scores = np.repeat([0.99, 0.5], 500)
    correct = np.concatenate((np.ones(500), np.arange(500) % 2))
    found = certify(scores, correct, alpha=0.05, unlabelled=np.repeat([0.99, 0.5], 500))
    assert (found.threshold, found.coverage) == (0.99, 0.5)


@pytest.mark.parametrize(("count", "wrong"), [(20_000, 0), (500, 0), (59, 0), (93, 1)])
def test_answers_of_one_score_certify_all_or_nothing(count: int, wrong: int) -> None:
    correct = np.arange(count) >= wrong
    found = certify(np.full(count, 0.97), correct, alpha=0.05)
    assert found.certificate is not None
    assert (found.threshold, found.coverage, len(found.starts)) == (0.97, 1.0, 1)
    assert (found.certificate.count, found.certificate.errors) == (count, wrong)


def test_one_answer_of_one_score_too_few_is_told_as_that() -> None:
    found = certify(np.full(58, 0.97), np.ones(58), alpha=0.05)
    assert found.certificate is None
    assert found.more_labels_needed is not None
    assert 1 <= found.more_labels_needed < 100
    assert certify(np.full(500, 0.97), np.arange(500) % 2, alpha=0.05).more_labels_needed is None


def test_a_saturated_softmax_certifies_what_it_is_sure_of() -> None:
    """The surest answers all have score 1: the chains begin with all of them, and the certificate may hold no more."""
    chance = np.random.default_rng(0)
    scores = np.concatenate((np.ones(600), chance.uniform(0.3, 0.99, 400)))
    correct = np.concatenate((np.ones(600), chance.random(400) < 0.7))
    found = certify(scores, correct, alpha=0.01)
    assert found.certificate is not None
    assert (found.certificate.count, found.certificate.errors) == (600, 0)
    assert found.coverage == 0.6
    assert found.threshold_told(4) == f"{found.threshold:.4g}"
    # It begins right above the next score, which must not be told as one that passes.
    two = certify(np.where(scores == 1, 1.0, 0.99), correct, alpha=0.01)
    assert (two.coverage, two.threshold_told(6)) == (0.6, "0.9900000000000001")
    assert certify(scores[100:600], correct[100:600], alpha=0.01).certificate is not None
    # The finding that led here: 480 of 500 at 1.
    most = np.concatenate((np.ones(480), chance.uniform(0.1, 0.9, 20)))
    assert certify(most, most == 1, alpha=0.05).coverage >= 0.96


def test_where_the_surest_are_wrong_too_often_no_number_of_answers_is_told() -> None:
    """What lies behind them looks good enough, but no chain of tests comes to it."""
    chance = np.random.default_rng(4)
    scores = chance.random(3000)
    correct = np.where(scores > 0.7, chance.random(3000) < 0.85, True)
    found = certify(scores, correct, alpha=0.05)
    assert found.certificate is None
    assert found.is_good_somewhere
    assert found.more_labels_needed is None
    assert not certify(scores, chance.random(3000) < 0.5, alpha=0.05).is_good_somewhere


# Streams of few scores, best first: share of the stream and error rate at each, made to be as hard as possible.
TIED = {
    "one score": ([1.0], [0.1001]),
    "two scores, alike": ([0.6, 0.4], [0.1001, 0.1001]),
    "a perfect score beside a rare one that is always wrong": ([0.6, 0.0668, 0.3332], [0.0, 1.0, 0.5]),
    "the same, and rarer": ([0.9, 0.1003], [0.0, 1.0]),
    "a wrong one above the many": ([0.01, 0.6, 0.39], [1.0, 0.0851, 0.1001]),
    "good, then at once as bad as it must not be": ([0.4, 0.02, 0.58], [0.04, 1.0, 0.06]),
    "ten scores, worse and worse": ([0.1] * 10, [0.05, 0.09, 0.13, 0.131, *[0.1002] * 6]),
}


@pytest.mark.parametrize("count", [60, 150, 600])
@pytest.mark.parametrize("name", TIED)
def test_equal_scores_make_no_certificate_wrong_more_often_than_delta(name: str, count: int) -> None:
    shares, rates = (np.array(each) for each in TIED[name])
    shares = shares / shares.sum()
    true, values = np.cumsum(shares * rates) / np.cumsum(shares), 1 - np.arange(len(shares)) / 100
    chance = np.random.default_rng(count)
    wrong = certified = 0
    runs = 2000
    for _ in range(runs):
        drawn = chance.choice(len(shares), size=count, p=shares)
        found = certify(values[drawn], chance.random(count) >= rates[drawn], alpha=0.1)
        if found.certificate is not None:
            certified += 1
            wrong += true[(values >= found.threshold).sum() - 1] > 0.1
    assert wrong / runs <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / runs)
    if name == "one score" and count > 100:
        assert wrong / runs > 0.02  # close enough to the truth that it can fail: the test is not idle


def falsely_certified(seed: int, *, counted: bool) -> bool:
    """Whether somebody who asks as many more people as the result says, and looks again, ends with a certificate that is wrong.

    Of what the model says 10.01 % is wrong, at every score; 10 % are allowed, with probability 0.9.
    """
    chance = np.random.default_rng(seed)
    scores, correct = chance.random(1500), chance.random(1500) >= 0.1001
    count, look = 60, 1
    while count <= len(scores):
        found = certify(scores[:count], correct[:count], alpha=0.1, delta=0.1, look=look if counted else None)
        if found.certificate is not None:
            return True
        if found.more_labels_needed is None:
            return False
        count, look = count + found.more_labels_needed, look + 1
    return False


def test_who_looks_again_until_it_passes_breaks_the_promise_and_who_counts_the_looks_keeps_it() -> None:
    uncounted, counted = (
        np.mean([falsely_certified(seed, counted=counted) for seed in range(RUNS)]) for counted in (False, True)
    )
    assert 0 < counted <= 0.1  # it can fail: the test is not idle
    assert uncounted > 0.1 + 3 * np.sqrt(0.1 * 0.9 / RUNS)


def test_a_look_is_tested_at_its_part_of_delta_and_all_together_at_delta() -> None:
    assert level_of_look(0.05, None) == 0.05
    assert [level_of_look(0.06, look) for look in (1, 2, 3)] == pytest.approx([0.03, 0.01, 0.005])
    assert sum(level_of_look(0.05, look) for look in range(1, 10_000)) == pytest.approx(0.05, rel=1e-3)
    scores, correct = answers(3000, 1)
    only, third = (certify(scores, correct, alpha=0.1, look=look) for look in (None, 3))
    assert (only.look, only.level, only.answers) == (None, 0.05, 3000)
    assert (third.look, third.level, third.delta) == (3, 0.05 / 12, 0.05)
    assert only.certificate is not None
    assert third.certificate is not None
    assert third.certificate.bound <= 0.1
    assert third.coverage < only.coverage


def test_where_looks_are_counted_what_is_missing_is_for_the_next_one() -> None:
    scores, correct = answers(150, 2)
    needed = [certify(scores, correct, alpha=0.05, look=look).more_labels_needed for look in (None, 1, 2)]
    assert None not in needed
    assert needed == sorted(needed)  # type: ignore[type-var]
    assert len(set(needed)) == 3


@pytest.mark.parametrize(
    ("scores", "correct", "options", "message"),
    [
        ([0.5] * 30, [1] * 30, {"alpha": 0.0}, "alpha must lie strictly between 0 and 1, not 0"),
        ([0.5] * 30, [1] * 30, {"alpha": 0.1, "delta": 1.0}, "delta must lie"),
        ([0.5] * 29 + [math.nan], [1] * 30, {"alpha": 0.1}, "row 29, counted from 0: score is no finite number nan"),
        (
            [0.5] * 30,
            [1] * 28 + [2, 0.5],
            {"alpha": 0.1},
            r"row 28, counted from 0: correct is neither 0 nor 1: 2.0 \(and 1 more row\)",
        ),
        ([0.5] * 30, [1] * 30, {"alpha": 0.1, "look": 0}, "look must be 1 or more, not 0"),
        ([0.5] * 30, [1j] * 30, {"alpha": 0.1}, "correct must be numbers: these are complex"),
        ([0.5 + 1j] * 30, [1] * 30, {"alpha": 0.1}, "scores must be numbers: these are complex"),
        ([0.5] * 30, [1] * 29, {"alpha": 0.1}, "there are 30 scores, but correct has shape"),
        ([0.5] * 5, [1] * 5, {"alpha": 0.1}, "5 answers are too few"),
        ([[0.5]] * 30, [1] * 30, {"alpha": 0.1}, "one column"),
    ],
)
def test_what_cannot_be_answers_is_refused(
    scores: list[float], correct: list[float], options: dict[str, float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        certify(scores, correct, **options)


def test_it_is_drawn(tmp_path) -> None:
    for found in (certify(*answers(3000, 1), alpha=0.1), certify(*answers(100, 1), alpha=0.01)):
        assert isinstance(found, Certified)
        found.plot().savefig(tmp_path / "plot.png")
        assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("look", [None, 1, 2])
def test_the_bound_in_the_picture_is_that_of_the_test_so_what_may_pass_lies_below_alpha(look: int | None) -> None:
    for seed in range(20):
        found = certify(*answers(1200, seed), alpha=0.1, look=look)
        if found.certificate is None:
            continue
        lines = {str(line.get_label()).split(",")[0]: line.get_xydata() for line in found.plot("a.csv").axes[0].lines}
        bound = lines["upper bound where it was tested"]
        (at_end,) = bound[np.isclose(bound[:, 0], found.certificate.share * 100), 1]
        assert at_end == pytest.approx(found.certificate.bound * 100)
        assert at_end <= 10


def test_the_legend_of_the_picture_names_what_is_there_and_nothing_else() -> None:
    *legend, title = _words(certify(*answers(3000, 1), alpha=0.1, look=2).plot("a.csv"))
    assert legend[0] == "may pass"
    assert title.startswith("a.csv: α = 10%, δ = 0.05, look 2 at 0.008333\nscore ≥ ")
    assert _words(certify(*answers(30, 1), alpha=0.01).plot())[:-1] == ["wrong among 30 answers", "allowed: α = 1%"]


def test_the_picture_invites_to_look_again_only_who_counts_the_looks() -> None:
    only, first = (_words(certify(*answers(150, 2), alpha=0.05, look=look).plot())[-1] for look in (None, 1))
    assert only.endswith("more answers would have made it likely")
    assert first.endswith("more answers make it likely at look 2")


def _words(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()] + [figure.get_suptitle()]
