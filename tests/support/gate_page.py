"""The page of gates on a port of its own, over a real database; its rows are written as learning writes them."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from aiohttp import web

from streamlabel.core.control import GateState
from streamlabel.gate.keeper import Transition
from streamlabel.learning.adapters.postgres.records_of_gates import GateRecords
from streamlabel.learning.adapters.postgres.shelf import PostgresShelf
from streamlabel.learning.adapters.web.answers import gate_routes
from streamlabel.learning.adapters.web.page import gate_page_routes
from streamlabel.learning.ports import Page
from streamlabel.learning.rules.points import Point
from streamlabel.learning.rules.standing import Step
from streamlabel.learning.rules.subject import Subject
from streamlabel.runtime.backoff import Backoff
from streamlabel.runtime.clock import SystemClock
from streamlabel.runtime.health import Health
from streamlabel.runtime.postgres.database import Database, DatabaseSettings
from streamlabel.runtime.web.hosts import AllowedHosts
from streamlabel.runtime.web.visitors import Visitors

KEY = "STREAMLABEL_LEARNING_ALLOWED_HOSTS"
COLD, CERTIFIED, SUSPENDED, REVOKED = GateState.COLD, GateState.CERTIFIED, GateState.SUSPENDED, GateState.REVOKED

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def subject(project: str = "digits", *, alpha: float = 0.05, delta: float = 0.05) -> Subject:
    return Subject(
        project=project,
        model_name="digits",
        model_version=3,
        taxonomy_version=1,
        class_names=tuple("0123456789"),
        alpha=alpha,
        delta=delta,
    )


def cold(at_ms: int, *, evidence: int = 38, needed: int | None = 154, unanswered: int = 7) -> Point:
    """A gate that waits for answers."""
    return Point(
        at_ms=at_ms,
        place=2 * evidence,
        state=COLD,
        reason="model digits 3: no evidence yet",
        threshold=math.inf,
        lane_rate=0.5,
        coverage=0.0,
        bound=1.0,
        count=0,
        errors=0,
        evidence=evidence,
        unanswered=unanswered,
        answers_needed=needed,
        guard_cap=1.0,
        alarm=0.0,
        epoch=0,
        looks=evidence // 50,
        certificates=0,
        wrong_certificates_at_most=0.0375 * (evidence // 50),
        confirmed_until_ms=at_ms - 20_000,
        looked_at_ms=at_ms - 8_000,
    )


def certified(at_ms: int, *, coverage: float = 0.624, bound: float = 0.0418, alarm: float = 1.37) -> Point:
    """A gate that lets pass."""
    return replace(
        cold(at_ms, evidence=712, needed=0, unanswered=12),
        state=CERTIFIED,
        reason="evidence supports it",
        threshold=0.9132,
        lane_rate=0.05,
        coverage=coverage,
        bound=bound,
        count=431,
        errors=9,
        guard_cap=0.97,
        alarm=alarm,
        looks=14,
        certificates=2,
        wrong_certificates_at_most=0.55,
    )


def closed(at_ms: int, state: GateState, reason: str, *, needed: int | None = 210) -> Point:
    """A gate that was open."""
    return replace(cold(at_ms, evidence=24, needed=needed, unanswered=31), state=state, reason=reason, epoch=1)


def step(point: Point, *, suspect_from_ms: int | None = None) -> Step:
    """The transition by which the gate came to stand so."""
    transition = Transition(
        place=point.place,
        state=point.state,
        reason=point.reason,
        threshold=point.threshold,
        count=point.count,
        errors=point.errors,
    )
    return Step(transition=transition, at_ms=point.at_ms, suspect_from_ms=suspect_from_ms)


def course(now_ms: int) -> Iterator[tuple[Point, int | None]]:
    """Four hours: cold, certified, a change of the inputs, certified anew. With it, from when on labels are suspect."""
    begin_ms = now_ms - 4 * 3_600_000
    for minute in range(0, 241, 2):
        at_ms = begin_ms + minute * 60_000
        if minute < 46:
            yield cold(at_ms, evidence=5 * minute, needed=max(1, 230 - 5 * minute)), None
        elif minute < 140:
            grown = min(1.0, (minute - 46) / 60)
            coverage = 0.31 + 0.42 * grown + 0.02 * math.sin(minute)
            yield certified(at_ms, coverage=coverage, bound=0.0485 - 0.008 * grown), None
        elif minute < 176:
            reason = "inputs changed: p = 3.1e-09 over the last 400 records"
            yield closed(at_ms, SUSPENDED, reason, needed=210 - 5 * (minute - 140)), at_ms - 11 * 60_000
        else:
            grown = min(1.0, (minute - 176) / 50)
            yield certified(at_ms, coverage=0.44 + 0.18 * grown + 0.015 * math.sin(minute), bound=0.0463), None


@dataclass
class GateHost:
    """Serves until its context ends. `down` answers every question as a stopping service does."""

    shelf: PostgresShelf
    port: int = 0
    down: bool = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/gate"

    async def begin(self, about: Subject) -> None:
        """A book, of which no point is known yet."""
        await self.shelf.keep([Page(subject=about, began=True)], [])

    async def live(self, about: Subject, *points: Point, steps: Sequence[Step] = ()) -> None:
        """Points of the course of its gate; the steps come with the last one."""
        pages = [Page(subject=about, point=point) for point in points]
        if steps:
            pages.append(Page(subject=about, steps=list(steps)))
        await self.shelf.keep(pages, [])

    async def end(self, about: Subject) -> None:
        """The project is no longer to be certified."""
        await self.shelf.keep([Page(subject=about, ended=True)], [])

    async def tell_story(self, about: Subject, now_ms: int) -> None:
        """Four hours of it, with all transitions."""
        points: list[Point] = []
        steps: list[Step] = []
        for point, suspect_from_ms in course(now_ms):
            if not points or points[-1].state is not point.state:
                steps.append(step(replace(point, place=60 * len(points)), suspect_from_ms=suspect_from_ms))
            points.append(replace(point, place=60 * len(points)))
        await self.begin(about)
        await self.live(about, *points, steps=steps)

    @web.middleware
    async def _weather(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if self.down and "/api/" in request.path:
            body = {"error": {"code": "UNAVAILABLE", "message": "not serving now: see /readyz"}}
            return web.json_response(body, status=503)
        return await handler(request)


@asynccontextmanager
async def gate_host(dsn: str, *, hosts: AllowedHosts | None = None) -> AsyncIterator[GateHost]:
    """A GateHost that listens, over an empty schema in this database."""
    settings = DatabaseSettings(
        service="learning", migrations="streamlabel.learning.adapters.postgres.migrations", dsn=dsn, schema="learning"
    )
    database = Database(settings, health=Health(), clock=SystemClock(), backoff=Backoff(base_s=0.1, cap_s=1.0))
    await database.start()
    shelf = PostgresShelf(database, gates_topic="gates", on_outbox=lambda: None)
    await shelf.load()
    host = GateHost(shelf)
    app = web.Application(middlewares=[host._weather])
    visitors = Visitors(hosts or AllowedHosts(), KEY)
    app.add_routes(gate_page_routes(visitors))
    app.add_routes(gate_routes(GateRecords(database), visitors))
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host.port = runner.addresses[0][1]
        yield host
    finally:
        await runner.cleanup()
        await database.stop()
