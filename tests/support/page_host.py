"""The page on a port of its own, over any servicer; the network can be taken away and brought back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from streamlabel.review.adapters.web.connect import ACCESS_SERVICE, REVIEW_SERVICE, connect_routes
from streamlabel.runtime.web.hosts import AllowedHosts
from streamlabel.runtime.web.page import page_routes
from streamlabel.runtime.web.visitors import Visitors
from streamlabel.v1 import access_service_pb2, access_service_pb2_grpc

# Published under its address alone.
UNNAMED = AllowedHosts()
REVIEW_PAGE = "streamlabel.review.adapters.web"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def admit_everybody(_rpc: str, _context: object, _request: object) -> None:
    """What the guard does in mode `open`."""


class OpenAccess(access_service_pb2_grpc.AccessServiceServicer):
    """AccessService as it is in mode `open`."""

    async def WhoAmI(self, _request: object, _context: object) -> access_service_pb2.WhoAmIResponse:
        return access_service_pb2.WhoAmIResponse(mode=access_service_pb2.ACCESS_MODE_OPEN)


@dataclass
class PageHost:
    """Serves until its context ends. `down` answers every call as a stopping service does; `calls` are the methods called."""

    servicer: object
    port: int = 0
    down: bool = False
    delay_s: float = 0.0
    calls: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    @web.middleware
    async def _weather(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if not request.path.startswith("/streamlabel."):
            return await handler(request)
        self.calls.append(request.path.rpartition("/")[2])
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        if self.down:
            return web.json_response(
                {"error": {"code": "UNAVAILABLE", "message": "not serving now: see /readyz"}}, status=503
            )
        return await handler(request)


@asynccontextmanager
async def page_host(servicer: object, *, port: int = 0, hosts: AllowedHosts = UNNAMED) -> AsyncIterator[PageHost]:
    """A PageHost that listens; `hosts` are the names under which it is published."""
    host = PageHost(servicer=servicer, port=port)
    app = web.Application(middlewares=[host._weather])
    visitors = Visitors(hosts, "STREAMLABEL_REVIEW_ALLOWED_HOSTS")
    app.add_routes(page_routes(REVIEW_PAGE, visitors))
    app.add_routes(connect_routes(REVIEW_SERVICE, servicer, visitors, admit_everybody))
    app.add_routes(connect_routes(ACCESS_SERVICE, OpenAccess(), visitors, admit_everybody))
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        host.port = runner.addresses[0][1]
        yield host
    finally:
        await runner.cleanup()
