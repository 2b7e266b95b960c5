"""What is known of gates as JSON: for the page, for `streamlabel gate`, and for whoever wants to keep it.

GET /gate/api/projects                                 each certified project and how its gate stands
GET /gate/api/course?project=P[&since_ms=N]            points of its course, for a chart
GET /gate/api/transitions?project=P                    the latest transitions, latest first
GET /gate/api/chain?after=N                            transitions of all projects in order, to be verified
GET /gate/api/books?project=P                          every book that was kept of it, and which of its gates are kept
GET /gate/api/audits?project=P&from_ms=N&to_ms=N[&after=PLACE]
                                                       calibration records as they became evidence, the next thousand; `next` is the
                                                       PLACE after which there may be more, null at the end
GET /gate/api/audit-chain?after=N                      audits of all projects in order, to be verified, and how far they go
GET /gate/api/gates?project=P&number=N                 a gate as it was published (protobuf)

Asked under a name that is not listed, or from the page of another site, none of them answers (403).
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from streamlabel.errors import TransientError
from streamlabel.gate.chain import ChainedTransition
from streamlabel.learning.adapters.postgres.records_of_gates import AuditPlace, GateRecords
from streamlabel.runtime.http import error_response
from streamlabel.runtime.web.visitors import Visitors

_COURSE_POINTS = 400
_TRANSITIONS = 200
_CHAIN = 1_000
_AUDITS = 1_000
_AUDIT_CHAIN = 5_000
_LATEST_MS = 253_402_300_799_000
_NO_STORE = {"Cache-Control": "no-store"}

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


def gate_routes(records: GateRecords, visitors: Visitors) -> Sequence[web.AbstractRouteDef]:
    """All of the above, for `visitors` only."""
    answers = _Answers(records)
    routes: dict[str, Answer] = {
        "projects": answers.projects,
        "course": answers.course,
        "transitions": answers.transitions,
        "chain": answers.chain,
        "books": answers.books,
        "audits": answers.audits,
        "audit-chain": answers.audit_chain,
        "gates": answers.gate,
    }
    return [web.get(f"/gate/api/{name}", _careful(answer, visitors)) for name, answer in routes.items()]


@dataclass(frozen=True, slots=True)
class _Answers:
    records: GateRecords

    async def projects(self, _request: web.Request) -> web.StreamResponse:
        return _json({"projects": await self.records.projects()})

    async def course(self, request: web.Request) -> web.StreamResponse:
        project, since = _project(request), _moment(request, "since_ms", 0)
        return _json({"project": project, "points": await self.records.course(project, since, _COURSE_POINTS)})

    async def transitions(self, request: web.Request) -> web.StreamResponse:
        project = _project(request)
        found = await self.records.transitions(project, _TRANSITIONS)
        return _json({"project": project, "transitions": [_told(each) for each in found]})

    async def chain(self, request: web.Request) -> web.StreamResponse:
        found = await self.records.chain(_number(request, "after", 0), _CHAIN)
        return _json({"transitions": [_told(each) for each in found]})

    async def books(self, request: web.Request) -> web.StreamResponse:
        project = _project(request)
        books, gates = await self.records.books(project), await self.records.kept_gates(project)
        return _json({"project": project, "books": books, "gates": gates})

    async def audits(self, request: web.Request) -> web.StreamResponse:
        project = _project(request)
        begin, end = _moment(request, "from_ms", 0), _moment(request, "to_ms", _LATEST_MS)
        after = _audit_place(request.query["after"]) if "after" in request.query else None
        found = await self.records.audits(project, begin, end, after, _AUDITS)
        body = {
            "project": project,
            "audits": [each | {"decided_at": each["decided_at"].isoformat()} for each in found],
            "next": _told_place(found[-1]) if len(found) == _AUDITS else None,
        }
        return _json(body)

    async def audit_chain(self, request: web.Request) -> web.StreamResponse:
        # In this order: what is added meanwhile lies beyond the head.
        head, unchained, unchained_now = await self.records.audit_head()
        found = await self.records.audit_chain(_number(request, "after", 0), _AUDIT_CHAIN)
        body = {
            "audits": [asdict(each) | {"digest": each.digest.hex()} for each in found if each.number <= head.last_no],
            "last_no": head.last_no,
            "digest": head.digest.hex(),
            "unchained": unchained,
            "unchained_now": unchained_now,
        }
        return _json(body)

    async def gate(self, request: web.Request) -> web.StreamResponse:
        project, number = _project(request), _number(request, "number", 0)
        message = await self.records.gate(project, number)
        if message is None:
            return error_response(404, "NOT_FOUND", f"project {project} has no gate {number}")
        return web.Response(body=message, content_type="application/x-protobuf", headers=_NO_STORE)


def _careful(answer: Answer, visitors: Visitors) -> Answer:
    async def handle(request: web.Request) -> web.StreamResponse:
        if refusal := visitors.host_refusal(request) or visitors.origin_refusal(request):
            return error_response(403, "PERMISSION_DENIED", refusal)
        try:
            return await answer(request)
        except ValueError as error:
            return error_response(400, "INVALID_ARGUMENT", str(error))
        except TransientError as error:
            return error_response(503, "UNAVAILABLE", str(error), headers={"Retry-After": "1"})

    return handle


def _json(body: dict[str, Any]) -> web.Response:
    return web.json_response(body, headers=_NO_STORE)


def _told(link: ChainedTransition) -> dict[str, Any]:
    return {
        "number": link.number,
        "project": link.project,
        "model_name": link.model_name,
        "model_version": link.model_version,
        "facts": json.loads(link.facts),
        # What the digest covers, letter by letter.
        "facts_text": link.facts,
        "previous": link.previous.hex(),
        "digest": link.digest.hex(),
    }


def _project(request: web.Request) -> str:
    project = request.query.get("project", "")
    if not project:
        raise ValueError("say which project: ?project=NAME")
    if "\0" in project:
        # The database knows no such text.
        raise ValueError("no project has a name with a NUL in it")
    return project


def _number(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name, str(default))
    if not _is_whole(text):
        raise ValueError(f"{name} must be a whole number, not {text[:40]!r}")
    return int(text)


def _is_whole(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 18


def _told_place(audit: dict[str, Any]) -> str:
    # The record's id comes last: it may hold anything.
    return f"{audit['decided_at'].isoformat()},{audit['book_no']},{audit['gate_number']},{audit['record_id']}"


def _audit_place(text: str) -> AuditPlace:
    try:
        decided_at, book, gate, record_id = text.split(",", 3)
        moment = datetime.fromisoformat(decided_at)
        if moment.tzinfo is None or not (_is_whole(book) and _is_whole(gate)) or "\0" in record_id:
            raise ValueError
        # At the ends of the calendar there are moments that UTC has no date for.
        decided = moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"after must be a place that an answer gave as `next`, not {text[:80]!r}") from None
    return decided, int(book), int(gate), record_id


def _moment(request: web.Request, name: str, default: int) -> datetime:
    return datetime.fromtimestamp(min(_number(request, name, default), _LATEST_MS) / 1000, UTC)
