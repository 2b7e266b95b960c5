"""HTTP: probes always answer, the service's paths only while the door is open, and everything is bounded."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from streamlabel.errors import ConfigurationError
from streamlabel.runtime.health import Health
from streamlabel.runtime.http import SECURITY_HEADERS, HttpServer
from streamlabel.runtime.metrics import Metrics
from streamlabel.runtime.settings import ServiceSettings

GATE = web.AppKey("gate", asyncio.Event)


async def echo(request: web.Request) -> web.Response:
    return web.Response(body=await request.read(), headers={"Content-Security-Policy": "default-src 'self'"})


async def slow(_request: web.Request) -> web.Response:
    await asyncio.sleep(30)
    return web.Response()


async def gated(request: web.Request) -> web.Response:
    await request.app[GATE].wait()
    return web.Response(text="through")


async def broken(_request: web.Request) -> web.Response:
    raise RuntimeError("the inside story")


@asynccontextmanager
async def served(
    health: Health | None = None, **values: object
) -> AsyncIterator[tuple[HttpServer, aiohttp.ClientSession]]:
    settings = ServiceSettings.model_validate({"http_host": "127.0.0.1", "http_port": 0, **values})
    server = HttpServer(service="ingest", settings=settings, metrics=Metrics("ingest"), health=health or Health())
    server.add_routes(
        [web.post("/echo", echo), web.get("/slow", slow), web.get("/broken", broken), web.get("/gated", gated)]
    )
    server.app[GATE] = asyncio.Event()
    server.add_routes([web.get("/patient", slow)], timeout_s=None)
    await server.start()
    base = f"http://127.0.0.1:{server.port}"
    try:
        async with aiohttp.ClientSession(base, timeout=aiohttp.ClientTimeout(total=5)) as session:
            yield server, session
    finally:
        await server.stop()


async def test_readiness_says_why_not_and_liveness_stays_apart() -> None:
    health = Health()
    kafka = health.check("kafka")
    kafka.failing("no broker answers at 127.0.0.1:9")
    async with served(health) as (_, session):
        async with session.get("/readyz") as answer:
            assert answer.status == 503
            assert (await answer.json())["reasons"] == {"kafka": "no broker answers at 127.0.0.1:9"}
        async with session.get("/livez") as answer:
            assert answer.status == 200
        kafka.ok()
        async with session.get("/readyz") as answer:
            assert answer.status == 200
            assert (await answer.json())["ready"] is True
        kafka.dead("crashed")
        async with session.get("/livez") as answer:
            assert answer.status == 503
            assert (await answer.json())["reasons"] == {"kafka": "crashed"}


async def test_metrics_answer_in_the_format_asked_for() -> None:
    async with served() as (_, session):
        async with session.get("/metrics", headers={"Accept": "application/openmetrics-text;version=1.0.0"}) as answer:
            assert answer.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
            assert (await answer.text()).endswith("# EOF\n")
        async with session.get("/metrics") as answer:
            assert answer.headers["Content-Type"].startswith("text/plain; version=")
            assert "streamlabel_build_info{" in await answer.text()


async def test_the_door_decides_about_the_services_own_paths() -> None:
    async with served() as (server, session):
        async with session.post("/echo", data=b"x") as answer:
            assert answer.status == 503
            assert answer.headers["Retry-After"] == "1"
            assert (await answer.json())["error"]["code"] == "UNAVAILABLE"
        await server.door.start()
        async with session.post("/echo", data=b"x") as answer:
            assert await answer.read() == b"x"
        await server.door.stop()
        async with session.post("/echo", data=b"x") as answer:
            assert answer.status == 503
            assert answer.headers.get("Connection") == "close"
        async with session.get("/livez") as answer:
            assert answer.status == 200


async def test_closing_waits_for_the_requests_inside() -> None:
    async with served() as (server, session):
        await server.door.start()
        pending = asyncio.create_task(session.get("/gated"))
        while not server.door.inside:
            await asyncio.sleep(0.01)
        closing = asyncio.create_task(server.door.stop())
        await asyncio.sleep(0.05)
        assert not closing.done()
        server.app[GATE].set()
        answer = await pending
        assert await answer.text() == "through"
        await asyncio.wait_for(closing, 5)


async def test_a_request_that_takes_too_long_is_answered() -> None:
    async with served(http_request_timeout_s=0.1) as (server, session):
        await server.door.start()
        async with session.get("/slow") as answer:
            assert answer.status == 503
            assert (await answer.json())["error"] == {"code": "DEADLINE_EXCEEDED", "message": "not done within 0.1 s"}
        with pytest.raises(TimeoutError):
            await session.get("/patient", timeout=aiohttp.ClientTimeout(total=0.3))


async def test_a_body_beyond_the_limit_is_refused() -> None:
    async with served(http_max_body_bytes=1024) as (server, session):
        await server.door.start()
        async with session.post("/echo", data=b"x" * 1024) as answer:
            assert answer.status == 200
        async with session.post("/echo", data=b"x" * 1025) as answer:
            assert answer.status == 413


async def test_every_answer_carries_the_security_headers_and_a_route_may_set_its_own() -> None:
    async with served() as (server, session):
        await server.door.start()
        for path in ("/livez", "/metrics", "/no-such-path", "/broken"):
            async with session.get(path) as answer:
                assert {name: answer.headers.get(name) for name in SECURITY_HEADERS} == SECURITY_HEADERS, path
                assert "aiohttp" not in answer.headers["Server"]
        async with session.post("/echo") as answer:
            assert answer.headers["Content-Security-Policy"] == "default-src 'self'"


async def test_a_defect_is_not_told_to_callers() -> None:
    async with served() as (server, session):
        await server.door.start()
        async with session.get("/broken") as answer:
            assert answer.status == 500
            assert "inside story" not in await answer.text()


async def test_a_taken_port_is_a_configuration_error_that_names_it() -> None:
    async with served() as (server, _):
        settings = ServiceSettings.model_validate({"http_host": "127.0.0.1", "http_port": server.port})
        other = HttpServer(service="ingest", settings=settings, metrics=Metrics("ingest"), health=Health())
        with pytest.raises(ConfigurationError, match=f"STREAMLABEL_HTTP_PORT={server.port}.*another process listens"):
            await other.start()


async def test_verdicts_are_json_that_no_one_caches() -> None:
    async with served() as (_, session), session.get("/readyz") as answer:
        assert answer.headers["Cache-Control"] == "no-store"
        assert json.loads(await answer.text())["service"] == "ingest"


async def test_a_service_may_name_its_paths_after_the_server_listens() -> None:
    async def greet(request: web.Request) -> web.Response:
        return web.Response(text=request.match_info["name"])

    async with served() as (server, session):
        await server.door.start()
        async with session.get("/greet/ada") as answer:
            assert answer.status == 404
        server.add_routes([web.get("/greet/{name}", greet)])
        async with session.get("/greet/ada") as answer:
            assert (answer.status, await answer.text()) == (200, "ada")
        async with session.post("/greet/ada") as answer:
            assert answer.status == 405


async def test_a_body_that_is_not_compressed_as_it_says_is_the_callers_fault() -> None:
    async with served() as (server, session):
        await server.door.start()
        headers = {"Content-Encoding": "gzip"}
        async with session.post("/echo", data=b"no gzip at all", headers=headers) as answer:
            assert answer.status == 400
            assert (await answer.json())["error"]["code"] == "MALFORMED"
