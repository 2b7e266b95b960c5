"""What routing needs from outside, in its own words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from streamlabel.core.control import Gate
from streamlabel.core.decision import Decision
from streamlabel.core.project import Project


class Projects(Protocol):
    """The projects as they stand."""

    async def find(self, name: str) -> Project | None:
        """The project; None only if it is not there after a look at the latest state."""
        ...


class Gates(Protocol):
    """The certificates as they stand."""

    def latest(self, project: str) -> Gate | None:
        """The project's latest gate, of whatever state and model version; None if it never had one."""
        ...


class Clock(Protocol):
    """The time of day."""

    def now(self) -> datetime:
        """Now, with time zone."""
        ...


class DecisionLog(Protocol):
    """Who keeps count of what was decided."""

    def decided(self, decisions: Sequence[tuple[str, Decision]]) -> None:
        """These decisions, each with its project, were made in one batch."""
        ...
