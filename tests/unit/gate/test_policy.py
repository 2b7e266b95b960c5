"""What a policy can come to: how much evidence it takes at least, how much is kept, and what no gate can promise."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from streamlabel.core.control import GateState
from streamlabel.gate import simulate
from streamlabel.gate.keeper import Keeper
from streamlabel.gate.needs import more_labels
from streamlabel.gate.policy import MOST_EVIDENCE, GatePolicy, check_can_open
from streamlabel.gate.sample import NOT_ASKED, Rows
from streamlabel.gate.scorer import Predictions
from streamlabel.gate.sequence import Grid, Tally


def answers(count: int, *, wrong: int = 0, twice_of: int = 0) -> Rows:
    """Calibration records of which the first `wrong` are wrong, and one in `twice_of` was looked at twice (0: none)."""
    margin = (np.arange(count) * 0.618) % 1
    looked_at = np.arange(count) % twice_of == 1 if twice_of else np.zeros(count, np.bool_)
    return Rows(
        predictions=Predictions(np.column_stack((0.5 + margin / 2, 0.5 - margin / 2)), np.zeros(count, np.int64), 2),
        places=np.arange(count),
        scores=margin,
        truth=(np.arange(count) < wrong).astype(np.int64),
        second=np.where(looked_at, 0, NOT_ASKED),
        weight=np.ones(count),
    )


def looked(policy: GatePolicy, evidence: Rows) -> Keeper:
    """A keeper after one look at such evidence, or as much of it as it keeps."""
    keeper = Keeper(policy)
    # Enough was taught: all calibration is evidence.
    keeper.learn(answers(100))
    keeper.see(answers(2000), np.zeros(2000, np.bool_))
    count = len(evidence)
    for begin in range(0, count, 100):
        part = evidence.take(slice(begin, begin + 100))
        keeper.learn(answers(100))
        keeper.calibrate(part, np.zeros(len(part), np.bool_))
    keeper.look()
    return keeper


@pytest.mark.parametrize(
    "policy",
    [
        GatePolicy(alpha=0.05, delta=0.05),
        GatePolicy(alpha=0.001, delta=0.05),
        GatePolicy(alpha=0.02, delta=0.2, double_blind_share=0.5),
    ],
)
def test_a_perfect_model_opens_a_gate_with_the_least_evidence_and_with_no_less(policy: GatePolicy) -> None:
    least, twice_of = policy.least_evidence, 2 if policy.double_blind_share else 0
    assert policy.can_open
    assert looked(policy, answers(least, twice_of=twice_of)).state is GateState.CERTIFIED
    assert looked(policy, answers(least - 2, twice_of=twice_of)).state is GateState.COLD
    # However many answers there are: what the window does not hold does not count.
    small = replace(policy, longest_window=least - 2)
    assert not small.can_open
    assert looked(small, answers(3 * least, twice_of=twice_of)).state is GateState.COLD


def test_the_window_grows_with_what_alpha_and_delta_want_up_to_a_cap() -> None:
    windows = [GatePolicy(alpha=alpha, delta=0.05).longest_window for alpha in (0.05, 0.01, 0.004, 0.001, 1e-6)]
    assert windows[:2] == [3000, 3000]
    assert 3000 < windows[2] < MOST_EVIDENCE
    assert windows[3:] == [MOST_EVIDENCE, MOST_EVIDENCE]
    assert GatePolicy(alpha=0.05, delta=0.05, double_blind_share=0.05).longest_window > 3000


def test_evidence_reaches_as_far_back_as_few_second_looks_want() -> None:
    alone, both = GatePolicy(alpha=0.05, delta=0.05), GatePolicy(alpha=0.05, delta=0.05, double_blind_share=0.1)
    assert alone.evidence_for(0.9) == 700
    assert both.evidence_for(0.9) > both.least_evidence


@pytest.mark.parametrize(
    ("alpha", "delta", "share"),
    [(0.0005, 0.05, 0.0), (1e-9, 1e-9, 0.0), (0.001, 0.05, 0.5), (0.05, 0.05, 0.001), (0.001, 0.01, 0.3)],
)
def test_what_no_gate_can_promise_is_refused_and_each_remedy_told_is_one(
    alpha: float, delta: float, share: float
) -> None:
    policy = GatePolicy(alpha=alpha, delta=delta, double_blind_share=share)
    assert not policy.can_open
    assert Keeper(policy).answers_needed() is None
    with pytest.raises(ValueError, match=r"^alpha .* could never be certified") as refused:
        check_can_open(alpha=alpha, delta=delta, double_blind_share=share)
    remedies = re.findall(r"(alpha|delta|double_blind_share) ([\d.e-]+)", str(refused.value).split("From")[1])
    assert remedies
    for name, value in remedies:
        assert replace(policy, **{name: float(value)}, longest_window=0).can_open, f"{name} {value} is no remedy"
        nearly = replace(policy, **{name: float(value) * 0.85}, longest_window=0)
        assert not nearly.can_open, f"{name} could be smaller than {value}"


def test_where_one_remedy_is_not_enough_none_is_told() -> None:
    with pytest.raises(ValueError, match=r"over 1,000,000,000 .* More than one of these must be larger"):
        check_can_open(alpha=1e-300, delta=0.05, double_blind_share=1e-300)


def test_common_promises_can_be_made() -> None:
    for alpha in (0.001, 0.01, 0.05, 0.2, 0.5):
        for delta in (0.01, 0.05, 0.1):
            if (alpha, delta) != (0.001, 0.01):
                check_can_open(alpha=alpha, delta=delta)
    check_can_open(alpha=0.05, delta=0.05, double_blind_share=0.02)


def test_a_simulation_refuses_what_can_never_open() -> None:
    table, labels = np.tile([0.9, 0.1], (100, 1)), np.zeros(100, dtype=np.int64)
    with pytest.raises(ValueError, match="could never be certified"):
        simulate(table, labels, alpha=0.0001)


def test_no_number_of_answers_is_told_where_the_window_would_not_hold_it() -> None:
    grid, evidence = Grid.of_stream(np.arange(1000) / 1000), answers(1000, wrong=42)
    tally = Tally.of(grid, (np.arange(1000) * 0.618) % 1, evidence.wrong)
    wanted = more_labels(tally, 1000, 0.05, 0.0375)
    assert wanted is not None
    assert more_labels(tally, 1000, 0.05, 0.0375, most=1000 + wanted) == wanted
    assert more_labels(tally, 1000, 0.05, 0.0375, most=999 + wanted) is None
    # Full, and still not enough: answers to come only take the place of others.
    assert more_labels(tally, 1000, 0.05, 0.0375, most=1000) is None
    policy = GatePolicy(alpha=0.05, delta=0.05)
    assert looked(replace(policy, longest_window=1000 + 2 * wanted), evidence).answers_needed() is not None
    assert looked(replace(policy, longest_window=1000), evidence).answers_needed() is None
