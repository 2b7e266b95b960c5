"""What the desk needs of the world, and what the world may ask of the desk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Protocol

from streamlabel.consensus.crowd import Crowd
from streamlabel.core.decision import Purpose
from streamlabel.core.desk import (
    AnnotationResult,
    AnnotationStatus,
    AnnotatorStats,
    ExtendedLeases,
    LeasedTask,
    LostReason,
    QueueStats,
    UndoneAnnotation,
)
from streamlabel.core.history import EscalationReason
from streamlabel.core.project import Project
from streamlabel.core.review import Annotation, ReviewTask
from streamlabel.errors import StreamlabelError
from streamlabel.review.rules.answers import KeptAnnotation, Standing, Verdict
from streamlabel.review.rules.tokens import Grant
from streamlabel.review.rules.undoing import PastAnswer


class Refusal(Enum):
    """Why a caller is turned away; the words are those of gRPC."""

    INVALID_ARGUMENT = "invalid_argument"
    NOT_FOUND = "not_found"
    FAILED_PRECONDITION = "failed_precondition"


class RefusedError(StreamlabelError):
    """The caller asked for what cannot be had; `field` is the part of the request at fault, `detail` is for a person."""

    def __init__(self, refusal: Refusal, field: str, detail: str) -> None:
        super().__init__(f"{field}: {detail}")
        self.refusal = refusal
        self.field = field
        self.detail = detail


# What the world may ask of the desk: the inbound ports, all three kept by `ReviewDesk`.


class LeaseCounter(Protocol):
    """Where tasks are fetched, kept and given back."""

    async def lease(
        self, annotator: str, *, project: str = "", max_tasks: int = 1, wait_s: float = 0.0, escalated: bool = False
    ) -> Sequence[LeasedTask]:
        """Up to `max_tasks` tasks that are nobody else's, most urgent first; waits up to `wait_s` for the first.

        `escalated`: tasks that were set aside, and no others. An empty `project` means any. Raises RefusedError, or TransientError
        while the store is away.
        """
        ...

    async def extend(self, annotator: str, lease_tokens: Sequence[str]) -> ExtendedLeases:
        """Move the expiry of the leases that still hold; tell which are gone."""
        ...

    async def release(self, annotator: str, lease_tokens: Sequence[str]) -> int:
        """Give tasks back unanswered, free at once; returns how many were this annotator's to give."""
        ...


class AnswerCounter(Protocol):
    """Where answers are handed in and taken back."""

    async def submit(self, annotator: str, annotations: Sequence[Annotation]) -> Sequence[AnnotationResult]:
        """Take answers in, one result each, in order. The same call again changes nothing and gives the same labels."""
        ...

    async def undo(self, annotator: str, annotation_id: str) -> UndoneAnnotation:
        """Take back the annotator's own answer, and lease its task to them again."""
        ...


class Noticeboard(Protocol):
    """What hangs on the wall for all to read."""

    def projects(self) -> Sequence[Project]:
        """All projects, by name."""
        ...

    async def stats(self, project: str = "") -> Sequence[QueueStats]:
        """The queue of one project, or of each; a second or so old."""
        ...

    async def annotators(self, project: str, within_s: float = 0.0) -> Sequence[AnnotatorStats]:
        """The people of a project, by name, and what they did in the last `within_s` (0: a week); some seconds old."""
        ...


class Desk(LeaseCounter, AnswerCounter, Noticeboard, Protocol):
    """All of it: what the gRPC service and the web page are built on."""


# What the desk needs of the world.


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A lease as the store gave it; `voted_classes` of a contested task, each as often as it was voted for, sorted."""

    grant: Grant
    expires_at: datetime
    task: ReviewTask
    size_bytes: int
    voted_classes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """An answer about which the store is asked: how does its task stand, and was it handed in before?"""

    annotation_id: str
    ticket: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The store's answer to a Question; `standing` is None where there is no such task."""

    standing: Standing | None
    kept: KeptAnnotation | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What is to be written, provided that the task still stands as it was found."""

    annotation: Annotation
    standing: Standing
    verdict: Verdict


class Projects(Protocol):
    """The projects that there are."""

    def get(self, name: str) -> Project | None: ...

    def all(self) -> Sequence[Project]:
        """By name."""
        ...


class Crowds(Protocol):
    """What is known of people."""

    def of(self, project: Project) -> Crowd | None:
        """The people of a project, under its present taxonomy, as their votes show them; None while there are none."""
        ...


class Leases(Protocol):
    """Who has which task. Time is the store's own."""

    async def claim(
        self, annotator: str, projects: Sequence[str], max_tasks: int, lease_s: float, *, escalated: bool = False
    ) -> Sequence[Claim]:
        """Up to `max_tasks` tasks of these projects: those that want somebody else than who has voted on them or skipped them, then
        ready ones, then those that the annotator has skipped and nobody else has taken for a while.

        Each most urgent first: by purpose, priority, age. `escalated`: those that were set aside, and none of these.
        """
        ...

    async def extend(
        self, grants: Sequence[Grant], lease_s: float
    ) -> Mapping[Grant, tuple[str, datetime] | LostReason]:
        """Of each grant that still holds the task id and the new expiry, of the others why they do not."""
        ...

    async def release(self, grants: Sequence[Grant]) -> Mapping[tuple[str, Purpose], int]:
        """Make the tasks of grants that still hold what they were before; how many of each project and purpose."""
        ...


class Answers(Protocol):
    """The kept answers, and the labels that leave with them."""

    async def look(self, annotator: str, questions: Sequence[Question]) -> Sequence[Finding]:
        """One finding per question, in order."""
        ...

    async def settle(self, annotator: str, settlements: Sequence[Settlement]) -> frozenset[str]:
        """Keep each answer and send the label that it makes on its way, in one transaction, where its task still stands as found.

        Returns the annotation_ids that were kept: about the others, look again. At most one settlement per task.
        """
        ...

    async def won_at(self, annotator: str, tickets: Sequence[int]) -> Mapping[int, datetime]:
        """When the latest answer of anybody else came, of those tasks that have their label."""
        ...


class PastAnswers(Protocol):
    """Answers that can be taken back."""

    async def find(self, annotator: str, annotation_id: str) -> PastAnswer | None: ...

    async def take_back(self, annotator: str, past: PastAnswer, lease_s: float) -> Claim | None:
        """Retract the answer and lease its task to the annotator, in one transaction; None if the task changed meanwhile.

        A label that rests on it and is not published yet is withdrawn with it; one that is out stays until the next label of the
        task supersedes it.
        """
        ...

    async def current_claim(self, annotator: str, ticket: int) -> Claim | None:
        """The lease that the annotator has on this task, if it holds."""
        ...


class Call(Protocol):
    """One who waits for work."""

    async def wait(self, timeout_s: float) -> None:
        """Returns when work may have come since the last return, or after `timeout_s`."""
        ...


class Bell(Protocol):
    """Rings when tasks become ready, here or at another replica."""

    @property
    def is_silenced(self) -> bool:
        """Nobody should wait any more: this process stops."""
        ...

    def listen(self, project: str) -> AbstractContextManager[Call]:
        """Hears of tasks of `project` (empty: any) that become ready after this call."""
        ...


class QueueBoard(Protocol):
    """What is in the queue."""

    async def queues(self) -> Sequence[QueueStats]:
        """One entry per project that ever had a task."""
        ...


class Figures(Protocol):
    """What people did."""

    async def of(self, project: str, within_s: float) -> Sequence[AnnotatorStats]:
        """Everybody who has answered within the last `within_s`, by name; of skill it knows nothing."""
        ...


class LeaseObserver(Protocol):
    """Who counts what goes into people's hands."""

    def leased(self, project: str, count: int) -> None: ...

    def given_back(self, project: str, purpose: Purpose, count: int) -> None: ...


class AnswerObserver(Protocol):
    """Who counts what people say."""

    def answered(self, project: str, purpose: Purpose, status: AnnotationStatus, took_s: float) -> None: ...

    def labelled(self, project: str) -> None: ...

    def escalated(self, project: str, purpose: Purpose, reason: EscalationReason, count: int = 1) -> None: ...


class Observer(LeaseObserver, AnswerObserver, Protocol):
    """Who counts what happens at the desk."""
