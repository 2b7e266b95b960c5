"""What routing needs from outside, in its own words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from streamlabel.core.decision import Decision
from streamlabel.core.label import Label
from streamlabel.core.prediction import Prediction
from streamlabel.core.project import Project
from streamlabel.core.review import ReviewTask
from streamlabel.errors import InvalidMessageError
from streamlabel.gate.published import PublishedGate


@dataclass(frozen=True, slots=True)
class Arrival:
    """A prediction, and when its record entered the system."""

    prediction: Prediction
    ingested_at: datetime | None


Routed = Label | ReviewTask | InvalidMessageError


class Routing(Protocol):
    """The use case, as the side that drives it sees it."""

    async def route(self, arrivals: Sequence[Arrival]) -> Sequence[Routed]:
        """A label, a task or the reason why neither can be, for each arrival in order."""
        ...


class Projects(Protocol):
    """The projects as they stand."""

    def get(self, name: str) -> Project | None:
        """The project; None where no such one is known."""
        ...

    async def look_for(self, names: Iterable[str]) -> None:
        """Returns once each of these projects can be got or was never applied; raises TransientError while nobody can tell."""
        ...


class Gates(Protocol):
    """The certificates as they stand."""

    def latest(self, project: str) -> PublishedGate | None:
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
