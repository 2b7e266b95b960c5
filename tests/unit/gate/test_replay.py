"""Decisions made again: the same bits from the same prediction and gate, and what is said where something is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from streamlabel.core.control import GateState
from streamlabel.core.decision import Decision, DecisionReason, Purpose
from streamlabel.core.project import CertifiedPolicy, ThresholdPolicy
from streamlabel.gate.coin_keys import CoinKeys
from streamlabel.gate.decide import decide
from streamlabel.gate.published import PublishedGate
from streamlabel.gate.replay import EXPIRED, UNBOUND, replay
from streamlabel.gate.weigh import weigh
from support.gates import COIN_KEY, NOW, OTHER_COIN_KEY, a_gate, a_prediction
from support.nouns import text_project

KEYS = CoinKeys.of(COIN_KEY.hex())
PROJECT = text_project("mail", policy=CertifiedPolicy(alpha=0.05, delta=0.05))
PREDICTIONS = [
    *(a_prediction(f"r{place}", 0.5 + place / 200) for place in range(100)),
    a_prediction("unknown", 0.9, project="mail", candidates=(), model_name="", model_version=0, score=0.0),
]


def decided(gate: PublishedGate, keys: CoinKeys = KEYS) -> list[Decision]:
    """What routing decided of them."""
    rows = weigh(PREDICTIONS, PROJECT, gate, keys, NOW)
    return [decide(each, PROJECT, row) for each, row in zip(PREDICTIONS, rows, strict=True)]


def again(
    logged: Sequence[Decision], gate: PublishedGate | None, keys: CoinKeys = KEYS
) -> list[tuple[Decision | None, bool]]:
    return [(each.again, each.lane_checked) for each in replay(logged, PREDICTIONS, PROJECT, gate, keys)]


@pytest.mark.parametrize(
    "gate",
    [
        a_gate(),
        a_gate(state=GateState.REVOKED, lane_rate=0.5),
        a_gate(guard_threshold=0.9),
        a_gate(double_blind_share=0.3),
        a_gate(model_version=2),
        a_gate(class_count=3),
    ],
)
def test_every_decision_comes_out_as_it_was_logged(gate: PublishedGate) -> None:
    logged = decided(gate)
    assert again(logged, gate) == [(each, True) for each in logged]


def test_a_gate_that_was_renewed_meanwhile_is_judged_without_its_expiry() -> None:
    gate = a_gate(expires_at=NOW + timedelta(minutes=1))
    logged = decided(gate)
    assert DecisionReason.GATE_PASSED in {each.reason for each in logged}
    first_published = replace(gate, gate=replace(gate.gate, expires_at=NOW - timedelta(days=1)))
    assert again(logged, first_published) == [(each, True) for each in logged]


def test_what_an_expired_gate_would_have_let_pass_is_not_replayable() -> None:
    gate = a_gate(expires_at=NOW)
    logged = decided(gate)
    made = replay(logged, PREDICTIONS, PROJECT, gate, KEYS)
    assert {each.why_not for each in made if each.again is None} == {EXPIRED}
    assert [each.again for each in made if each.again is not None] == [
        each for each in logged if each.reason is DecisionReason.NO_PREDICTION
    ]


def test_what_was_decided_by_a_gate_of_before_comes_out_as_it_was_then() -> None:
    """It does not say how its model was bound, and nobody asked, whatever versions of the project there were."""
    old = a_gate(binding="")
    logged = decided(a_gate())
    under_another = [replace(each, project_version=9) for each in PREDICTIONS]
    made = replay(logged, under_another, PROJECT, old, KEYS)
    assert [(each.again, each.lane_checked) for each in made] == [(each, True) for each in logged]


def test_that_a_gate_of_before_counted_no_more_is_not_replayable() -> None:
    old = a_gate(binding="")
    logged = decided(old)
    assert DecisionReason.GATE_PASSED not in {each.reason for each in logged}
    made = replay(logged, PREDICTIONS, PROJECT, old, KEYS)
    assert {each.why_not for each in made if each.again is None} == {UNBOUND}


def test_a_model_that_was_bound_otherwise_is_found() -> None:
    """A label by a gate that did not count for the binding of that version of the project."""
    logged = decided(a_gate())
    otherwise = text_project("mail", policy=PROJECT.policy, embedding="near")
    made = replay(logged, PREDICTIONS, otherwise, a_gate(), KEYS)
    different = {each.logged.reason for each in made if each.again != each.logged}
    assert DecisionReason.GATE_PASSED in different


def test_a_touched_decision_comes_out_otherwise() -> None:
    gate = a_gate()
    logged = decided(gate)
    place = next(row for row, each in enumerate(logged) if each.reason is DecisionReason.GATE_PASSED)
    for change in ({"score": logged[place].score + 1e-15}, {"threshold": 0.4}, {"gate_id": "g2"}):
        touched = [*logged]
        touched[place] = replace(logged[place], **change)
        made = again(touched, gate)
        assert made[place][0] == logged[place] != touched[place]


def test_a_record_that_was_kept_out_of_the_lane_is_seen_with_the_key_only() -> None:
    gate = a_gate()
    logged = decided(gate)
    place = next(row for row, each in enumerate(logged) if each.purpose is Purpose.CALIBRATE)
    forged = [*logged]
    forged[place] = replace(logged[place], purpose=Purpose.TRAIN, reason=DecisionReason.BELOW_GATE)
    assert again(forged, gate)[place] == (logged[place], True)
    twice = decided(a_gate(double_blind_share=0.3))
    assert {each.needed_votes for each in twice if each.purpose is Purpose.CALIBRATE} == {1, 2}
    assert [each for each, _ in again(twice, a_gate(double_blind_share=0.3), CoinKeys())] == twice
    keyless = again(logged, gate, CoinKeys())
    assert [each for each, _ in keyless] == logged
    assert [checked for _, checked in keyless] == [each.reason is DecisionReason.NO_PREDICTION for each in logged]
    other = again(logged, gate, CoinKeys.of(OTHER_COIN_KEY.hex()))
    assert other == keyless


def test_routing_without_the_key_is_replayed_with_it() -> None:
    gate = a_gate()
    logged = decided(gate, CoinKeys())
    assert DecisionReason.NO_COIN_KEY in {each.reason for each in logged}
    assert again(logged, gate) == [(each, True) for each in logged]


def test_without_a_gate_the_policy_alone_decides() -> None:
    project = text_project("mail", policy=ThresholdPolicy(threshold=0.8))
    logged = [decide(each, project) for each in PREDICTIONS]
    assert [each.again for each in replay(logged, PREDICTIONS, project, None, KEYS)] == logged
    assert again([decide(each, PROJECT) for each in PREDICTIONS], None) == [
        (decide(each, PROJECT), True) for each in PREDICTIONS
    ]
