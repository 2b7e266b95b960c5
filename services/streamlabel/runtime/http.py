"""The one HTTP server of a process: its own paths, and /metrics, /livez, /readyz beside them.

It listens before anything else starts and until everything else has stopped, so that somebody can always ask
*why not*. The service's own paths have a door: it opens when the parts they need have started, and closes first.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from types import EllipsisType

from aiohttp import web

from streamlabel.errors import ConfigurationError
from streamlabel.runtime.certificates import TlsFiles, http_tls
from streamlabel.runtime.health import Health
from streamlabel.runtime.metrics import Metrics
from streamlabel.runtime.settings import ServiceSettings, env_key
from streamlabel.runtime.version import installed_version

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

# What every answer carries unless the route has set its own; a service with a page says more in its own policy.
SECURITY_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

_PROBES = ("/metrics", "/livez", "/readyz")
# Whoever supervises a process can show no certificate: a kubelet has none.
_UNASKED = ("/livez", "/readyz")
_RETRY_AFTER_S = "1"


class HttpServer:
    """Probes and metrics from start to stop; the service's routes only while `door` is open."""

    def __init__(self, *, service: str, settings: ServiceSettings, metrics: Metrics, health: Health) -> None:
        self.name = "http"
        self._service = service
        self._settings = settings
        self._metrics = metrics
        self._health = health
        self._runner: web.AppRunner | None = None
        self._timeouts_s: dict[object, float | None] = {}
        # A dispatcher of its own: that of the application is frozen once it listens, and a service knows its paths later.
        self._routes = web.UrlDispatcher()
        self.port = settings.http_port
        self.door = Door()
        # Whether a route may be served at all, by method and path as registered. A service that denies by default sets it: what is
        # in none of its tables is then shut even where somebody has added a route for it.
        self.is_listed: Callable[[str, str], bool] = lambda _method, _path: True
        self.app = web.Application(client_max_size=settings.http_max_body_bytes, middlewares=[self._pass_the_door])
        self.app.on_response_prepare.append(self._finish_headers)
        self.app.router.add_get("/metrics", self._show_metrics)
        self.app.router.add_get("/livez", self._show_liveness)
        self.app.router.add_get("/readyz", self._show_readiness)
        self.app.router.add_route("*", "/{path:.*}", self._dispatch)

    def add_routes(
        self, routes: Iterable[web.AbstractRouteDef], *, timeout_s: float | EllipsisType | None = ...
    ) -> None:
        """Serve `routes` behind the door; a request that takes longer than `timeout_s` is answered with 503. At any time.

        Left out, the limit is the setting's; None is no limit at all, for streams that end by themselves.
        """
        limit_s = self._settings.http_request_timeout_s if isinstance(timeout_s, EllipsisType) else timeout_s
        for route in self._routes.add_routes(routes):
            self._timeouts_s[route] = limit_s

    def routes(self) -> Sequence[tuple[str, str]]:
        """Method and path of everything that is served, probes included."""
        own = [route for route in self.app.router.routes() if route.method != "*"]
        return [
            (route.method, route.resource.canonical)
            for route in (*own, *self._routes.routes())
            if route.resource is not None
        ]

    async def start(self) -> None:
        """Listen; a taken port is the operator's to mend. With port 0, `port` is the one that was found."""
        self._runner = web.AppRunner(self.app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await self._runner.setup()
        host, port = self._settings.http_host, self._settings.http_port
        try:
            await web.TCPSite(self._runner, host, port, ssl_context=self._tls()).start()
        except OSError as error:
            await self._runner.cleanup()
            raise ConfigurationError(cannot_listen(host, port, "http_host", "http_port", error)) from error
        self.port = self._runner.addresses[0][1]
        has_tls = self._settings.http_tls_cert_file is not None
        log.info("http listens", extra={"host": host, "port": self.port, "tls": has_tls})

    async def run(self) -> None:
        """Nothing to do: aiohttp serves on the loop."""

    async def stop(self) -> None:
        """Close every connection."""
        if self._runner is not None:
            await self._runner.cleanup()

    def _tls(self) -> ssl.SSLContext | None:
        settings = self._settings
        if settings.http_tls_cert_file is None or settings.http_tls_key_file is None:
            return None
        return http_tls(
            TlsFiles(
                cert_file=settings.http_tls_cert_file,
                key_file=settings.http_tls_key_file,
                client_ca_file=settings.http_tls_client_ca_file,
            )
        )

    @web.middleware
    async def _pass_the_door(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path not in _UNASKED and self._settings.http_tls_client_ca_file and not _shows_certificate(request):
            return error_response(403, "PERMISSION_DENIED", "this port asks for a client certificate (mutual TLS)")
        if request.path in _PROBES:
            return await handler(request)
        if self.door.is_open:
            with self.door.visit():
                response = await handler(request)
        else:
            response = error_response(
                503, "UNAVAILABLE", "not serving now: see /readyz", headers={"Retry-After": _RETRY_AFTER_S}
            )
        if self.door.is_closed:
            response.force_close()  # The caller's next connection shall find another process.
        return response

    async def _dispatch(self, request: web.Request) -> web.StreamResponse:
        """Answer by the service's own route, within its deadline."""
        match = await self._routes.resolve(request)
        if match.http_exception is not None:
            raise match.http_exception
        resource = match.route.resource
        if resource is None or not self.is_listed(match.route.method, resource.canonical):
            return error_response(403, "PERMISSION_DENIED", "nobody may ask for this: it is in no table of rights")
        request.match_info.clear()
        request.match_info.update(match)
        limit_s = self._timeouts_s.get(match.route, self._settings.http_request_timeout_s)
        try:
            async with asyncio.timeout(limit_s) as deadline:
                return await match.handler(request)
        except TimeoutError:
            if not deadline.expired():
                raise
            return error_response(
                503, "DEADLINE_EXCEEDED", f"not done within {limit_s:g} s", headers={"Retry-After": _RETRY_AFTER_S}
            )
        except web.RequestPayloadError as error:
            # The body is not what its headers say: cut off, or not compressed at all. No defect of ours.
            return error_response(
                400, "MALFORMED", f"the body cannot be read: {error.args[0] if error.args else error}"
            )

    async def _finish_headers(self, _request: web.Request, response: web.StreamResponse) -> None:
        for name, value in SECURITY_HEADERS.items():
            response.headers.setdefault(name, value)
        response.headers["Server"] = "streamlabel"  # The versions of our parts are nobody's business.

    async def _show_metrics(self, request: web.Request) -> web.StreamResponse:
        body, content_type = self._metrics.expose(request.headers.get("Accept", ""))
        response = web.Response(body=body, headers={"Content-Type": content_type, "Cache-Control": "no-store"})
        response.enable_compression()
        return response

    async def _show_liveness(self, _request: web.Request) -> web.StreamResponse:
        return self._verdict("alive", self._health.alive, self._health.deaths())

    async def _show_readiness(self, _request: web.Request) -> web.StreamResponse:
        warnings = dict(self._health.warnings())
        return self._verdict("ready", self._health.ready, self._health.reasons(), warnings=warnings)

    def _verdict(self, question: str, answer: bool, reasons: Mapping[str, str], **more: object) -> web.Response:
        about = {"service": self._service, "version": installed_version()}
        body = {question: answer, **about, "reasons": dict(reasons), **more}
        return web.json_response(body, status=200 if answer else 503, headers={"Cache-Control": "no-store"})


def _shows_certificate(request: web.Request) -> bool:
    """Whether the client has shown one; that it is good, the handshake has seen to."""
    return bool(request.get_extra_info("peercert"))


class Door:
    """Lets requests in while it is open, and knows when the last one has left. A component of the SERVER phase."""

    def __init__(self) -> None:
        self.name = "http door"
        self.is_open = False
        self.is_closed = False
        self._inside = 0
        self._empty = asyncio.Event()
        self._empty.set()

    async def start(self) -> None:
        """From now on requests come in."""
        self.is_open = True

    async def run(self) -> None:
        """Nothing to do."""

    async def stop(self) -> None:
        """No request comes in any more; returns when the last one has been answered."""
        self.is_open, self.is_closed = False, True
        await self._empty.wait()

    @property
    def inside(self) -> int:
        """How many requests are inside."""
        return self._inside

    def visit(self) -> _Visit:
        """Count one request as inside while the context lasts."""
        return _Visit(self)

    def enter(self) -> None:
        """One request more is inside."""
        self._inside += 1
        self._empty.clear()

    def leave(self) -> None:
        """One request less is inside."""
        self._inside -= 1
        if self._inside == 0:
            self._empty.set()


class _Visit:
    __slots__ = ("_door",)

    def __init__(self, door: Door) -> None:
        self._door = door

    def __enter__(self) -> None:
        self._door.enter()

    def __exit__(self, *_: object) -> None:
        self._door.leave()


def error_response(
    status: int, code: str, message: str, *, headers: Mapping[str, str] | None = None, **details: object
) -> web.Response:
    """The one shape of an error over HTTP: `{"error": {"code": …, "message": …}}`."""
    return web.json_response(
        {"error": {"code": code, "message": message, **details}}, status=status, headers=dict(headers or {})
    )


def cannot_listen(host: str, port: int, host_field: str, port_field: str, error: OSError) -> str:
    """What an operator must know when an address cannot be had."""
    match error.errno:
        case errno.EADDRINUSE:
            why = "another process listens there: stop it, or choose another port"
        case errno.EACCES:
            why = "ports below 1024 need a privilege: choose a higher one"
        case errno.EADDRNOTAVAIL:
            why = "this machine has no such address"
        case _:
            why = str(error)
    return f"{env_key(port_field)}={port}: cannot listen on {env_key(host_field)}={host}, port {port}: {why}"
