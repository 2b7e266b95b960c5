"""People so far behind that evidence cannot follow: then no label may be set that nobody will vouch for.

room fills ──7/8──▶ crowded: the gate is shut ──full──▶ calibration records are missed ──half, and of none that was missed
is it open what routing made of it──▶ open again
"""

from __future__ import annotations

from dataclasses import dataclass

from streamlabel.learning.rules.waiting import WaitingRoom


@dataclass(slots=True)
class Crowd:
    """Whether it is there, and since when calibration records were missed for it: seen, and not taken into the room."""

    is_here: bool = False
    missed_from_ms: int | None = None

    def miss(self, written_ms: int) -> None:
        """A record of the lane finds no room."""
        self.missed_from_ms = written_ms if self.missed_from_ms is None else min(written_ms, self.missed_from_ms)

    def look(self, room: WaitingRoom, lost_before_ms: int) -> bool:
        """Whether it came or went. Routing will not speak any more of what was written by `lost_before_ms`."""
        before = self.is_here
        # Routing hears of it a little later: what it lets pass until then is still audited.
        if room.awaited >= room.most - room.most // 8:
            self.is_here = True
        elif before and room.awaited <= room.most // 2 and not room.has_open_questions(lost_before_ms):
            self.is_here, self.missed_from_ms = False, None
        return self.is_here is not before
