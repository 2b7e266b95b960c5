"""How far a label can be trusted by the gate that let it pass: confirmed, suspect, or not known yet."""

from __future__ import annotations

from enum import Enum

from streamlabel.core.control import Gate, Suspects
from streamlabel.core.label import Label, LabelSource


class Trust(Enum):
    """What is known of a label; the value is what a person reads."""

    HUMAN = "set by people"
    CONFIRMED = "confirmed"
    SUSPECT = "suspect"
    OPEN = "not confirmed yet"
    NEVER = "not confirmed when the evidence that they rest on ended"
    OTHER_MODEL = "set without this gate, or under one of another model version"


def suspects_of(gate: Gate, label: Label) -> Suspects | None:
    """The suspect stretch of the gate in which the model set this label; None where there is none."""
    if not _is_of(gate, label):
        return None
    return next((each for each in gate.suspects if each.holds(label.labelled_at)), None)


def trust(gate: Gate, label: Label) -> Trust:
    """What the gate knows of the label. Of labels by another model version it knows nothing: neither doubts nor evidence.

    A label is confirmed by the evidence that its own gate rested on, as far as that had come, and by no other.
    """
    if label.source is LabelSource.HUMAN:
        return Trust.HUMAN
    if not _is_of(gate, label):
        return Trust.OTHER_MODEL
    if suspects_of(gate, label) is not None:
        return Trust.SUSPECT
    until = gate.confirmed_under(label.decision.gate_id)
    if until is not None and label.labelled_at < until:
        return Trust.CONFIRMED
    return Trust.OPEN if gate.rests_on_the_same(label.decision.gate_id) else Trust.NEVER


def _is_of(gate: Gate, label: Label) -> bool:
    return (
        label.source is LabelSource.MODEL
        and bool(label.decision.gate_id)
        and (label.model_name, label.model_version) == (gate.model_name, gate.model_version)
    )
