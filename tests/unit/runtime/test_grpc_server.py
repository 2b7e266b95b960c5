"""gRPC: health follows the process, limits hold, and stopping lets calls in hand end with their own status."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from streamlabel.errors import ConfigurationError
from streamlabel.runtime.grpc_server import GrpcServer
from streamlabel.runtime.health import Health
from streamlabel.runtime.settings import GrpcSettings

NAME = "streamlabel.test.Echo"


class Echo:
    """Four kinds of calls on raw bytes, so that no generated code is needed."""

    def __init__(self) -> None:
        self.may_end = asyncio.Event()
        self.entered = asyncio.Event()

    async def single(self, request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        return request

    async def waiting(self, request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        self.entered.set()
        await self.may_end.wait()
        if request == b"abort":
            await context.abort(grpc.StatusCode.ABORTED, "the lease is another's")
        return request

    async def many(self, request: bytes, context: grpc.aio.ServicerContext) -> AsyncIterator[bytes]:
        for _ in range(3):
            yield request

    async def written(self, request: bytes, context: grpc.aio.ServicerContext) -> None:
        await context.write(request)

    async def joined(self, requests: AsyncIterator[bytes], context: grpc.aio.ServicerContext) -> bytes:
        return b"".join([request async for request in requests])

    async def both(self, requests: AsyncIterator[bytes], context: grpc.aio.ServicerContext) -> AsyncIterator[bytes]:
        async for request in requests:
            yield request

    def register(self, server: grpc.aio.Server) -> None:
        handlers = {
            "Single": grpc.unary_unary_rpc_method_handler(self.single),
            "Waiting": grpc.unary_unary_rpc_method_handler(self.waiting),
            "Many": grpc.unary_stream_rpc_method_handler(self.many),
            "Written": grpc.unary_stream_rpc_method_handler(self.written),
            "Joined": grpc.stream_unary_rpc_method_handler(self.joined),
            "Both": grpc.stream_stream_rpc_method_handler(self.both),
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(NAME, handlers),))


@asynccontextmanager
async def served(
    health: Health | None = None, **values: object
) -> AsyncIterator[tuple[GrpcServer, Echo, grpc.aio.Channel]]:
    settings = GrpcSettings.model_validate({"grpc_host": "127.0.0.1", "grpc_port": 0, **values})
    echo = Echo()
    server = GrpcServer(settings=settings, health=health or Health(), services={NAME: echo.register})
    await server.start()
    running = asyncio.create_task(server.run())
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            yield server, echo, channel
    finally:
        echo.may_end.set()
        await server.stop()
        await asyncio.wait_for(running, 5)


def unary(channel: grpc.aio.Channel, method: str) -> Callable[..., Any]:
    return channel.unary_unary(f"/{NAME}/{method}")  # type: ignore[no-any-return]


async def status_of(channel: grpc.aio.Channel, service: str = NAME) -> int:
    stub = health_pb2_grpc.HealthStub(channel)
    answer = await stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=5)
    return int(answer.status)


async def test_all_four_kinds_of_calls_pass_the_turnstile() -> None:
    async with served() as (_, _, channel):
        assert await unary(channel, "Single")(b"x", timeout=5) == b"x"
        assert [a async for a in channel.unary_stream(f"/{NAME}/Many")(b"x", timeout=5)] == [b"x"] * 3
        assert [a async for a in channel.unary_stream(f"/{NAME}/Written")(b"x", timeout=5)] == [b"x"]
        assert await channel.stream_unary(f"/{NAME}/Joined")(iter([b"a", b"b"]), timeout=5) == b"ab"
        assert [a async for a in channel.stream_stream(f"/{NAME}/Both")(iter([b"a", b"b"]), timeout=5)] == [b"a", b"b"]
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await unary(channel, "Unheard")(b"x", timeout=5)
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_health_follows_the_process_for_each_service() -> None:
    health = Health()
    part = health.check("kafka")
    part.failing("gone")
    async with served(health) as (_, _, channel):
        assert await status_of(channel) == health_pb2.HealthCheckResponse.NOT_SERVING
        part.ok()
        await asyncio.sleep(0.05)
        assert await status_of(channel) == health_pb2.HealthCheckResponse.SERVING
        assert await status_of(channel, "") == health_pb2.HealthCheckResponse.SERVING
        part.failing("gone")
        await asyncio.sleep(0.05)
        assert await status_of(channel) == health_pb2.HealthCheckResponse.NOT_SERVING


async def test_reflection_lists_the_services() -> None:
    async with served() as (_, _, channel):
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        call = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]), timeout=5)
        names = [service.name async for answer in call for service in answer.list_services_response.service]
        assert NAME in names
        assert "grpc.health.v1.Health" in names


async def test_messages_beyond_the_limit_are_refused() -> None:
    async with served(grpc_max_message_bytes=65536) as (_, _, channel):
        assert len(await unary(channel, "Single")(b"x" * 60_000, timeout=5)) == 60_000
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await unary(channel, "Single")(b"x" * 70_000, timeout=5)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_calls_beyond_the_limit_are_refused() -> None:
    async with served(grpc_max_concurrent_rpcs=1) as (_, echo, channel):
        first = asyncio.ensure_future(unary(channel, "Waiting")(b"x", timeout=5))
        await asyncio.wait_for(echo.entered.wait(), 5)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await unary(channel, "Single")(b"y", timeout=5)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert await status_of(channel) == health_pb2.HealthCheckResponse.SERVING, "busy is not dead"
        echo.may_end.set()
        assert await first == b"x"
        assert await unary(channel, "Single")(b"y", timeout=5) == b"y"


@pytest.mark.parametrize("request_bytes", [b"fine", b"abort"])
async def test_stopping_lets_a_call_in_hand_end_with_its_own_status(request_bytes: bytes) -> None:
    async with served() as (server, echo, channel):
        pending = asyncio.ensure_future(unary(channel, "Waiting")(request_bytes, timeout=5))
        await asyncio.wait_for(echo.entered.wait(), 5)
        stopping = asyncio.create_task(server.stop())
        await asyncio.sleep(0.05)
        assert await status_of(channel) == health_pb2.HealthCheckResponse.NOT_SERVING
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await unary(channel, "Single")(b"late", timeout=5)
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        echo.may_end.set()
        if request_bytes == b"abort":
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await pending
            assert caught.value.code() is grpc.StatusCode.ABORTED
            assert caught.value.details() == "the lease is another's"
        else:
            assert await pending == b"fine"
        await asyncio.wait_for(stopping, 5)


async def test_a_stop_that_may_wait_no_longer_cuts_off() -> None:
    async with served() as (server, echo, channel):
        pending = asyncio.ensure_future(unary(channel, "Waiting")(b"x", timeout=5))
        await asyncio.wait_for(echo.entered.wait(), 5)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await server.stop()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await pending
        assert caught.value.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)


async def test_a_taken_port_is_a_configuration_error_that_names_it() -> None:
    async with served() as (server, _, _):
        settings = GrpcSettings.model_validate({"grpc_host": "127.0.0.1", "grpc_port": server.port})
        other = GrpcServer(settings=settings, health=Health(), services={})
        with pytest.raises(ConfigurationError, match=f"STREAMLABEL_GRPC_PORT={server.port}.*another process listens"):
            await other.start()
