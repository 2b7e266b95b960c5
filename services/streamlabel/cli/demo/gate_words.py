"""A gate in words for who has never seen one: open or closed, what that means for labels, and what it waits for."""

from __future__ import annotations

from streamlabel.cli.demo.gate_source import GateView
from streamlabel.gate.answers_wanted import in_words


def standing(state: str) -> str:
    """`open (certified)`, `closed (suspended)`: as people speak, and as every other command calls it."""
    return f"{'open' if state == 'certified' else 'closed'} ({state})"


def wanted(gate: GateView) -> str:
    """What a closed gate waits for."""
    if gate.answers_needed is None:
        return "no number would do"
    return (
        f"{in_words(gate.answers_needed, at_least=not gate.evidence)} answers"
        if gate.answers_needed
        else "the next look"
    )


def in_short(gate: GateView | None) -> str:
    """How the gate stands, in a few words; None: the learning service does not answer."""
    if gate is None:
        return "unknown"
    if gate.count:
        return f"{standing(gate.state)}, error ≤ {gate.bound:.1%}"
    return f"{standing(gate.state)}, to open: {wanted(gate)}"
