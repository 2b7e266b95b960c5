"""A gRPC server as a component: health and reflection included, bounded everywhere, drained before it stops."""

from __future__ import annotations

import asyncio
import inspect
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

import grpc
from grpc_health.v1 import health as grpc_health
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from streamlabel.errors import ConfigurationError
from streamlabel.runtime.certificates import TlsFiles, grpc_tls
from streamlabel.runtime.grpc_guard import with_behaviour
from streamlabel.runtime.health import Health
from streamlabel.runtime.http import Door, cannot_listen
from streamlabel.runtime.settings import GrpcSettings

log = logging.getLogger(__name__)

Register = Callable[[grpc.aio.Server], None]

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
# Watches of the infrastructure never end by themselves; a drain must not wait for them.
_INFRASTRUCTURE = "/grpc."


class GrpcServer:
    """Serves `services` (full proto name → what adds its servicer to a server), each with its own health entry.

    Stopping: not serving, new calls get UNAVAILABLE, those in hand may end within the process's deadline, then
    the rest are cut off. A call that lasts should watch `Process.stopping` and end by itself.
    """

    def __init__(
        self,
        *,
        settings: GrpcSettings,
        health: Health,
        services: Mapping[str, Register],
        interceptors: Sequence[grpc.aio.ServerInterceptor] = (),
    ) -> None:
        self.name = "grpc"
        self.port = settings.grpc_port
        self._settings = settings
        self._health = health
        self._services = services
        self._interceptors = tuple(interceptors)
        self._door = Door()
        self._changed = asyncio.Event()
        self._stopped = asyncio.Event()
        self._servicer = grpc_health.aio.HealthServicer()
        self._server: grpc.aio.Server | None = None

    async def start(self) -> None:
        """Listen and serve; with port 0, `port` is the one that was found."""
        settings = self._settings
        server = grpc.aio.server(
            interceptors=(_Turnstile(self._door, settings.grpc_max_concurrent_rpcs), *self._interceptors),
            options=_channel_options(settings),
        )
        for register in self._services.values():
            register(server)
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, server)
        names = (*self._services, grpc_health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, server)
        self.port = self._listen(server)
        self._health.subscribe(self._changed.set)
        await self._tell_health()
        await server.start()
        await self._door.start()
        self._server = server
        log.info("grpc listens", extra={"host": settings.grpc_host, "port": self.port, "tls": self._has_tls})

    async def run(self) -> None:
        """Keep the health service in step with the process."""
        while not self._stopped.is_set():
            await self._changed.wait()
            self._changed.clear()
            await self._tell_health()

    async def stop(self) -> None:
        """No new calls; returns when those in hand have ended. A cancelled stop cuts them off."""
        self._stopped.set()
        await self._servicer.enter_graceful_shutdown()
        self._changed.set()
        if self._server is None:
            return
        try:
            # Not `server.stop(grace)`: a handler that aborts during its grace loses its status on the way out.
            await self._door.stop()
        finally:
            # Even where the wait for calls was cancelled, connections are closed and handlers ended.
            await asyncio.shield(self._server.stop(grace=None))

    async def _tell_health(self) -> None:
        status = _SERVING if self._health.ready else _NOT_SERVING
        for name in ("", *self._services):
            await self._servicer.set(name, status)

    @property
    def _has_tls(self) -> bool:
        return self._settings.grpc_tls_cert_file is not None

    def _listen(self, server: grpc.aio.Server) -> int:
        settings = self._settings
        address = f"{_bracketed(settings.grpc_host)}:{settings.grpc_port}"
        # gRPC's own failure has no errno; asking the system first tells a taken port from a wrong address.
        _try_to_bind(settings.grpc_host, settings.grpc_port)
        try:
            if self._has_tls:
                return int(server.add_secure_port(address, _credentials(settings)))
            return int(server.add_insecure_port(address))
        except RuntimeError as error:
            reason = OSError(str(error))
            message = cannot_listen(settings.grpc_host, settings.grpc_port, "grpc_host", "grpc_port", reason)
            raise ConfigurationError(message) from error


class _Turnstile(grpc.aio.ServerInterceptor):  # type: ignore[misc]
    """Counts the calls that are inside; turns new ones away when there are too many, and once the door is closed.

    gRPC's own limit would count health checks too: a server that is merely busy would be taken for a dead one.
    """

    def __init__(self, door: Door, max_inside: int) -> None:
        self._door = door
        self._max_inside = max_inside

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler:
        handler = await continuation(handler_call_details)
        if handler is None or handler_call_details.method.startswith(_INFRASTRUCTURE):
            return handler
        inner = handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream
        wrapped = self._streaming(inner) if handler.response_streaming else self._single(inner)
        return with_behaviour(handler, wrapped)

    async def _admit(self, context: grpc.aio.ServicerContext) -> None:
        if not self._door.is_open:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "this server is stopping")
        if self._door.inside >= self._max_inside:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, f"{self._max_inside} calls are in hand already")

    def _single(self, inner: Callable[..., Any]) -> Callable[..., Any]:
        async def call(request: Any, context: grpc.aio.ServicerContext) -> Any:
            await self._admit(context)
            with self._door.visit():
                return await inner(request, context)

        return call

    def _streaming(self, inner: Callable[..., Any]) -> Callable[..., Any]:
        async def call(request: Any, context: grpc.aio.ServicerContext) -> AsyncIterator[Any]:
            await self._admit(context)
            with self._door.visit():
                answers = inner(request, context)
                if inspect.isasyncgen(answers):
                    async for answer in answers:
                        yield answer
                else:  # A servicer may also be a coroutine that calls `context.write` itself.
                    await answers

        return call


def _channel_options(settings: GrpcSettings) -> list[tuple[str, int]]:
    def ms(seconds: float) -> int:
        return int(seconds * 1000)

    return [
        # Two processes on one port would share its calls at random; a taken port must be an error.
        ("grpc.so_reuseport", 0),
        ("grpc.max_receive_message_length", settings.grpc_max_message_bytes),
        ("grpc.max_send_message_length", settings.grpc_max_message_bytes),
        ("grpc.keepalive_time_ms", ms(settings.grpc_keepalive_s)),
        ("grpc.keepalive_timeout_ms", ms(settings.grpc_keepalive_timeout_s)),
        # Clients may ping as often as this server does without being cut off for it.
        ("grpc.http2.min_recv_ping_interval_without_data_ms", ms(settings.grpc_keepalive_s) // 2),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.max_connection_age_ms", ms(settings.grpc_max_connection_age_s)),
        ("grpc.max_connection_age_grace_ms", ms(settings.grpc_max_connection_age_grace_s)),
    ]


def _credentials(settings: GrpcSettings) -> grpc.ServerCredentials:
    if settings.grpc_tls_cert_file is None or settings.grpc_tls_key_file is None:
        raise ConfigurationError("TLS needs a certificate and a key")
    return grpc_tls(
        TlsFiles(
            cert_file=settings.grpc_tls_cert_file,
            key_file=settings.grpc_tls_key_file,
            client_ca_file=settings.grpc_tls_client_ca_file,
        )
    )


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def _try_to_bind(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host.strip("[]"), port))
        except OSError as error:
            raise ConfigurationError(cannot_listen(host, port, "grpc_host", "grpc_port", error)) from error
