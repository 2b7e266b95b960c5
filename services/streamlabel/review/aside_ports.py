"""What people who do not answer ask of the desk, who reads the history of tasks, and what both need of the world."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from streamlabel.core.decision import Purpose
from streamlabel.core.history import EscalationReason, SkipReason, TaskHistory, TaskPage, TaskState
from streamlabel.core.identity import RecordKey
from streamlabel.review.rules.aside import Unanswered
from streamlabel.review.rules.tokens import Grant

# What the world may ask.


class AsideCounter(Protocol):
    """Where people say that they do not answer; kept by `aside.AsideDesk`."""

    async def skip(self, annotator: str, lease_token: str, reason: SkipReason | None, note: str = "") -> bool:
        """The task goes to somebody else; True where it was set aside instead. The same call again changes nothing."""
        ...

    async def escalate(self, annotator: str, lease_token: str, note: str = "") -> None:
        """Set the task aside for those who ask for such tasks. The same call again changes nothing."""
        ...

    async def requeue(self, project: str) -> int:
        """Put back what was set aside, as if nobody had seen it; returns how many tasks."""
        ...


class Archive(Protocol):
    """Where one reads what became of tasks; kept by `aside.TaskArchive`."""

    async def history(self, key: RecordKey, *, annotator: str = "") -> TaskHistory:
        """All that happened to a record's task, as far as `annotator` may know it; empty: everything."""
        ...

    async def tasks(
        self,
        project: str,
        *,
        state: TaskState | None = None,
        purpose: Purpose | None = None,
        size: int = 0,
        after: str = "",
    ) -> TaskPage:
        """The project's tasks in the order in which they came, a page at a time; a page may be empty and not the last."""
        ...


# What is needed of the world.


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """Why a lease ends without an answer: a skip has a reason, an escalation by the person has none. With an `escalation` the task is
    set aside."""

    reason: SkipReason | None
    note: str
    escalation: EscalationReason | None


class Skips(Protocol):
    """Tasks that people do not answer."""

    async def look(self, annotator: str, grant: Grant) -> Unanswered | None:
        """How the task of the grant stands; None where there is none."""
        ...

    async def put_back(self, annotator: str, grant: Grant, found: Unanswered, end: Ending) -> bool:
        """Keep why the lease ends, and free the task or set it aside, in one transaction; False where it changed since `found`."""
        ...

    async def requeue(self, project: str) -> int:
        """Put back what was set aside, in bounded steps; returns how many tasks."""
        ...


class Attendance(Protocol):
    """Who works on what."""

    async def came(self, annotator: str, project: str) -> None:
        """Note that a person asked for tasks of the project (empty: of any) just now; cheap, however often."""
        ...


class TaskRecords(Protocol):
    """What is known of tasks."""

    async def find(self, key: RecordKey) -> TaskHistory | None: ...

    async def page(
        self, project: str, state: TaskState | None, purpose: Purpose | None, size: int, after_ticket: int
    ) -> tuple[TaskPage, int]:
        """Up to `size` tasks behind that ticket, found in bounded work, and the ticket behind which to go on; 0: there is no more."""
        ...


class AsideObserver(Protocol):
    """Who counts what people do not answer."""

    def skipped(self, project: str, purpose: Purpose, reason: SkipReason) -> None: ...

    def escalated(self, project: str, purpose: Purpose, reason: EscalationReason, count: int = 1) -> None: ...
