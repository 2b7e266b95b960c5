"""`ReviewClient`: fetch tasks, answer them or not, give them back, change one's mind, look at what became of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from streamlabel.client.channel import open_channel
from streamlabel.client.refusal import CallRefusedError as CallRefusedError
from streamlabel.client.retry import Patience, asked_delay_s, is_passing, told
from streamlabel.client.review_work import WorkSession
from streamlabel.client.token import bearer
from streamlabel.core.decision import Purpose
from streamlabel.core.desk import (
    AnnotationResult,
    AnnotatorStats,
    ExtendedLeases,
    LeasedTask,
    QueueStats,
    UndoneAnnotation,
)
from streamlabel.core.history import SkipReason, TaskHistory, TaskPage, TaskState
from streamlabel.core.identity import RecordKey
from streamlabel.core.project import Project
from streamlabel.core.review import Annotation
from streamlabel.errors import TransientError
from streamlabel.v1 import review_service_pb2, review_service_pb2_grpc
from streamlabel.wire import decisions, desk, projects, task_history

_MESSAGE_MAX_BYTES = 64 * 1024 * 1024
_STATUS_DETAILS = "grpc-status-details-bin"


class ReviewClient:
    """Works at the review desk of Streamlabel.

    Every call may be repeated without harm, so the client itself repeats what fails in passing (a server that restarts, a database
    that is away) until `patience.give_up_s` have gone by without an answer; then TransientError is raised. What the service refuses
    for good is a CallRefusedError. An answer that is not accepted is no exception but a result whose status and detail say why.

    >>> async with ReviewClient("127.0.0.1:50052") as client:
    ...     async with client.work("digits", "ann") as session:
    ...         async for leased in session:
    ...             await session.answer(leased, "7")

    One client serves many tasks at once. `token` says who calls; left out, it is looked for in STREAMLABEL_TOKEN, then in the file
    that STREAMLABEL_TOKEN_FILE names. `credentials` (`grpc.ssl_channel_credentials(…)`) or STREAMLABEL_TLS_CA_FILE
    turn TLS on; `metadata` goes with each call.
    """

    def __init__(
        self,
        address: str,
        *,
        token: str | None = None,
        credentials: grpc.ChannelCredentials | None = None,
        metadata: Sequence[tuple[str, str]] = (),
        timeout_s: float = 10.0,
        patience: Patience | None = None,
    ) -> None:
        self._address = address
        self._credentials = credentials
        self._metadata = (*metadata, *bearer(token))
        self._timeout_s = timeout_s
        self._patience = patience or Patience(cap_s=2.0)
        self._channel: grpc.aio.Channel | None = None
        self._stub: Any = None

    async def __aenter__(self) -> Self:
        self._connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection; calls under way fail."""
        channel, self._channel, self._stub = self._channel, None, None
        if channel is not None:
            await channel.close(grace=None)

    def work(
        self,
        project: str,
        annotator: str,
        *,
        prefetch: int = 1,
        idle_timeout_s: float | None = None,
        escalated: bool = False,
    ) -> WorkSession:
        """A session that fetches tasks, keeps their leases alive and gives back what was not answered.

        An empty `project` means any. `prefetch` tasks are leased at once: 1 leaves most to the others. The session's loop ends
        when no task came for `idle_timeout_s`; None: never. `escalated`: tasks that were set aside, and no others; what votes left
        open is decided by the answer (`LeasedTask.voted_classes`).
        """
        return WorkSession(
            self, project, annotator, prefetch=prefetch, idle_timeout_s=idle_timeout_s, escalated=escalated
        )

    async def projects(self) -> list[Project]:
        """All projects with their taxonomies, by name."""
        response = await self._call("ListProjects", review_service_pb2.ListProjectsRequest())
        return [projects.from_message(message) for message in response.projects]

    async def lease(
        self, annotator: str, *, project: str = "", max_tasks: int = 1, wait_s: float = 0.0, escalated: bool = False
    ) -> list[LeasedTask]:
        """Up to `max_tasks` (1–100) tasks that are nobody else's; waits up to `wait_s` (at most 30) for the first.

        `escalated`: tasks that were set aside, and no others.
        """
        request = review_service_pb2.LeaseTasksRequest(
            project=project,
            annotator=annotator,
            max_tasks=max_tasks,
            wait_ms=round(wait_s * 1000),
            escalated=escalated,
        )
        response = await self._call("LeaseTasks", request, wait_s=wait_s)
        return [desk.leased_task_from_message(message) for message in response.tasks]

    async def extend(self, annotator: str, lease_tokens: Sequence[str]) -> ExtendedLeases:
        """Heartbeat: the leases that still hold, with their new expiry, and the tokens of those that are gone."""
        request = review_service_pb2.ExtendLeasesRequest(annotator=annotator, lease_tokens=lease_tokens)
        return desk.extended_from_message(await self._call("ExtendLeases", request))

    async def submit(self, annotator: str, annotations: Sequence[Annotation]) -> list[AnnotationResult]:
        """Hand in answers (at most 100); one result each, in order."""
        request = review_service_pb2.SubmitAnnotationsRequest(
            annotator=annotator, annotations=[desk.annotation_to_message(annotation) for annotation in annotations]
        )
        response = await self._call("SubmitAnnotations", request)
        return [desk.result_from_message(message) for message in response.results]

    async def release(self, annotator: str, lease_tokens: Sequence[str]) -> int:
        """Give tasks back unanswered; returns how many were still this annotator's."""
        request = review_service_pb2.ReleaseLeasesRequest(annotator=annotator, lease_tokens=lease_tokens)
        response = await self._call("ReleaseLeases", request)
        return int(response.released)

    async def skip(self, annotator: str, lease_token: str, reason: SkipReason, note: str = "") -> bool:
        """Leave a task to somebody else; True where it was set aside, as enough people have done so."""
        request = review_service_pb2.SkipTaskRequest(
            annotator=annotator,
            lease_token=lease_token,
            reason=task_history.SKIP_REASONS.number(reason),
            note=note,
        )
        response = await self._call("SkipTask", request)
        return bool(response.escalated)

    async def escalate(self, annotator: str, lease_token: str, note: str = "") -> None:
        """Set a task aside for those who ask for such tasks."""
        request = review_service_pb2.EscalateTaskRequest(annotator=annotator, lease_token=lease_token, note=note)
        await self._call("EscalateTask", request)

    async def requeue(self, project: str) -> int:
        """Put the project's tasks that were set aside back into the queue; returns how many."""
        response = await self._call("RequeueTasks", review_service_pb2.RequeueTasksRequest(project=project))
        return int(response.requeued)

    async def history(self, key: RecordKey, *, annotator: str = "") -> TaskHistory:
        """All that happened to the record's task, as far as `annotator` may know it; empty: everything."""
        request = review_service_pb2.GetTaskRequest(project=key.project, record_id=key.record_id, annotator=annotator)
        return task_history.history_from_message((await self._call("GetTask", request)).history)

    async def tasks(
        self,
        project: str,
        *,
        state: TaskState | None = None,
        purpose: Purpose | None = None,
        page_size: int = 100,
        page_token: str = "",
    ) -> TaskPage:
        """The project's tasks in the order in which they came; `next_token` of one page is `page_token` of the next.

        A page may have fewer tasks than asked for, or none, and not be the last.
        """
        request = review_service_pb2.ListTasksRequest(
            project=project,
            state=task_history.STATES.number(state) if state else None,
            purpose=decisions.PURPOSES.number(purpose) if purpose else None,
            page_size=page_size,
            page_token=page_token,
        )
        return task_history.page_from_message(await self._call("ListTasks", request))

    async def undo(self, annotator: str, annotation_id: str) -> UndoneAnnotation:
        """Take back one's own answer; its task is leased to the annotator again."""
        request = review_service_pb2.UndoAnnotationRequest(annotator=annotator, annotation_id=annotation_id)
        return desk.undone_from_message(await self._call("UndoAnnotation", request))

    async def stats(self, project: str = "") -> list[QueueStats]:
        """The queue of one project, or of each."""
        response = await self._call("GetQueueStats", review_service_pb2.GetQueueStatsRequest(project=project))
        return [desk.queue_from_message(message) for message in response.queues]

    async def annotators(self, project: str, *, within_s: float = 0.0) -> list[AnnotatorStats]:
        """The people of a project, by name, and what they did in the last `within_s` (at most 90 days; 0: a week)."""
        request = review_service_pb2.GetAnnotatorStatsRequest(project=project, within_s=round(within_s))
        response = await self._call("GetAnnotatorStats", request)
        return [desk.annotator_from_message(message) for message in response.annotators]

    async def _call(self, method: str, request: Any, *, wait_s: float = 0.0) -> Any:
        """Call until there is an answer."""
        attempt, began_s = 0, time.monotonic()
        while True:
            call = getattr(self._connect(), method)
            try:
                return await call(request, timeout=self._timeout_s + wait_s, metadata=self._metadata)
            except grpc.aio.AioRpcError as error:
                if not is_passing(error):
                    field = field_of(error)
                    raise CallRefusedError(error.code().name, field, error.details() or "") from error
                attempt += 1
                why, pause_s = told(error), asked_delay_s(error)
            limit_s = self._patience.give_up_s
            if limit_s is not None and time.monotonic() - began_s > limit_s + wait_s:
                raise TransientError(f"{self._address} gave no answer for {limit_s:g} s: {why}")
            await asyncio.sleep(self._patience.delay_s(attempt, at_least_s=pause_s))

    def _connect(self) -> Any:
        if self._channel is None:
            self._channel = open_channel(self._address, self._credentials, message_max_bytes=_MESSAGE_MAX_BYTES)
            self._stub = review_service_pb2_grpc.ReviewServiceStub(self._channel)  # type: ignore[no-untyped-call]
        return self._stub


def field_of(error: grpc.aio.AioRpcError) -> str:
    """The first field that google.rpc.BadRequest names; empty where there is none."""
    for name, value in error.trailing_metadata() or ():
        if name != _STATUS_DETAILS or not isinstance(value, bytes):
            continue
        bad_request = error_details_pb2.BadRequest()
        try:
            details = status_pb2.Status.FromString(value).details
        except DecodeError:
            return ""
        for detail in details:
            if detail.Unpack(bad_request) and bad_request.field_violations:
                return str(bad_request.field_violations[0].field)
    return ""
