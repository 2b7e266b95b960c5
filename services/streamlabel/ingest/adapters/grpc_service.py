"""`IngestService` over gRPC.

The requests are parsed here and not by gRPC: a record that does not parse gets its own refusal instead of failing the whole call.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import Any

import grpc
from google.protobuf.duration_pb2 import Duration
from google.rpc import code_pb2, error_details_pb2, status_pb2

from streamlabel.ingest.adapters.lenient import Readable, read_batch, read_stream
from streamlabel.ingest.adapters.offers import offer_of
from streamlabel.ingest.adapters.pipeline import Pipeline, PipelineLimits
from streamlabel.ingest.adapters.traces import traceparent_of
from streamlabel.ingest.ports import Arrival, Door, TooMuchInFlightError
from streamlabel.ingest.rules.admission import Limits, Offer, Refusal
from streamlabel.v1 import ingest_service_pb2
from streamlabel.wire.headers import TRACEPARENT
from streamlabel.wire.record_results import to_message

SERVICE_NAME = ingest_service_pb2.DESCRIPTOR.services_by_name["IngestService"].full_name
_STATUS_DETAILS = "grpc-status-details-bin"
_DEFAULT_RETRY_S = 1.0

BatchResponse = ingest_service_pb2.IngestRecordsResponse
StreamResponse = ingest_service_pb2.StreamRecordsResponse


class GrpcDoor:
    """Serves the two methods on a server; a stream ends by itself when the process stops or the connection has aged."""

    def __init__(
        self, *, door: Door, limits: Limits, window: PipelineLimits, stopping: asyncio.Event, stream_max_age_s: float
    ) -> None:
        self._door = door
        self._limits = limits
        self._window = window
        self._stopping = stopping
        self._stream_max_age_s = stream_max_age_s

    def register(self, server: grpc.aio.Server) -> None:
        """Add the service to `server`."""
        methods = {
            "IngestRecords": grpc.unary_unary_rpc_method_handler(
                self.ingest_records, response_serializer=BatchResponse.SerializeToString
            ),
            "StreamRecords": grpc.stream_stream_rpc_method_handler(
                self.stream_records, response_serializer=StreamResponse.SerializeToString
            ),
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE_NAME, methods),))

    async def ingest_records(self, request: bytes, context: grpc.aio.ServicerContext) -> BatchResponse:
        """One batch, one answer."""
        records = read_batch(request)
        if records is None:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "these bytes are no IngestRecordsRequest")
            raise AssertionError("abort raises")
        await self._check_size(records, len(request), context)
        try:
            results = await self._door.ingest([_offered(record) for record in records], _arrival(context))
        except TooMuchInFlightError as error:
            await _abort_for_now(context, error)
        return BatchResponse(results=[to_message(result) for result in results])

    async def stream_records(
        self, requests: AsyncIterator[bytes], context: grpc.aio.ServicerContext
    ) -> AsyncIterator[StreamResponse]:
        """As many records as one likes, each acknowledged in order."""
        async with Pipeline[int](self._door, _arrival(context), self._window) as pipeline:
            reading = asyncio.create_task(self._read(requests, pipeline), name="ingest stream read")
            leaving = asyncio.create_task(self._leave(pipeline), name="ingest stream leave")
            try:
                async for answers in pipeline.answers():
                    for sequence, result in answers:
                        yield StreamResponse(sequence=sequence, result=to_message(result))
                if reading.done() and (broken := reading.result()) is not None:
                    await context.abort(grpc.StatusCode.INVALID_ARGUMENT, broken)
                if not reading.done():
                    await context.abort(
                        grpc.StatusCode.UNAVAILABLE, "this server closes the stream; open another and go on there"
                    )
            finally:
                for task in (reading, leaving):
                    task.cancel()
                await asyncio.wait({reading, leaving})

    async def _read(self, requests: AsyncIterator[bytes], pipeline: Pipeline[int]) -> str | None:
        """Feed the pipeline to the end of the stream; returns what is wrong with it, if it had to be broken off."""
        try:
            async for request in requests:
                item = read_stream(request)
                if item is None:
                    return "these bytes are no StreamRecordsRequest"
                sequence, record = item
                await pipeline.put(sequence, _offered(record))
        finally:
            pipeline.end()
        return None

    async def _leave(self, pipeline: Pipeline[int]) -> None:
        """End the intake of a stream when the process stops or the connection has aged; what came is still answered."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._stream_max_age_s):
                await self._stopping.wait()
        pipeline.end()

    async def _check_size(
        self, records: Sequence[Readable], size_bytes: int, context: grpc.aio.ServicerContext
    ) -> None:
        limits = self._limits
        if len(records) > limits.batch_max_records:
            too_much = f"{len(records)} records; a batch has at most {limits.batch_max_records}"
        elif size_bytes > limits.batch_max_bytes:
            too_much = f"{size_bytes} bytes; a batch has at most {limits.batch_max_bytes}"
        else:
            return
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"{too_much}; send several, or use StreamRecords")


def _offered(record: Readable) -> Offer | Refusal:
    return record if isinstance(record, Refusal) else offer_of(record)


def _arrival(context: grpc.aio.ServicerContext) -> Arrival:
    metadata: Sequence[tuple[str, Any]] = context.invocation_metadata() or ()
    traceparent = next((value for name, value in metadata if name == TRACEPARENT), "")
    return Arrival(transport="grpc", traceparent=traceparent_of(traceparent))


async def _abort_for_now(context: grpc.aio.ServicerContext, error: TooMuchInFlightError) -> None:
    """RESOURCE_EXHAUSTED with a google.rpc.RetryInfo: the same call may succeed after the delay in it."""
    delay = Duration()
    delay.FromMilliseconds(int((error.retry_after_s or _DEFAULT_RETRY_S) * 1000))
    status = status_pb2.Status(code=code_pb2.RESOURCE_EXHAUSTED, message=str(error))
    status.details.add().Pack(error_details_pb2.RetryInfo(retry_delay=delay))
    await context.abort(
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        str(error),
        trailing_metadata=((_STATUS_DETAILS, status.SerializeToString()),),
    )
