"""`ReviewService` over gRPC; the web page calls the same methods through its JSON face.

What fails says so precisely (`status.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

import grpc

from streamlabel.core.review import Annotation
from streamlabel.review.adapters.aside_service import AsideMethods
from streamlabel.review.adapters.status import answer_or_abort
from streamlabel.review.aside_ports import Archive, AsideCounter
from streamlabel.review.ports import Desk, Refusal, RefusedError
from streamlabel.v1 import review_pb2, review_service_pb2, review_service_pb2_grpc
from streamlabel.wire import desk as wire_desk
from streamlabel.wire import projects as wire_projects

SERVICE_NAME = review_service_pb2.DESCRIPTOR.services_by_name["ReviewService"].full_name


class ReviewServicer(AsideMethods, review_service_pb2_grpc.ReviewServiceServicer):
    """The methods of ReviewService; of `context` they use `abort` alone."""

    def __init__(self, desk: Desk, aside: AsideCounter, archive: Archive) -> None:
        super().__init__(aside, archive)
        self._desk = desk

    def register(self, server: grpc.aio.Server) -> None:
        """Add the service to `server`."""
        review_service_pb2_grpc.add_ReviewServiceServicer_to_server(self, server)  # type: ignore[no-untyped-call]

    async def ListProjects(  # noqa: N802
        self, _request: review_service_pb2.ListProjectsRequest, _context: grpc.aio.ServicerContext
    ) -> review_service_pb2.ListProjectsResponse:
        """All projects."""
        return review_service_pb2.ListProjectsResponse(
            projects=[wire_projects.to_message(project) for project in self._desk.projects()]
        )

    async def LeaseTasks(  # noqa: N802
        self, request: review_service_pb2.LeaseTasksRequest, context: grpc.aio.ServicerContext
    ) -> review_service_pb2.LeaseTasksResponse:
        """Up to max_tasks tasks."""

        async def lease() -> review_service_pb2.LeaseTasksResponse:
            tasks = await self._desk.lease(
                request.annotator,
                project=request.project,
                max_tasks=request.max_tasks,
                wait_s=request.wait_ms / 1000,
                escalated=request.escalated,
            )
            return review_service_pb2.LeaseTasksResponse(tasks=map(wire_desk.leased_task_to_message, tasks))

        return await answer_or_abort(context, lease())

    async def ExtendLeases(  # noqa: N802
        self, request: review_service_pb2.ExtendLeasesRequest, context: grpc.aio.ServicerContext
    ) -> review_service_pb2.ExtendLeasesResponse:
        """The heartbeat."""

        async def extend() -> review_service_pb2.ExtendLeasesResponse:
            extended = await self._desk.extend(request.annotator, request.lease_tokens)
            return wire_desk.extended_to_message(extended)

        return await answer_or_abort(context, extend())

    async def SubmitAnnotations(  # noqa: N802
        self, request: review_service_pb2.SubmitAnnotationsRequest, context: grpc.aio.ServicerContext
    ) -> review_service_pb2.SubmitAnnotationsResponse:
        """One result an annotation."""

        async def submit() -> review_service_pb2.SubmitAnnotationsResponse:
            results = await self._desk.submit(request.annotator, _annotations(request.annotations))
            return review_service_pb2.SubmitAnnotationsResponse(results=map(wire_desk.result_to_message, results))

        return await answer_or_abort(context, submit())

    async def ReleaseLeases(  # noqa: N802
        self, request: review_service_pb2.ReleaseLeasesRequest, context: grpc.aio.ServicerContext
    ) -> review_service_pb2.ReleaseLeasesResponse:
        """Tasks back into the queue."""

        async def release() -> review_service_pb2.ReleaseLeasesResponse:
            released = await self._desk.release(request.annotator, request.lease_tokens)
            return review_service_pb2.ReleaseLeasesResponse(released=released)

        return await answer_or_abort(context, release())

    async def UndoAnnotation(  # noqa: N802
        self, request: review_service_pb2.UndoAnnotationRequest, context: grpc.aio.ServicerContext
    ) -> review_service_pb2.UndoAnnotationResponse:
        """The answer back, the task leased again."""

        async def undo() -> review_service_pb2.UndoAnnotationResponse:
            return wire_desk.undone_to_message(await self._desk.undo(request.annotator, request.annotation_id))

        return await answer_or_abort(context, undo())

    async def GetQueueStats(  # noqa: N802
        self, request: review_service_pb2.GetQueueStatsRequest, context: grpc.aio.ServicerContext
    ) -> review_service_pb2.GetQueueStatsResponse:
        """The queues."""

        async def stats() -> review_service_pb2.GetQueueStatsResponse:
            queues = await self._desk.stats(request.project)
            return review_service_pb2.GetQueueStatsResponse(queues=map(wire_desk.queue_to_message, queues))

        return await answer_or_abort(context, stats())

    async def GetAnnotatorStats(  # noqa: N802
        self, request: review_service_pb2.GetAnnotatorStatsRequest, context: grpc.aio.ServicerContext
    ) -> review_service_pb2.GetAnnotatorStatsResponse:
        """The people of a project."""

        async def people() -> review_service_pb2.GetAnnotatorStatsResponse:
            found = await self._desk.annotators(request.project, request.within_s)
            return review_service_pb2.GetAnnotatorStatsResponse(annotators=map(wire_desk.annotator_to_message, found))

        return await answer_or_abort(context, people())


def _annotations(messages: Sequence[review_pb2.Annotation]) -> list[Annotation]:
    found = []
    for index, message in enumerate(messages):
        try:
            found.append(wire_desk.annotation_from_message(message))
        except ValueError as error:
            raise RefusedError(Refusal.INVALID_ARGUMENT, f"annotations[{index}]", str(error)) from error
    return found
