"""A real gRPC server whose IngestService does what a test says, to see what a client makes of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import grpc
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2

from streamlabel.v1 import ingest_service_pb2, ingest_service_pb2_grpc, record_pb2

ACCEPTED = ingest_service_pb2.RECORD_STATUS_ACCEPTED
UNAVAILABLE = ingest_service_pb2.RECORD_STATUS_UNAVAILABLE
REJECTED = ingest_service_pb2.RECORD_STATUS_REJECTED

Status = ingest_service_pb2.RecordStatus


class ScriptedIngest(ingest_service_pb2_grpc.IngestServiceServicer):
    """Keeps what came. `before_call` may abort a call, `judge` gives the status of each record, `break_after` cuts streams."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.streams: list[list[str]] = []
        self.before_call: Callable[[int, grpc.aio.ServicerContext], Awaitable[None]] | None = None
        self.judge: Callable[[record_pb2.Record, int], Status] = lambda record, seen: ACCEPTED
        self.break_after: list[int] = []
        self.seen: dict[str, int] = {}

    def result(self, record: record_pb2.Record) -> ingest_service_pb2.RecordResult:
        seen = self.seen[record.record_id] = self.seen.get(record.record_id, 0) + 1
        status = self.judge(record, seen)
        reason = "" if status == ACCEPTED else "SCRIPTED"
        return ingest_service_pb2.RecordResult(
            record_id=record.record_id, status=status, reason=reason, detail="script"
        )

    async def IngestRecords(self, request, context):  # type: ignore[no-untyped-def]
        self.calls.append([record.record_id for record in request.records])
        if self.before_call is not None:
            await self.before_call(len(self.calls), context)
        return ingest_service_pb2.IngestRecordsResponse(results=[self.result(record) for record in request.records])

    async def StreamRecords(self, requests, context):  # type: ignore[no-untyped-def]
        stream: list[str] = []
        self.streams.append(stream)
        if self.before_call is not None:
            await self.before_call(len(self.streams), context)
        limit = self.break_after.pop(0) if self.break_after else None
        async for request in requests:
            if limit is not None and len(stream) >= limit:
                await context.abort(grpc.StatusCode.UNAVAILABLE, "scripted break")
            stream.append(request.record.record_id)
            yield ingest_service_pb2.StreamRecordsResponse(
                sequence=request.sequence, result=self.result(request.record)
            )


@contextlib.asynccontextmanager
async def serving(servicer: ScriptedIngest) -> AsyncIterator[str]:
    """The address of a server with this service."""
    server = grpc.aio.server()
    ingest_service_pb2_grpc.add_IngestServiceServicer_to_server(servicer, server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await asyncio.shield(server.stop(grace=None))


async def abort_with_retry_info(context: grpc.aio.ServicerContext, delay_s: float) -> None:
    """RESOURCE_EXHAUSTED as the door says it."""
    delay = Duration()
    delay.FromMilliseconds(int(delay_s * 1000))
    status = status_pb2.Status(code=8, message="full")
    status.details.add().Pack(error_details_pb2.RetryInfo(retry_delay=delay))
    await context.abort(
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "full",
        trailing_metadata=(("grpc-status-details-bin", status.SerializeToString()),),
    )
