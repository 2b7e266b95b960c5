"""A learner with everything outside of it in memory: one project, a shelf that keeps nothing (or another), and a clock that stands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from streamlabel.core.control import Gate
from streamlabel.core.project import CertifiedPolicy, Project
from streamlabel.learning.handler import Learner
from streamlabel.learning.ports import Page, Shelf, Shelved, ShelvedBook
from streamlabel.learning.rules.points import Point
from streamlabel.learning.rules.subject import Subject, subject_of
from streamlabel.learning.rules.suspicions import Vouched
from support.nouns import text_project

NOW_MS = 1_700_000_000_000


class House:
    """The outside of a learner: set what it finds there, look at what came of it. With a `shelf`, that one keeps."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.key_id = "k1"
        self.shown: list[str] = []
        self.shelved: list[ShelvedBook] = []
        self.ended: dict[tuple[str, str, int], list[Vouched]] = {}
        self.numbers: dict[str, int] = {}
        self.pages: list[Page] = []
        self.seen_until_ms = self.hour_ms = NOW_MS
        self.shelf: Shelf | None = None
        self.faults: dict[str, str] = {}

    def all(self) -> Iterable[Project]:
        return [self.project]

    def live_version(self, project: Project) -> int | None:
        return None

    def toss(self, record_key: bytes) -> float:
        return 0.5

    async def load(self) -> Shelved:
        return Shelved(books=self.shelved, gate_numbers=self.numbers, ended=self.ended)

    async def keep(self, pages: Sequence[Page], receipts: Sequence[object]) -> None:
        self.pages += pages

    def now_ms(self) -> int:
        return self.hour_ms

    def horizon_ms(self) -> int:
        return self.seen_until_ms

    def changed(self, points: Mapping[str, Point]) -> None:
        self.shown += [f"{project} is {point.state.value}" for project, point in points.items()]

    def stepped(self, steps: Sequence[object]) -> None:
        pass

    def stand(self, reasons: Mapping[str, str]) -> None:
        self.faults = dict(reasons)

    def gone(self, projects: Iterable[str]) -> None:
        self.shown += [f"{project} is gone" for project in sorted(projects)]


def learner(house: House) -> Learner:
    """Not running: call its `turn`."""
    return Learner(
        projects=house, coins=house, shelf=house.shelf or house, clock=house, observer=house, fault_log=house
    )


def certified_project(alpha: float = 0.05) -> Project:
    return text_project("mail", policy=CertifiedPolicy(alpha=alpha, delta=0.05))


def subject_of_mail(alpha: float = 0.05) -> Subject:
    """What the gate of the project is about."""
    found = subject_of(certified_project(alpha), None)
    assert found is not None
    return found


def told(house: House) -> list[Gate]:
    """The gates that went out."""
    return [page.gate.gate for page in house.pages if page.gate is not None]
