"""`IngestClient`: records in, one truthful answer for each."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from types import TracebackType
from typing import Any, Self

import grpc

from streamlabel.client.batches import Sent, Source, batches_of, messages_of
from streamlabel.client.channel import open_channel
from streamlabel.client.record_stream import RecordStream
from streamlabel.client.retry import Patience, asked_delay_s, is_passing, is_too_large, told
from streamlabel.core.submission import Reason, RecordResult, RecordStatus
from streamlabel.errors import ConfigurationError, TransientError
from streamlabel.v1 import ingest_service_pb2, ingest_service_pb2_grpc, record_pb2
from streamlabel.wire.record_results import from_message

BATCH_MAX_RECORDS = 1_000
BATCH_MAX_BYTES = 2 * 1024 * 1024
_MESSAGE_MAX_BYTES = 32 * 1024 * 1024


class IngestClient:
    """Brings records to the door of Streamlabel and waits for its word on each.

    Every call may be repeated without doubling a record: a record is known by its id, and one without an id by its content. So the
    client itself repeats what fails in passing (a server that restarts, a broker that is away, too much in flight) until there
    was no progress for `patience.give_up_s`; then TransientError is raised. What can never be taken is not an exception but a result
    with status REJECTED, its reason and a detail.

    >>> async with IngestClient("127.0.0.1:50051") as client:
    ...     results = await client.ingest(
    ...         NewRecord(project="mail", payload=TextPayload(line)) for line in ("first", "second")
    ...     )
    ...     assert all(result.is_durable for result in results)

    One client serves many tasks at once. `credentials` (`grpc.ssl_channel_credentials(…)`) or STREAMLABEL_TLS_CA_FILE turn TLS on;
    `metadata` goes with each call (a `traceparent`, a token for a proxy). `on_trouble` is told what failed in passing, each time
    before it is tried again.
    """

    def __init__(
        self,
        address: str,
        *,
        credentials: grpc.ChannelCredentials | None = None,
        metadata: Sequence[tuple[str, str]] = (),
        timeout_s: float = 30.0,
        patience: Patience | None = None,
        on_trouble: Callable[[str], None] | None = None,
    ) -> None:
        self._address = address
        self._metadata = tuple(metadata)
        self._timeout_s = timeout_s
        self._patience = patience or Patience()
        self._on_trouble = on_trouble or _say_nothing
        self._credentials = credentials
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

    async def ingest(self, records: Iterable[Sent]) -> list[RecordResult]:
        """One result a record, in order, when each is durable or refused. Any number of records: they go in batches."""
        return [result async for result in self.ingest_many(records)]

    async def ingest_many(self, records: Source, *, batches_in_flight: int = 4) -> AsyncIterator[RecordResult]:
        """The fastest way for a lot of records that are there already (a file, a table): results in order, memory bounded.

        Records are taken from `records` as room allows. For records that trickle in use `stream`, which does not wait for a batch.

        >>> async for result in client.ingest_many(records):
        ...     if result.status is RecordStatus.REJECTED:
        ...         print(result.record_id, result.reason, result.detail)
        """
        stub = self._connect()
        flying: deque[asyncio.Task[list[RecordResult]]] = deque()
        try:
            async for batch in batches_of(records, max_records=BATCH_MAX_RECORDS, max_bytes=BATCH_MAX_BYTES):
                flying.append(asyncio.create_task(self._send(stub, batch), name="ingest batch"))
                while len(flying) >= batches_in_flight or (flying and flying[0].done()):
                    for result in await flying.popleft():
                        yield result
            while flying:
                for result in await flying.popleft():
                    yield result
        finally:
            for task in flying:
                task.cancel()
            if flying:
                await asyncio.wait(flying)

    async def stream(self, records: Source, *, window: int = 1_000) -> AsyncIterator[RecordResult]:
        """Each record goes as soon as it comes; results in order. At most `window` are unanswered: then `records` has to wait.

        When the stream breaks, only what was not answered is sent again.

        >>> async for result in client.stream(sensor_readings()):
        ...     assert result.is_durable, result.detail
        """
        stub = self._connect()
        carrier = RecordStream(
            open_call=lambda: stub.StreamRecords(metadata=self._metadata),
            messages=messages_of(records),
            window=window,
            patience=self._patience,
            answer_timeout_s=self._timeout_s,
            on_trouble=self._on_trouble,
        )
        async for result in carrier.results():
            yield result

    def _connect(self) -> Any:
        if self._channel is None:
            self._channel = open_channel(self._address, self._credentials, message_max_bytes=_MESSAGE_MAX_BYTES)
            self._stub = ingest_service_pb2_grpc.IngestServiceStub(self._channel)  # type: ignore[no-untyped-call]
        return self._stub

    async def _send(self, stub: Any, batch: list[record_pb2.Record]) -> list[RecordResult]:
        """Send until every record has a final answer."""
        results: dict[int, RecordResult] = {}
        open_places = list(range(len(batch)))
        attempt = 0
        progress_s = time.monotonic()
        while True:
            asked_s = 0.0
            try:
                request = ingest_service_pb2.IngestRecordsRequest(records=[batch[place] for place in open_places])
                response = await stub.IngestRecords(request, timeout=self._timeout_s, metadata=self._metadata)
            except grpc.aio.AioRpcError as error:
                if is_too_large(error) and len(open_places) == 1:
                    results[open_places[0]] = _too_large(batch[open_places[0]])
                    return [results[place] for place in range(len(batch))]
                why, asked_s = _judged(error, self._address), asked_delay_s(error)
            else:
                answers = [from_message(message) for message in response.results]
                for place, answer in zip(open_places, answers, strict=True):
                    results[place] = answer
                still_open = [place for place in open_places if results[place].status is RecordStatus.UNAVAILABLE]
                if not still_open:
                    return [results[place] for place in range(len(batch))]
                if len(still_open) < len(open_places):
                    attempt, progress_s = 0, time.monotonic()
                open_places = still_open
                why = results[still_open[0]].detail
            attempt += 1
            self._check_patience(progress_s, why)
            self._on_trouble(why)
            await asyncio.sleep(self._patience.delay_s(attempt, at_least_s=asked_s))

    def _check_patience(self, progress_s: float, why: str) -> None:
        limit_s = self._patience.give_up_s
        if limit_s is not None and time.monotonic() - progress_s > limit_s:
            raise TransientError(f"{self._address} took nothing for {limit_s:g} s: {why}")


def _say_nothing(_why: str) -> None:
    """For whom only the outcome counts."""


def _judged(error: grpc.aio.AioRpcError, address: str) -> str:
    """What to tell of an error that passes; raises for one that does not."""
    if not is_passing(error):
        raise ConfigurationError(f"{address} refuses the call: {told(error)}") from error
    return told(error)


def _too_large(message: record_pb2.Record) -> RecordResult:
    return RecordResult(
        record_id=message.record_id,
        status=RecordStatus.REJECTED,
        reason=Reason.PAYLOAD_TOO_LARGE,
        detail=f"the record has {message.ByteSize()} bytes, more than any message may have",
    )
