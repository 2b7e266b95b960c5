"""Tasks that are not answered: skipped, set aside, put back; and what became of each."""

from __future__ import annotations

from streamlabel.core.decision import Purpose
from streamlabel.core.history import EscalationReason, SkipReason, TaskHistory, TaskPage, TaskState
from streamlabel.core.identity import RecordKey
from streamlabel.errors import TransientError
from streamlabel.review.aside_ports import AsideObserver, Ending, Skips, TaskRecords
from streamlabel.review.ports import Projects, Refusal, RefusedError
from streamlabel.review.requests import check_annotator, check_note, check_range
from streamlabel.review.rules.aside import AsideLimits, Unanswered, after_skip, as_told_to
from streamlabel.review.rules.tokens import Grant, TokenSeal

# A task changes under a skip only when somebody else is at it: a few looks settle that.
_MAX_LOOKS = 8
_PAGE_SIZE = 100
_MAX_PAGE_SIZE = 500
_MAX_TICKET = 2**63 - 1


class AsideDesk:
    """Keeps the promises of `aside_ports.AsideCounter`: nothing is dropped, and nothing goes round for ever."""

    def __init__(
        self, *, projects: Projects, skips: Skips, observer: AsideObserver, seal: TokenSeal, limits: AsideLimits
    ) -> None:
        self._projects = projects
        self._skips = skips
        self._observer = observer
        self._seal = seal
        self._limits = limits

    async def skip(self, annotator: str, lease_token: str, reason: SkipReason | None, note: str = "") -> bool:
        """The task goes to somebody else; True where it was set aside instead. The same call again changes nothing."""
        grant = self._grant(annotator, lease_token, note)
        if reason is None:
            raise RefusedError(Refusal.INVALID_ARGUMENT, "reason", "must say why the task is not answered")
        return await self._end(annotator, grant, reason, note) is not None

    async def escalate(self, annotator: str, lease_token: str, note: str = "") -> None:
        """Set the task aside for those who ask for such tasks. The same call again changes nothing."""
        await self._end(annotator, self._grant(annotator, lease_token, note), None, note)

    async def requeue(self, project: str) -> int:
        """Put back what was set aside, as if nobody had seen it; returns how many tasks."""
        if self._projects.get(project) is None:
            raise RefusedError(Refusal.NOT_FOUND, "project", f"there is no project {project[:80]!r}")
        return await self._skips.requeue(project)

    async def _end(self, annotator: str, grant: Grant, reason: SkipReason | None, note: str) -> EscalationReason | None:
        for _ in range(_MAX_LOOKS):
            found = await self._skips.look(annotator, grant)
            if found is None:
                raise RefusedError(Refusal.NOT_FOUND, "lease_token", "the task no longer exists")
            if found.was_skipped:
                return found.escalation
            self._check(found)
            end = self._ending(found, annotator, reason, note)
            if await self._skips.put_back(annotator, grant, found, end):
                if reason is not None:
                    self._observer.skipped(found.project, found.purpose, reason)
                if end.escalation is not None and found.escalation is None:
                    self._observer.escalated(found.project, found.purpose, end.escalation)
                return end.escalation
        raise TransientError("the task changes too fast; try again")

    def _ending(self, found: Unanswered, annotator: str, reason: SkipReason | None, note: str) -> Ending:
        if reason is None:
            return Ending(reason=None, note=note, escalation=found.escalation or EscalationReason.BY_PERSON)
        return Ending(reason=reason, note=note, escalation=after_skip(found, annotator, self._limits))

    def _check(self, found: Unanswered) -> None:
        if self._projects.get(found.project) is None:
            detail = f"the task is withdrawn: project {found.project!r} no longer exists"
            raise RefusedError(Refusal.FAILED_PRECONDITION, "lease_token", detail)
        if found.state is TaskState.ANSWERED:
            raise RefusedError(Refusal.FAILED_PRECONDITION, "lease_token", "the task has its answer")
        if not found.holds:
            detail = "the lease is gone: it ran out or was given back, and the task has gone on since"
            raise RefusedError(Refusal.FAILED_PRECONDITION, "lease_token", detail)

    def _grant(self, annotator: str, lease_token: str, note: str) -> Grant:
        check_annotator(annotator)
        check_note(note)
        grant = self._seal.read(lease_token, annotator)
        if grant is None:
            detail = "lease_token is unknown, or was given to another annotator"
            raise RefusedError(Refusal.NOT_FOUND, "lease_token", detail)
        return grant


class TaskArchive:
    """Keeps the promises of `aside_ports.Archive`."""

    def __init__(self, *, projects: Projects, records: TaskRecords) -> None:
        self._projects = projects
        self._records = records

    async def history(self, key: RecordKey, *, annotator: str = "") -> TaskHistory:
        """All that happened to a record's task, as far as `annotator` may know it; empty: everything."""
        if annotator:
            check_annotator(annotator)
        found = await self._records.find(key)
        if found is not None:
            return as_told_to(found, annotator)
        if self._projects.get(key.project) is None:
            raise RefusedError(Refusal.NOT_FOUND, "project", f"there is no project {key.project!r}")
        detail = f"no person was asked about {key.record_id[:80]!r} of project {key.project!r}"
        raise RefusedError(Refusal.NOT_FOUND, "record_id", detail)

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
        if self._projects.get(project) is None:
            raise RefusedError(Refusal.NOT_FOUND, "project", f"there is no project {project[:80]!r}")
        check_range("page_size", size, 0, _MAX_PAGE_SIZE)
        page, behind = await self._records.page(project, state, purpose, size or _PAGE_SIZE, _ticket(after))
        return TaskPage(tasks=page.tasks, next_token=str(behind) if behind else "")


def _ticket(token: str) -> int:
    if not token:
        return 0
    if not (token.isascii() and token.isdigit() and len(token) <= 19 and int(token) <= _MAX_TICKET):
        raise RefusedError(Refusal.INVALID_ARGUMENT, "page_token", "must be the next_page_token of an earlier page")
    return int(token)
