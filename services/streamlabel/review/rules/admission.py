"""Which tasks are taken in."""

from __future__ import annotations

from streamlabel.core.project import MOST_VOTES, Project
from streamlabel.core.record import kind_of
from streamlabel.core.review import ReviewTask
from streamlabel.core.submission import Reason
from streamlabel.errors import InvalidMessageError

UNSUPPORTED_VOTES = "UNSUPPORTED_VOTES"


def admit(task: ReviewTask, key: bytes, project: Project | None) -> None:
    """Raises InvalidMessageError where nobody could ever answer this task as it is meant."""
    if key != task.key.encode():
        raise InvalidMessageError(Reason.MALFORMED, f"the message's key is not that of its record, {task.key}")
    if not task.model_name.isprintable():
        raise InvalidMessageError(Reason.MALFORMED, "model_name has control or invisible characters")
    if project is None:
        raise InvalidMessageError(Reason.UNKNOWN_PROJECT, f"there is no project {task.key.project!r}")
    kind = kind_of(task.record.payload)
    if kind is not project.payload_kind:
        raise InvalidMessageError(
            Reason.PAYLOAD_KIND_MISMATCH,
            f"project {project.name!r} takes {project.payload_kind.value}, this record is {kind.value}",
        )
    if task.needed_votes > MOST_VOTES:
        detail = f"the task needs {task.needed_votes} votes; at most {MOST_VOTES} people are asked about a record"
        raise InvalidMessageError(UNSUPPORTED_VOTES, detail)


def conflicting(task: ReviewTask) -> InvalidMessageError:
    """What a task is whose record id is taken by another content."""
    return InvalidMessageError(
        Reason.CONFLICTING_RECORD,
        f"{task.key} is in the queue with another content; a record never changes under its id",
    )
