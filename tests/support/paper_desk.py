"""A ReviewService in memory: what the page needs of a desk, on paper, for tests of the page alone."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import grpc

from streamlabel.v1 import project_pb2, review_pb2, review_service_pb2
from streamlabel.v1.review_service_pb2 import AnnotationStatus, LostReason

ACCEPTED = AnnotationStatus.ANNOTATION_STATUS_ACCEPTED
DUPLICATE = AnnotationStatus.ANNOTATION_STATUS_DUPLICATE
SUPERSEDED = AnnotationStatus.ANNOTATION_STATUS_SUPERSEDED
TAKEN = LostReason.LOST_REASON_TAKEN
REJECTED = AnnotationStatus.ANNOTATION_STATUS_REJECTED


@dataclass
class Sheet:
    """One task on the desk."""

    task: review_pb2.ReviewTask
    fencing: int = 0
    token: str = ""
    owner: str = ""
    until_s: float = 0.0
    answer: review_pb2.Annotation | None = None
    answered_by: str = ""
    earlier: list[str] = field(default_factory=list)
    withdrawn: bool = False

    @property
    def is_free(self) -> bool:
        return self.answer is None and not self.withdrawn and (not self.token or self.until_s <= time.time())


@dataclass
class PaperDesk:
    """Hands out tasks in the order in which they were put; `lease_s` is how long a lease lasts."""

    lease_s: float = 60.0
    projects: dict[str, project_pb2.Project] = field(default_factory=dict)
    sheets: dict[str, Sheet] = field(default_factory=dict)
    submissions: list[review_pb2.Annotation] = field(default_factory=list)
    statuses: dict[str, Any] = field(default_factory=dict)
    released: int = 0
    skips: list[Any] = field(default_factory=list)
    escalated: list[Any] = field(default_factory=list)
    begun: int = 0
    extended: int = 0

    def __post_init__(self) -> None:
        self._news = asyncio.Condition()
        self._tokens: Iterator[int] = itertools.count(1)

    async def put(self, *tasks: review_pb2.ReviewTask) -> None:
        """New work."""
        for task in tasks:
            self.sheets[f"{task.record.project}/{task.record.record_id}"] = Sheet(task=task)
        await self._tell()

    async def take_away(self, task_id: str) -> None:
        """Somebody else has the task now."""
        sheet = self.sheets[task_id]
        self._hand_to(sheet, "somebody else")
        await self._tell()

    def withdraw(self, task_id: str) -> None:
        """No answer is wanted any more."""
        self.sheets[task_id].withdrawn = True

    def answers(self) -> dict[str, str]:
        """Task id → class name, for the tasks that were answered."""
        return {key: sheet.answer.class_name for key, sheet in self.sheets.items() if sheet.answer is not None}

    def held_by(self, owner: str) -> list[str]:
        """Tasks that this annotator holds just now."""
        return [
            key
            for key, sheet in self.sheets.items()
            if sheet.owner == owner and sheet.answer is None and sheet.token and not sheet.is_free
        ]

    async def ListProjects(self, request: Any, context: Any) -> Any:
        return review_service_pb2.ListProjectsResponse(projects=self.projects.values())

    async def LeaseTasks(self, request: Any, context: Any) -> Any:
        if not 1 <= len(request.annotator) <= 128:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "annotator must have 1-128 characters")
        if request.project and request.project not in self.projects:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"no project {request.project!r}")
        deadline = time.monotonic() + request.wait_ms / 1000
        while True:
            free = [s for s in self.sheets.values() if s.is_free and request.project in ("", s.task.record.project)]
            left_s = deadline - time.monotonic()
            if free or left_s <= 0:
                leased = [self._lease(sheet, request.annotator) for sheet in free[: request.max_tasks]]
                return review_service_pb2.LeaseTasksResponse(tasks=leased)
            await self._wait(min(left_s, 0.5))

    async def ExtendLeases(self, request: Any, context: Any) -> Any:
        answer = review_service_pb2.ExtendLeasesResponse()
        for token in request.lease_tokens:
            sheet = self._find(token)
            if sheet is None or sheet.is_free or sheet.answer is not None or sheet.withdrawn:
                answer.lost_lease_tokens.append(token)
                withdrawn = sheet is not None and sheet.withdrawn
                answer.lost.add(lease_token=token, reason=LostReason.LOST_REASON_WITHDRAWN if withdrawn else TAKEN)
                continue
            sheet.until_s = time.time() + self.lease_s
            self.extended += 1
            answer.leases.append(self._lease_of(sheet))
        return answer

    async def SubmitAnnotations(self, request: Any, context: Any) -> Any:
        answer = review_service_pb2.SubmitAnnotationsResponse()
        for annotation in request.annotations:
            self.submissions.append(annotation)
            status, detail = self._take(annotation, request.annotator)
            self.statuses.setdefault(annotation.annotation_id, status)
            answer.results.add(annotation_id=annotation.annotation_id, status=status, detail=detail)
        return answer

    async def ReleaseLeases(self, request: Any, context: Any) -> Any:
        count = 0
        for token in request.lease_tokens:
            sheet = self._find(token)
            if sheet is not None and sheet.answer is None:
                await self._put_last(sheet)
                count += 1
        self.released += count
        return review_service_pb2.ReleaseLeasesResponse(released=count)

    async def SkipTask(self, request: Any, context: Any) -> Any:
        sheet = self._find(request.lease_token)
        if sheet is None or sheet.answer is not None:
            return await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "the lease is gone")
        self.skips.append(request)
        await self._put_last(sheet)
        return review_service_pb2.SkipTaskResponse()

    async def EscalateTask(self, request: Any, context: Any) -> Any:
        sheet = self._find(request.lease_token)
        if sheet is None or sheet.answer is not None:
            return await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "the lease is gone")
        self.escalated.append(request)
        del self.sheets[f"{sheet.task.record.project}/{sheet.task.record.record_id}"]
        return review_service_pb2.EscalateTaskResponse()

    async def RequeueTasks(self, request: Any, context: Any) -> Any:
        return await context.abort(grpc.StatusCode.UNIMPLEMENTED, "not on paper")

    async def GetTask(self, request: Any, context: Any) -> Any:
        return await context.abort(grpc.StatusCode.UNIMPLEMENTED, "not on paper")

    async def ListTasks(self, request: Any, context: Any) -> Any:
        return await context.abort(grpc.StatusCode.UNIMPLEMENTED, "not on paper")

    async def UndoAnnotation(self, request: Any, context: Any) -> Any:
        for sheet in self.sheets.values():
            if sheet.answer is not None and sheet.answer.annotation_id == request.annotation_id:
                name = sheet.answer.class_name
                sheet.answer = None
                return review_service_pb2.UndoAnnotationResponse(
                    task=self._lease(sheet, request.annotator), class_name=name
                )
        return await context.abort(grpc.StatusCode.NOT_FOUND, "no such answer of yours")

    async def GetAnnotatorStats(self, request: Any, context: Any) -> Any:
        return review_service_pb2.GetAnnotatorStatsResponse()

    async def GetQueueStats(self, request: Any, context: Any) -> Any:
        answer = review_service_pb2.GetQueueStatsResponse()
        for name in self.projects:
            if request.project not in ("", name):
                continue
            mine = [sheet for sheet in self.sheets.values() if sheet.task.record.project == name]
            stats = answer.queues.add(
                project=name,
                open_tasks=sum(sheet.is_free for sheet in mine) + self.begun,
                begun_tasks=self.begun,
                leased_tasks=sum(sheet.answer is None and not sheet.is_free for sheet in mine),
                answered_tasks=sum(sheet.answer is not None for sheet in mine),
                answers_per_minute=12.5,
            )
            if stats.open_tasks:
                stats.oldest_at.FromMilliseconds(int((time.time() - 190) * 1000))
        return answer

    async def _put_last(self, sheet: Sheet) -> None:
        """Free; what was skipped comes last, or a single annotator would get it back at once."""
        sheet.token, sheet.owner = "", ""
        key = f"{sheet.task.record.project}/{sheet.task.record.record_id}"
        self.sheets[key] = self.sheets.pop(key)
        await self._tell()

    def _take(self, annotation: review_pb2.Annotation, annotator: str) -> tuple[Any, str]:
        if annotation.annotation_id in self.statuses:
            return DUPLICATE, ""
        sheet = self._find(annotation.lease_token) or self._leased_anew(annotation.lease_token, annotator)
        if sheet is None:
            return SUPERSEDED, "the lease ran out and the task went to somebody else"
        names = {definition.name for definition in self.projects[sheet.task.record.project].taxonomy.classes}
        if annotation.class_name not in names:
            return REJECTED, f"class {annotation.class_name!r} is not in the taxonomy"
        sheet.answer, sheet.answered_by = annotation, annotator
        return ACCEPTED, ""

    def _find(self, token: str) -> Sheet | None:
        return next((sheet for sheet in self.sheets.values() if token and sheet.token == token), None)

    def _leased_anew(self, token: str, annotator: str) -> Sheet | None:
        """The task of an older lease, where the same person has it again."""
        return next((s for s in self.sheets.values() if token in s.earlier and s.owner == annotator), None)

    def _hand_to(self, sheet: Sheet, annotator: str) -> None:
        sheet.fencing += 1
        sheet.earlier.append(sheet.token)
        sheet.token = f"lease-{next(self._tokens)}"
        sheet.owner = annotator
        sheet.until_s = time.time() + self.lease_s

    def _lease(self, sheet: Sheet, annotator: str) -> review_service_pb2.LeasedTask:
        self._hand_to(sheet, annotator)
        return review_service_pb2.LeasedTask(lease=self._lease_of(sheet), task=sheet.task)

    def _lease_of(self, sheet: Sheet) -> review_pb2.Lease:
        record = sheet.task.record
        lease = review_pb2.Lease(
            task_id=f"{record.project}/{record.record_id}",
            lease_token=sheet.token,
            fencing_token=sheet.fencing,
            lasts_ms=int(self.lease_s * 1000),
        )
        lease.expires_at.FromMilliseconds(int(sheet.until_s * 1000))
        return lease

    async def _wait(self, timeout_s: float) -> None:
        try:
            async with asyncio.timeout(timeout_s), self._news:
                await self._news.wait()
        except TimeoutError:
            return

    async def _tell(self) -> None:
        async with self._news:
            self._news.notify_all()
