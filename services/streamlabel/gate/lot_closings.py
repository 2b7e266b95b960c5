"""When the gate was closed while a lot came about."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from streamlabel.core.control import GateState


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A transition of the gate: from `at` on it stood so."""

    at: datetime
    state: GateState
    reason: str

    @property
    def closes(self) -> bool:
        """Whether nothing passes from then on."""
        return self.state is not GateState.CERTIFIED


def closings(turns: Iterable[Turn], begin: datetime, end: datetime) -> tuple[Turn, ...]:
    """The turns, of those given in order, by which the gate was closed in [begin, end): the one of before, where it was closed at
    `begin`, and each in the stretch that found it open."""
    known = [each for each in turns if each.at < end]
    before = [each for each in known if each.at <= begin][-1:]
    found = [each for each in before if each.closes]
    is_open = not found
    for each in known:
        if each.at <= begin:
            continue
        if each.closes and is_open:
            found.append(each)
        is_open = not each.closes
    return tuple(found)
