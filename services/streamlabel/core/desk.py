"""What passes over the desk where people fetch tasks and hand in answers: what they are given and told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from streamlabel.core.review import Lease, ReviewTask


@dataclass(frozen=True, slots=True, kw_only=True)
class LeasedTask:
    """A task in one person's hands, as that person may see it.

    Where it is contested, their answer decides, and `voted_classes` are the classes that were voted for, each as often as it was,
    sorted.
    """

    lease: Lease
    task: ReviewTask
    voted_classes: tuple[str, ...] = ()


class LostReason(Enum):
    """Why a lease is gone.

    EXPIRED: it ran out, nobody else has the task yet. TAKEN: the task has been leased anew since. ANSWERED: it has its label.
    WITHDRAWN: no answer is wanted any more, as the project was deleted, or the record came again and is asked about anew. UNKNOWN: no
    such lease was ever given to this annotator.
    """

    EXPIRED = "expired"
    TAKEN = "taken"
    ANSWERED = "answered"
    WITHDRAWN = "withdrawn"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class LostLease:
    """A lease that is gone, and why."""

    lease_token: str
    reason: LostReason


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtendedLeases:
    """What a heartbeat found: the leases that hold, with their new expiry, and the tokens of those that are gone.

    `lost` says why each of these is gone; empty from a service that does not tell.
    """

    leases: tuple[Lease, ...]
    lost_lease_tokens: tuple[str, ...]
    lost: tuple[LostLease, ...] = ()


class AnnotationStatus(Enum):
    """What became of an answer.

    ACCEPTED: it is the label, or one of the votes of which the label is made. DUPLICATE: this annotation_id was accepted
    before, nothing changed. SUPERSEDED: somebody else's lease or answer came first, or another answer of the same person; it
    is kept as a second opinion. REJECTED: it can never be accepted, and is not kept.
    """

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    SUPERSEDED = "superseded"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnotationResult:
    """What became of one answer; `detail` says why it was not accepted.

    `won_at` is when the answer came that is the label instead; of that answer nothing else is told.
    """

    annotation_id: str
    status: AnnotationStatus
    detail: str = ""
    won_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoneAnnotation:
    """An answer taken back: its task is in the annotator's hands again."""

    leased: LeasedTask
    class_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueStats:
    """How much of one project waits for people, since when, and how fast it goes.

    `open_tasks` wait for a person (leased ones not counted), `begun_tasks` of them for another person than those who have
    voted on them; `escalated_tasks` are set aside, and are not among the open ones, `contested_tasks` of them because as many
    people as may be asked have left them open; `answered_tasks` have a label, published or on
    its way; `oldest_at` is when the longest waiting open task arrived.
    """

    project: str
    open_tasks: int = 0
    begun_tasks: int = 0
    leased_tasks: int = 0
    answered_tasks: int = 0
    oldest_at: datetime | None = None
    answers_per_minute: float = 0.0
    escalated_tasks: int = 0
    contested_tasks: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnotatorStats:
    """How much one person has answered lately, how fast, and how well.

    `answers` were accepted and not taken back. Of them `shared_votes` were one of two or more on a task that has its label now, and
    `agreeing_votes` of these for the label's class. `skill` is how likely the person is to be right about a task as they come, None
    while votes tell too little of it; half of the answers took less than `median_s`, None where no client measured it.
    """

    annotator: str
    answers: int
    shared_votes: int = 0
    agreeing_votes: int = 0
    skill: float | None = None
    median_s: float | None = None
