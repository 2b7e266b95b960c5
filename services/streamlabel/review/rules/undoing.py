"""Which answer may be taken back."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from streamlabel.core.desk import AnnotationStatus
from streamlabel.review.rules.answers import TaskState


@dataclass(frozen=True, slots=True, kw_only=True)
class PastAnswer:
    """An answer as it is kept, and how its task stands now.

    `is_current`: no later answer has replaced it; a vote, one answer of several, is never replaced; but the task
    `was_decided` where somebody adjudicated, seeing the votes. `undone_under`: the
    fencing token of the lease that its undo gave, or None while it stands. `fencing_token`, `held_by_annotator` and
    `held_by_another` are of the task's latest lease.
    """

    annotation_id: str
    ticket: int
    class_name: str
    status: AnnotationStatus
    state: TaskState
    fencing_token: int
    held_by_annotator: bool
    is_current: bool
    undone_under: int | None
    held_by_another: bool = False
    was_decided: bool = False
    is_vote: bool = False


class Undoability(Enum):
    """Whether an answer can be taken back: now, or it was already and the lease of that undo still holds, or not as things stand."""

    NOW = "now"
    DONE = "done"
    NEVER = "never"


def undoability(past: PastAnswer) -> tuple[Undoability, str]:
    """The answer's undoability, and for NEVER the reason in words."""
    if past.status is not AnnotationStatus.ACCEPTED:
        return Undoability.NEVER, "only an accepted answer can be taken back; this one was kept as a second opinion"
    if past.undone_under is not None:
        if past.held_by_annotator and past.undone_under == past.fencing_token:
            return Undoability.DONE, ""
        return Undoability.NEVER, "the answer was taken back before, and the lease for another one is gone"
    if not past.is_current or (past.state is not TaskState.ANSWERED and not past.is_vote):
        return Undoability.NEVER, "a later answer has replaced this one"
    if past.is_vote and past.was_decided:
        return Undoability.NEVER, "somebody has decided since, by the votes as they were"
    if past.held_by_another:
        return Undoability.NEVER, "another person has the task in hand; the answer can be taken back once they are done"
    return Undoability.NOW, ""
