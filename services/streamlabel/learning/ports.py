"""What learning needs from outside, in its own words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from streamlabel.core.label import Label
from streamlabel.core.prediction import Prediction
from streamlabel.core.project import Project
from streamlabel.core.review import ReviewTask
from streamlabel.errors import TransientError
from streamlabel.gate.published import PublishedGate
from streamlabel.learning.rules.events import Event
from streamlabel.learning.rules.faults import Fault
from streamlabel.learning.rules.points import Point
from streamlabel.learning.rules.standing import Audit, Step
from streamlabel.learning.rules.subject import Subject
from streamlabel.learning.rules.suspicions import NOTHING, Vouched


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What one read of a topic brought, in order; `predictions` and `tasks` come with the moment (ms) at which each was written.

    `lost` says of what nobody will ever hear any more; evidence must not go on over that.

    `receipt` is what whoever brought it wants to see kept together with its effects; to learning it means nothing.
    """

    receipt: object
    predictions: Sequence[tuple[Prediction, int]] = ()
    tasks: Sequence[tuple[ReviewTask, int]] = ()
    labels: Sequence[Label] = ()
    lost: str = ""


class StaleReceiptError(Exception):
    """Others have kept what these `receipts` stand for, or what came before it: whoever brought them has to ask how far things are."""

    def __init__(self, message: str, receipts: Sequence[object]) -> None:
        super().__init__(message)
        self.receipts = receipts


class BrokenBookError(TransientError):
    """What is new in the book of `project` can never be kept: nothing was, of no book. Without that one, the others can be."""

    def __init__(self, project: str, why: str) -> None:
        super().__init__(f"the book of project {project} cannot be kept: {why}")
        self.project, self.why = project, why


@dataclass(slots=True, kw_only=True)
class Page:
    """What is new in one book. `began`: nothing was known of its subject before; `ended`: nothing will be any more, for a `fault` of
    it where there is one. An ended one need not have begun.

    `snapshot` is the whole book after these events: those before need not be kept. `vouched` is what the book stands for from now on,
    as `gate` tells it, or for ever, where it has ended.
    """

    subject: Subject
    began: bool = False
    ended: bool = False
    events: list[Event] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    audits: list[Audit] = field(default_factory=list)
    point: Point | None = None
    gate: PublishedGate | None = None
    gate_number: int = 0
    is_new_gate: bool = False
    vouched: Vouched | None = None
    snapshot: bytes | None = None
    fault: Fault | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShelvedBook:
    """A book as it was kept: the latest snapshot, the events since, and what was last told of it. `unreadable` says why snapshot and
    events are not here, though they were kept."""

    subject: Subject
    snapshot: bytes | None
    events: Sequence[Event]
    vouched: Vouched = NOTHING
    unreadable: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelved:
    """All open books, the number of the last gate of each project, and what books that ended had vouched for, in order, by
    `Subject.model`."""

    books: Sequence[ShelvedBook]
    gate_numbers: Mapping[str, int]
    ended: Mapping[tuple[str, str, int], Sequence[Vouched]] = field(default_factory=dict)


class Listener(Protocol):
    """The use case, as the side that drives it sees it."""

    async def hear(self, news: News) -> None:
        """Returns once the news and all that follows from it is kept; raises where it is not, and nothing is: TransientError, or
        StaleReceiptError for a receipt that is stale."""
        ...


class Projects(Protocol):
    """The projects as they stand."""

    def all(self) -> Iterable[Project]:
        """All of them."""
        ...

    def live_version(self, project: Project) -> int | None:
        """The model version that was released to serve it; None where none was, and its own serves."""
        ...


class Coins(Protocol):
    """The coin that decides on calibration."""

    @property
    def key_id(self) -> str:
        """The name of the key that new gates name."""
        ...

    def toss(self, record_key: bytes) -> float:
        """The coin of a record under that key, in [0, 1)."""
        ...


class Shelf(Protocol):
    """Where books are kept."""

    async def load(self) -> Shelved:
        """All that is kept, for whoever begins; raises TransientError while the shelf is away."""
        ...

    async def keep(self, pages: Sequence[Page], receipts: Sequence[object]) -> None:
        """All of it, or nothing; raises TransientError where that failed, or may have, BrokenBookError where it is of one page's
        making, and StaleReceiptError with all receipts that are stale."""
        ...


class Clock(Protocol):
    """The time of day."""

    def now_ms(self) -> int:
        """Milliseconds since the Unix epoch."""
        ...

    def horizon_ms(self) -> int:
        """Everything that others could read before this moment has been heard: predictions, tasks and labels.

        A prediction may have been written before, in a transaction that was open for long: nobody decided on it before either.
        """
        ...


class Observer(Protocol):
    """Who shows how gates stand."""

    def changed(self, points: Mapping[str, Point]) -> None:
        """How the gate of each project stands now."""
        ...

    def stepped(self, steps: Sequence[tuple[Subject, Step]]) -> None:
        """These transitions happened, and are kept."""
        ...

    def gone(self, projects: Iterable[str]) -> None:
        """Of these projects no gate is kept any more, or not here."""
        ...


class FaultLog(Protocol):
    """Who says of which projects no gate is kept, though they ask for one."""

    def stand(self, reasons: Mapping[str, str]) -> None:
        """These, by project, and no others; told after each turn."""
        ...
