"""The methods of `ReviewService` about tasks that are not answered, and about what became of tasks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import grpc

from streamlabel.core.identity import RecordKey, check_project_name, check_record_id
from streamlabel.review.adapters.status import answer_or_abort
from streamlabel.review.aside_ports import Archive, AsideCounter
from streamlabel.review.ports import Refusal, RefusedError
from streamlabel.v1 import review_service_pb2
from streamlabel.wire import decisions, task_history

T = TypeVar("T")


class AsideMethods:
    """The part of ReviewServicer that speaks to `AsideCounter` and `Archive`; of `context` it uses `abort` alone."""

    def __init__(self, aside: AsideCounter, archive: Archive) -> None:
        self._aside = aside
        self._archive = archive

    async def SkipTask(  # noqa: N802
        self, request: review_service_pb2.SkipTaskRequest, context: grpc.aio.ServicerContext
    ) -> review_service_pb2.SkipTaskResponse:
        """To somebody else."""

        async def skip() -> review_service_pb2.SkipTaskResponse:
            reason = _member("reason", task_history.SKIP_REASONS.member, request.reason)
            escalated = await self._aside.skip(request.annotator, request.lease_token, reason, request.note)
            return review_service_pb2.SkipTaskResponse(escalated=escalated)

        return await answer_or_abort(context, skip())

    async def EscalateTask(  # noqa: N802
        self, request: review_service_pb2.EscalateTaskRequest, context: grpc.aio.ServicerContext
    ) -> review_service_pb2.EscalateTaskResponse:
        """Aside."""

        async def escalate() -> review_service_pb2.EscalateTaskResponse:
            await self._aside.escalate(request.annotator, request.lease_token, request.note)
            return review_service_pb2.EscalateTaskResponse()

        return await answer_or_abort(context, escalate())

    async def RequeueTasks(  # noqa: N802
        self, request: review_service_pb2.RequeueTasksRequest, context: grpc.aio.ServicerContext
    ) -> review_service_pb2.RequeueTasksResponse:
        """Back into the queue."""

        async def requeue() -> review_service_pb2.RequeueTasksResponse:
            return review_service_pb2.RequeueTasksResponse(requeued=await self._aside.requeue(request.project))

        return await answer_or_abort(context, requeue())

    async def GetTask(  # noqa: N802
        self, request: review_service_pb2.GetTaskRequest, context: grpc.aio.ServicerContext
    ) -> review_service_pb2.GetTaskResponse:
        """What became of it."""

        async def history() -> review_service_pb2.GetTaskResponse:
            key = _key(request.project, request.record_id)
            found = await self._archive.history(key, annotator=request.annotator)
            return review_service_pb2.GetTaskResponse(history=task_history.history_to_message(found))

        return await answer_or_abort(context, history())

    async def ListTasks(  # noqa: N802
        self, request: review_service_pb2.ListTasksRequest, context: grpc.aio.ServicerContext
    ) -> review_service_pb2.ListTasksResponse:
        """A page."""

        async def tasks() -> review_service_pb2.ListTasksResponse:
            page = await self._archive.tasks(
                request.project,
                state=_member("state", task_history.STATES.member, request.state),
                purpose=_member("purpose", decisions.PURPOSES.member, request.purpose),
                size=request.page_size,
                after=request.page_token,
            )
            return task_history.page_to_message(page)

        return await answer_or_abort(context, tasks())


def _member(field: str, of_number: Callable[[int], T], number: int) -> T | None:
    """The member of that number; None for 0, unspecified."""
    if not number:
        return None
    try:
        return of_number(number)
    except ValueError as error:
        raise RefusedError(Refusal.INVALID_ARGUMENT, field, str(error)) from error


def _key(project: str, record_id: str) -> RecordKey:
    for field, check, value in (("project", check_project_name, project), ("record_id", check_record_id, record_id)):
        try:
            check(value)
        except ValueError as error:
            raise RefusedError(Refusal.INVALID_ARGUMENT, field, str(error)) from error
    return RecordKey(project=project, record_id=record_id)
