"""`POST /v1/projects/{project}/records`: NDJSON, a JSON array, or one JSON object; the answer is NDJSON, one result a record.

A body of one batch is answered when all of it is known: 200; 422 if every record was refused; 429 with Retry-After when too much
is in flight (nothing was taken); 503 with Retry-After if no record could be taken now. A longer or endless NDJSON body is
answered with 200 and results while it is still coming: who sends more than the window has to read the answers meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import suppress
from typing import Any, Protocol

from aiohttp import web

from streamlabel.core.submission import Reason, RecordResult, RecordStatus
from streamlabel.errors import InvalidMessageError, TransientError
from streamlabel.ingest.adapters.ndjson import Line, LineReader
from streamlabel.ingest.adapters.offers import offer_of
from streamlabel.ingest.adapters.pipeline import Pipeline, PipelineLimits
from streamlabel.ingest.adapters.traces import traceparent_of
from streamlabel.ingest.ports import Arrival, Door, Projects, TooMuchInFlightError
from streamlabel.ingest.rules.admission import Limits, Offer, Refusal, unclear_project, unknown_project
from streamlabel.runtime.http import error_response
from streamlabel.wire import record_json
from streamlabel.wire.headers import TRACEPARENT
from streamlabel.wire.record_results import to_json_line

PATH = "/v1/projects/{project}/records"
NDJSON = ("application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines")
JSON = "application/json"

_RETRY_AFTER = {"Retry-After": "1"}
# Base64 takes 4/3 of the bytes and escapes may take six times a letter: a line of this many times the record limit may still fit.
_JSON_OVERHEAD = 6


class Body(Protocol):
    """The body of a request, as far as it is needed here."""

    async def readany(self) -> bytes: ...


class HttpDoor:
    """Serves the path; idle callers are cut off after `idle_timeout_s`, lasting ones when the process stops."""

    def __init__(
        self,
        *,
        door: Door,
        projects: Projects,
        limits: Limits,
        window: PipelineLimits,
        stopping: asyncio.Event,
        idle_timeout_s: float,
    ) -> None:
        self._door = door
        self._projects = projects
        self._limits = limits
        self._window = window
        self._stopping = stopping
        self._idle_timeout_s = idle_timeout_s

    def routes(self) -> list[web.RouteDef]:
        """To be added without a time limit of their own."""
        return [web.post(PATH, self.post_records)]

    async def post_records(self, request: web.Request) -> web.StreamResponse:
        """Take the records of one request."""
        if "Origin" in request.headers:
            # A producer sends none. A page does, be it one that reached this address under a name of its own (DNS rebinding).
            return error_response(403, "PERMISSION_DENIED", "requests of web pages are not served here")
        project = request.match_info["project"]
        if (unknown := await self._unknown(project)) is not None:
            return unknown
        if request.content_type not in (*NDJSON, JSON):
            return error_response(
                415, "UNSUPPORTED_MEDIA_TYPE", f"send {NDJSON[0]} or {JSON}, not {request.content_type!r}"
            )
        arrival = Arrival(transport="http", traceparent=traceparent_of(request.headers.get(TRACEPARENT)))
        if request.content_type == JSON:
            return await self._post_array(request, project, arrival)
        size_bytes = request.content_length
        if size_bytes is None or size_bytes > self._limits.batch_max_bytes:
            return await self._answer_as_it_comes(request, self._offers(request.content, project), arrival)
        offers = [entry async for entry in self._offers(request.content, project)]
        return await self._answer(request, offers, arrival)

    async def _post_array(self, request: web.Request, project: str, arrival: Arrival) -> web.StreamResponse:
        try:
            async with asyncio.timeout(self._idle_timeout_s):
                body = await request.read()  # Bounded by STREAMLABEL_HTTP_MAX_BODY_BYTES: 413 past it.
            document = record_json.load(body)
        except InvalidMessageError as error:
            return error_response(400, error.reason, error.detail)
        documents = document if isinstance(document, list) else [document]
        offers = [(place, _offer_in(entry, project)) for place, entry in enumerate(documents, start=1)]
        return await self._answer(request, offers, arrival)

    async def _answer(
        self, request: web.Request, offers: Sequence[tuple[int, Offer | Refusal]], arrival: Arrival
    ) -> web.StreamResponse:
        if len(offers) > self._limits.batch_max_records:
            return await self._answer_as_it_comes(request, _each(offers), arrival)
        if not offers:
            return error_response(400, "EMPTY", "there is no record in the body")
        try:
            results = await self._door.ingest([offer for _, offer in offers], arrival)
        except TooMuchInFlightError as error:
            return error_response(429, "RESOURCE_EXHAUSTED", str(error), headers=_RETRY_AFTER)
        lines = [to_json_line(result, line) for (line, _), result in zip(offers, results, strict=True)]
        status = _status_of(results)
        return web.Response(
            status=status,
            body=b"".join(lines),
            content_type=NDJSON[0],
            headers=_RETRY_AFTER if status == web.HTTPServiceUnavailable.status_code else None,
        )

    async def _answer_as_it_comes(
        self, request: web.Request, offers: AsyncIterator[tuple[int, Offer | Refusal]], arrival: Arrival
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": NDJSON[0], "Cache-Control": "no-store"})
        await response.prepare(request)
        async with Pipeline[int](self._door, arrival, self._window) as pipeline:
            reading = asyncio.create_task(_feed(offers, pipeline), name="ingest http read")
            leaving = asyncio.create_task(self._leave(pipeline), name="ingest http leave")
            try:
                async for answers in pipeline.answers():
                    lines = b"".join(to_json_line(result, line) for line, result in answers)
                    async with asyncio.timeout(self._idle_timeout_s):
                        await response.write(lines)
                await response.write_eof()
            finally:
                for task in (reading, leaving):
                    task.cancel()
                await asyncio.wait({reading, leaving})
        if not reading.cancelled() and (error := reading.exception()) is not None:
            raise error
        return response

    async def _offers(self, body: Body, project: str) -> AsyncIterator[tuple[int, Offer | Refusal]]:
        """Line number and offer of each line of the body; ends early, without an error, where the caller falls silent."""
        lines = LineReader(self._limits.record_max_bytes * _JSON_OVERHEAD)
        with suppress(TimeoutError):
            while True:
                async with asyncio.timeout(self._idle_timeout_s):
                    piece = await body.readany()
                if not piece:
                    break
                for line in lines.feed(piece):
                    yield line.number, self._offer_in_line(line, project)
        for line in lines.finish():
            yield line.number, self._offer_in_line(line, project)

    def _offer_in_line(self, line: Line, project: str) -> Offer | Refusal:
        if line.is_cut:
            limit = self._limits.record_max_bytes
            return Refusal(
                "", Reason.PAYLOAD_TOO_LARGE, f"the line is far too long for a record of at most {limit} bytes"
            )
        try:
            return _offer_in(record_json.load(line.text), project)
        except InvalidMessageError as error:
            return Refusal("", error.reason, error.detail)

    async def _leave(self, pipeline: Pipeline[int]) -> None:
        await self._stopping.wait()
        pipeline.end()

    async def _unknown(self, project: str) -> web.Response | None:
        try:
            await self._projects.look_for((project,))
        except TransientError as error:
            return error_response(503, Reason.BROKER_UNAVAILABLE, unclear_project(project, error), headers=_RETRY_AFTER)
        if self._projects.get(project) is None:
            refused = unknown_project(project, "", self._projects.names())
            return error_response(404, refused.reason, refused.detail)
        return None


def _offer_in(document: Any, project: str) -> Offer | Refusal:
    try:
        return offer_of(record_json.from_document(document, project))
    except InvalidMessageError as error:
        given = document.get("record_id") if isinstance(document, dict) else None
        return Refusal(given if isinstance(given, str) else "", error.reason, error.detail)


async def _feed(offers: AsyncIterator[tuple[int, Offer | Refusal]], pipeline: Pipeline[int]) -> None:
    try:
        async for line, offer in offers:
            await pipeline.put(line, offer)
    finally:
        pipeline.end()


async def _each(offers: Iterable[tuple[int, Offer | Refusal]]) -> AsyncIterator[tuple[int, Offer | Refusal]]:
    for entry in offers:
        yield entry


def _status_of(results: Sequence[RecordResult]) -> int:
    statuses = {result.status for result in results}
    if statuses == {RecordStatus.REJECTED}:
        return 422
    if RecordStatus.UNAVAILABLE in statuses and not any(result.is_durable for result in results):
        return 503
    return 200
