"""When the gate was closed during a lot."""

from __future__ import annotations

from datetime import timedelta

import pytest

from streamlabel.core.control import GateState
from streamlabel.gate.lot_closings import Turn, closings
from support.gates import NOW

COLD, CERTIFIED, SUSPENDED, REVOKED = GateState.COLD, GateState.CERTIFIED, GateState.SUSPENDED, GateState.REVOKED


def turn(hour: int, state: GateState) -> Turn:
    return Turn(at=NOW + timedelta(hours=hour), state=state, reason=state.value)


@pytest.mark.parametrize(
    ("told", "closed_at"),
    [
        ([], []),
        ([(-3, COLD), (-1, CERTIFIED), (2, CERTIFIED), (10, REVOKED)], []),
        ([(-3, COLD), (-2, SUSPENDED), (3, CERTIFIED)], [-2]),
        ([(-3, COLD), (0, CERTIFIED), (3, SUSPENDED), (4, COLD), (5, CERTIFIED), (9, REVOKED)], [3, 9]),
        ([(2, COLD), (3, CERTIFIED)], [2]),
        ([(0, SUSPENDED)], [0]),
    ],
)
def test_closings_of_a_stretch(told: list[tuple[int, GateState]], closed_at: list[int]) -> None:
    found = closings([turn(*each) for each in told], NOW, NOW + timedelta(hours=10))
    assert [(each.at - NOW) / timedelta(hours=1) for each in found] == closed_at
