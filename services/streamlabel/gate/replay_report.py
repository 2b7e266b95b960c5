"""What a replay of a decision log came to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from streamlabel.core.decision import Decision

SHOWN = 10


@dataclass(frozen=True, slots=True)
class Difference:
    """A decision that comes out otherwise."""

    record_id: str
    logged: Decision
    again: Decision


@dataclass(slots=True)
class Report:
    """Counts of decisions, and the first SHOWN that are `different`. `unchecked_lane` of the identical ones are so but for the lane
    bit, for want of the coin's key. `forged` counts decisions by the gate that they name, and that never was."""

    replayed: int = 0
    identical: int = 0
    unchecked_lane: int = 0
    different: list[Difference] = field(default_factory=list)
    differences: int = 0
    not_replayable: Counter[str] = field(default_factory=Counter)
    forged: Counter[str] = field(default_factory=Counter)

    @property
    def holds(self) -> bool:
        """Whether everything that could be replayed was, whole, and came out the same; and no gate was named that never was. Where
        nothing could be replayed, or there is nothing, nothing is known."""
        return self.replayed > 0 and self.differences == 0 and self.unchecked_lane == 0 and not self.forged

    def add(self, difference: Difference, *, same: bool, lane_checked: bool) -> None:
        """Takes in a decision that was made again; `same`: bit for bit."""
        self.replayed += 1
        if same:
            self.identical += 1
            self.unchecked_lane += not lane_checked
            return
        self.differences += 1
        if len(self.different) < SHOWN:
            self.different.append(difference)
