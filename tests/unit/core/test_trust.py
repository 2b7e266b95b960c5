"""Which labels are confirmed, and which are suspect."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from streamlabel.core.control import Confirmed, Suspects
from streamlabel.core.decision import Decision, DecisionReason, Route
from streamlabel.core.trust import Trust, suspects_of, trust
from support.gate_labels import calibrated, passed
from support.gates import NOW, a_gate

HOUR = timedelta(hours=1)
GATE = a_gate(
    confirmed_until=NOW,
    suspects=(Suspects(NOW - 8 * HOUR, NOW - 7 * HOUR), Suspects(NOW - 2 * HOUR)),
).gate


def test_what_the_gate_knows_of_a_label() -> None:
    found = {hours: trust(GATE, passed("r", NOW - hours * HOUR)) for hours in (9, 8, 7.5, 7, 2, 1, 0, -1)}
    assert found == {
        9: Trust.CONFIRMED,
        8: Trust.SUSPECT,
        7.5: Trust.SUSPECT,
        7: Trust.CONFIRMED,
        2: Trust.SUSPECT,
        1: Trust.SUSPECT,
        0: Trust.SUSPECT,
        -1: Trust.SUSPECT,
    }
    calm = replace(GATE, suspects=())
    assert trust(calm, passed("r", NOW)) is Trust.OPEN
    assert trust(replace(calm, confirmed_until=None), passed("r", NOW - HOUR)) is Trust.OPEN


def test_a_gate_knows_nothing_of_other_models_and_policies() -> None:
    other = passed("r", NOW - HOUR, model_version=2)
    by_threshold = replace(
        passed("r", NOW - HOUR),
        decision=Decision(route=Route.AUTO_LABEL, reason=DecisionReason.SCORE_REACHED_THRESHOLD),
    )
    for label in (other, by_threshold):
        assert trust(GATE, label) is Trust.OTHER_MODEL
        assert suspects_of(GATE, label) is None
    assert suspects_of(GATE, passed("r", NOW - HOUR)) == GATE.suspects[1]


def test_labels_of_an_earlier_book_are_confirmed_as_far_as_that_one_had_come() -> None:
    """A book that begins anew has heard nothing of what waited, or was doubted, when the one before it ended."""
    gate = replace(
        GATE, suspects=GATE.suspects[:1], first_gate=7, earlier=(Confirmed(1, NOW - 6 * HOUR), Confirmed(5, None))
    )
    found = {
        (number, hours): trust(gate, passed("r", NOW - hours * HOUR, gate_id=f"mail/{number}"))
        for number in (1, 4, 5, 6, 7)
        for hours in (9, 7.5, 5)
    }
    for number in (1, 4):
        assert [found[number, hours] for hours in (9, 7.5, 5)] == [Trust.CONFIRMED, Trust.SUSPECT, Trust.NEVER]
    for number in (5, 6):
        assert [found[number, hours] for hours in (9, 7.5, 5)] == [Trust.NEVER, Trust.SUSPECT, Trust.NEVER]
    assert [found[7, hours] for hours in (9, 7.5, 5)] == [Trust.CONFIRMED, Trust.SUSPECT, Trust.CONFIRMED]
    # A gate of before this was told.
    assert trust(replace(gate, first_gate=0, earlier=()), passed("r", NOW - 9 * HOUR)) is Trust.NEVER


def test_people_are_always_believed() -> None:
    assert trust(GATE, calibrated("r", NOW + HOUR)) is Trust.HUMAN
    assert suspects_of(GATE, calibrated("r", NOW)) is None
