"""Which labels an export lets through, what it says of the others, and of those that are suspect."""

from __future__ import annotations

from datetime import timedelta

from streamlabel.cli.label_export import Choice
from streamlabel.core.control import Suspects
from streamlabel.core.trust import Trust
from support.gate_labels import calibrated, passed
from support.gates import NOW, a_gate

HOUR = timedelta(hours=1)
GATE = a_gate(confirmed_until=NOW, suspects=(Suspects(NOW - 2 * HOUR),)).gate


def test_a_choice_says_what_it_left_out() -> None:
    given = [
        passed("old", NOW - 9 * HOUR),
        passed("bad", NOW),
        calibrated("lane", NOW),
        passed("v2", NOW, model_version=2),
    ]
    assert Choice().of(given) == given
    sure = Choice(gate=GATE, confirmed=True)
    assert [label.key.record_id for label in sure.of(given)] == ["old", "lane"]
    assert sure.left_out == {Trust.SUSPECT.value: 1, Trust.OTHER_MODEL.value: 1}
    training = Choice(training=True)
    assert [label.key.record_id for label in training.of(given)] == ["old", "bad", "v2"]
    assert training.left_out == {"of the calibration lane": 1}
    assert (training.suspects, sure.suspects) == (0, 0)


def test_a_choice_for_training_counts_the_suspects_that_it_lets_through() -> None:
    given = [passed("old", NOW - 9 * HOUR), passed("bad", NOW), calibrated("lane", NOW)]
    training = Choice(gate=GATE, training=True)
    assert [label.key.record_id for label in training.of(given)] == ["old", "bad"]
    assert training.suspects == 1
