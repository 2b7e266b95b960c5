"""What the door needs of the world, and the values it speaks in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from streamlabel.core.project import Project
from streamlabel.core.submission import RecordResult, RecordStatus
from streamlabel.errors import StreamlabelError, TransientError
from streamlabel.ingest.rules.admission import Offer, Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """How a batch came: by which transport, under which trace."""

    transport: str
    traceparent: str = ""


class TooMuchInFlightError(TransientError):
    """The door has no room for the batch now; nothing of it was taken."""


class Taken(Protocol):
    """A batch that was judged and whose writing has begun."""

    async def results(self) -> list[RecordResult]:
        """One result a record, in order, once each is durable, refused or given up. To be called once."""
        ...


class Door(Protocol):
    """What callers speak to; many may come at the same time. Cancelling a call does not cancel what is being written."""

    async def ingest(self, batch: Sequence[Offer | Refusal], arrival: Arrival) -> list[RecordResult]:
        """One result a record, in order, once each is durable, refused or given up.

        Raises TooMuchInFlightError, with nothing taken, where the bytes in flight leave no room.
        """
        ...

    async def take(self, batch: Sequence[Offer | Refusal], arrival: Arrival, *, wait_for_room: bool = False) -> Taken:
        """Returns when the writing has begun, so that of one caller's batches each begins after the one before.

        With `wait_for_room` the wait is the caller's back-pressure; without, TooMuchInFlightError is raised.
        """
        ...


class Projects(Protocol):
    """The table of projects, as this process knows it."""

    def get(self, name: str) -> Project | None:
        """The project; None where no such one is known."""
        ...

    def names(self) -> Sequence[str]:
        """All known names."""
        ...

    async def look_for(self, names: Iterable[str]) -> None:
        """Returns once each of these projects can be got or was never applied; raises TransientError while nobody can tell."""
        ...


class RecordLog(Protocol):
    """The topic `records`."""

    async def append(self, offers: Sequence[Offer], arrival: Arrival) -> Sequence[StreamlabelError | None]:
        """None for each record that all in-sync replicas hold; what went wrong for each other one. In order, within a deadline.

        TransientError: the record is perhaps not there, and may be sent again. InvalidMessageError: the broker will never take it.
        """
        ...


class Tally(Protocol):
    """Who counts."""

    def answered(self, arrival: Arrival, outcomes: Mapping[tuple[str, RecordStatus], int], seconds: float) -> None:
        """A batch is answered: how many records by project and status, and how long the answer took."""
        ...

    def refused(self, reasons: Mapping[str, int]) -> None:
        """Records of a batch were refused: how many for each reason."""
        ...


class Stopwatch(Protocol):
    """A steady clock."""

    def monotonic_s(self) -> float:
        """Seconds from an arbitrary origin; never goes back."""
        ...
