"""Work for people: the task, the right to answer it, and the answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from streamlabel.core.decision import Decision, Route
from streamlabel.core.identity import RecordKey
from streamlabel.core.record import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """A prediction as an annotator sees it."""

    class_name: str
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewTask:
    """A record that waits for people; higher `priority` (0–1) is served first within its purpose."""

    record: Record
    decision: Decision
    project_version: int
    suggestion: Suggestion | None = None
    priority: float = 0.0
    needed_votes: int = 1
    blind: bool = False
    model_name: str = ""
    model_version: int = 0

    def __post_init__(self) -> None:
        if self.decision.route is not Route.REVIEW:
            raise ValueError("only a decision to review makes a task")
        if self.blind and self.suggestion is not None:
            raise ValueError("a blind task carries no suggestion")
        if not 0 <= self.priority <= 1:
            raise ValueError(f"priority {self.priority} lies outside 0-1")
        if self.needed_votes < 1:
            raise ValueError("a task needs at least one vote")

    @property
    def key(self) -> RecordKey:
        """The record's key; also the task's identity."""
        return self.record.key


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right of one annotator to answer one task until `expires_at`; `fencing_token` grows with each lease of the task.

    `lasts_s` counts from the moment it was granted or extended: a client whose clock is wrong goes by that.
    """

    task: RecordKey
    lease_token: str
    fencing_token: int
    expires_at: datetime
    lasts_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """One person's answer under a lease; `annotation_id` makes a repeated submit one answer."""

    annotation_id: str
    lease_token: str
    class_name: str
    think_time_ms: int = 0

    def __post_init__(self) -> None:
        if not 1 <= len(self.annotation_id) <= 64:
            raise ValueError("annotation_id must have 1-64 characters")
