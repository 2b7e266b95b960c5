"""What becomes of a task that somebody did not answer."""

from __future__ import annotations

from dataclasses import dataclass, replace

from streamlabel.core.decision import Purpose
from streamlabel.core.history import EscalationReason, TaskEvent, TaskEventKind, TaskHistory, TaskState, TaskSummary

# Nobody else is there to be asked where one person is alone: they may look again later.
_COMPANY = 2
# What somebody who could still answer may know that others did: that, not who nor what.
_TOLD_TO_ALL = frozenset(
    {TaskEventKind.ARRIVED, TaskEventKind.EXPIRED, TaskEventKind.ESCALATED, TaskEventKind.REQUEUED}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AsideLimits:
    """After how many people who skipped it, and how many leases that ended without an answer, a task is set aside."""

    skippers: int = 3
    attempts: int = 5

    def __post_init__(self) -> None:
        if self.skippers < 1 or self.attempts < 1:
            raise ValueError("a task is set aside after one skip and one lease at the earliest")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unanswered:
    """A task under a lease that its person wants to end without an answer, all of it read at once.

    `holds`: the lease is the task's latest one, and nobody has answered since. `was_skipped`: this very lease was ended so before, and
    `escalation` is what came of it; otherwise it is why the task was set aside before it was leased. `there` are the people who work
    on the project now.
    """

    project: str
    purpose: Purpose
    state: TaskState
    fencing_token: int
    holds: bool
    was_skipped: bool
    skipped_by: tuple[str, ...]
    attempts: int
    there: frozenset[str]
    escalation: EscalationReason | None = None


def after_skip(found: Unanswered, annotator: str, limits: AsideLimits) -> EscalationReason | None:
    """Why the task is set aside once `annotator` has skipped it too; None: it goes to somebody else."""
    if found.escalation is not None:
        return found.escalation
    skippers = {*found.skipped_by, annotator}
    there = found.there | {annotator}
    if len(skippers) >= limits.skippers or (len(there) >= _COMPANY and there <= skippers):
        return EscalationReason.SKIPPED
    return EscalationReason.ATTEMPTS if found.attempts + 1 >= limits.attempts else None


def could_answer(history: TaskHistory, annotator: str) -> bool:
    """Whether an answer of `annotator` may still count: the task has no label, or rests on what they said and could take back."""
    if history.task.state is not TaskState.ANSWERED:
        return True
    standing = False
    for event in history.events:
        if event.annotator == annotator and event.kind is TaskEventKind.ANSWERED:
            standing = True
        elif event.annotator == annotator and event.kind is TaskEventKind.RETRACTED:
            standing = False
    return standing


def as_told_to(history: TaskHistory, annotator: str) -> TaskHistory:
    """The history as `annotator` may see it; empty: an operator, who sees everything.

    Somebody who could still answer learns nothing of what others said, nor that they were asked; of a blind task nothing of the model.
    """
    if not annotator or not could_answer(history, annotator):
        return history
    events = tuple(each for event in history.events if (each := _told(event, annotator)) is not None)
    own = sum(event.kind is TaskEventKind.ANSWERED for event in events)
    own -= sum(event.kind is TaskEventKind.RETRACTED for event in events)
    lease = history.lease
    told = replace(
        history,
        task=_told_task(history.task, votes=max(0, own)),
        decision=replace(history.decision, needed_votes=1),
        lease=lease if lease is None or lease.annotator == annotator else replace(lease, annotator=""),
        events=events,
    )
    if not history.task.blind:
        return told
    decision = replace(told.decision, score=0.0, threshold=0.0)
    return replace(told, decision=decision, suggestion=None, model_name="", model_version=0)


def _told(event: TaskEvent, annotator: str) -> TaskEvent | None:
    if event.annotator == annotator:
        return replace(event, revision=0)
    if event.kind not in _TOLD_TO_ALL or event.escalation is EscalationReason.CONTESTED:
        return None
    return replace(event, annotator="", note="")


def _told_task(task: TaskSummary, votes: int) -> TaskSummary:
    """Begun would tell that somebody has voted, and contested that several have."""
    is_contested = task.escalation is EscalationReason.CONTESTED
    return replace(
        task,
        state=TaskState.READY if is_contested or task.state is TaskState.BEGUN else task.state,
        escalation=None if is_contested else task.escalation,
        needed_votes=1,
        votes=votes,
        revision=0,
        attempts=0,
    )
