"""What became of a task so far: where it stands, who had it, what they said or did not say."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from streamlabel.core.decision import Decision, Purpose
from streamlabel.core.identity import RecordKey
from streamlabel.core.review import Suggestion

MAX_NOTE_CHARACTERS = 500


class TaskState(Enum):
    """Life of a task.

    READY ──claim──▶ LEASED ──answer──▶ ANSWERED
      ▲                │ ▲                  │
      └─expiry,release─┘ └───────undo───────┘

    A record that comes again may make a task READY anew from wherever it is (review/rules/again.py).

    An answer to a task that wants several is a vote. While votes are wanted the task is BEGUN instead: READY, but not for those who
    have voted on it. People answer it one after the other: a task is in one person's hands at most. A task that somebody has skipped
    is BEGUN too, and not for those who have skipped it.

    One that nobody can answer, so far as one sees, is ESCALATED: only who asks for such tasks gets it. So is one that votes leave
    open; whoever gets it decides.
    """

    READY = "ready"
    LEASED = "leased"
    ANSWERED = "answered"
    BEGUN = "begun"
    ESCALATED = "escalated"


class SkipReason(Enum):
    """Why a person did not answer."""

    CANNOT_TELL = "cannot_tell"
    BROKEN_RECORD = "broken_record"
    NOT_MY_FIELD = "not_my_field"
    OTHER = "other"


class EscalationReason(Enum):
    """Why a task was set aside.

    SKIPPED: by so many people, or all who were there. ATTEMPTS: so many leases of it ended without an answer. BY_PERSON: somebody said
    so. CONTESTED: as many people as may be asked have voted, and left it open.
    """

    SKIPPED = "skipped"
    ATTEMPTS = "attempts"
    BY_PERSON = "by_person"
    CONTESTED = "contested"


class TaskEventKind(Enum):
    """What happened to a task."""

    ARRIVED = "arrived"
    ANSWERED = "answered"
    SECOND_OPINION = "second_opinion"
    RETRACTED = "retracted"
    LABELLED = "labelled"
    SKIPPED = "skipped"
    EXPIRED = "expired"
    ESCALATED = "escalated"
    REQUEUED = "requeued"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskEvent:
    """One thing that happened to a task. `annotator` is empty where nobody in particular did it, or nobody is told who did."""

    at: datetime
    kind: TaskEventKind
    annotator: str = ""
    class_name: str = ""
    fencing_token: int = 0
    revision: int = 0
    skip_reason: SkipReason | None = None
    escalation: EscalationReason | None = None
    note: str = ""
    think_time_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSummary:
    """Where a task stands. `attempts` are leases that ended without an answer since it was last put back; `escalation` is there while
    the task is set aside, also in the hands of whoever asked for it."""

    key: RecordKey
    ticket: int
    state: TaskState
    purpose: Purpose
    arrived_at: datetime
    needed_votes: int = 1
    votes: int = 0
    revision: int = 0
    attempts: int = 0
    escalation: EscalationReason | None = None

    @property
    def blind(self) -> bool:
        """Whether the annotator does not see what the model thinks."""
        return self.purpose is Purpose.CALIBRATE


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrentLease:
    """Who has a task now."""

    annotator: str
    leased_at: datetime
    expires_at: datetime
    fencing_token: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskHistory:
    """A task, the decision that it came with, what the model said where the task shows it, and its events, oldest first."""

    task: TaskSummary
    decision: Decision
    suggestion: Suggestion | None = None
    model_name: str = ""
    model_version: int = 0
    lease: CurrentLease | None = None
    events: tuple[TaskEvent, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskPage:
    """Tasks in the order of their tickets; `next_token` is empty on the last page."""

    tasks: tuple[TaskSummary, ...]
    next_token: str = ""
