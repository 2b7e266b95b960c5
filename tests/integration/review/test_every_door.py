"""Denied by default: everything that the service serves has a row in the table of rights, and the table has no other rows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import aiohttp.web
import grpc
import pytest
from google.protobuf import descriptor_pb2
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from streamlabel.local.ports import choose
from streamlabel.review.rules.access import ROUTES, RPCS, rule_of_route
from streamlabel.review.settings import ReviewSettings
from streamlabel.review.wiring import wire
from streamlabel.runtime.process import Process
from streamlabel.runtime.settings import load_settings
from support.access import OPERATOR_TOKEN
from support.pipeline import Pipeline

pytestmark = pytest.mark.integration
OPERATOR = (("authorization", f"Bearer {OPERATOR_TOKEN}"),)


@asynccontextmanager
async def wired(kafka: str, prefix: str, dsn: str) -> AsyncIterator[Process]:
    """The whole service with its default of access, in this process."""
    settings = load_settings(
        ReviewSettings,
        {
            "STREAMLABEL_KAFKA_BOOTSTRAP_SERVERS": kafka,
            "STREAMLABEL_KAFKA_TOPIC_PREFIX": prefix,
            "STREAMLABEL_REVIEW_POSTGRES_DSN": dsn,
            "STREAMLABEL_HTTP_HOST": "127.0.0.1",
            "STREAMLABEL_HTTP_PORT": "0",
            "STREAMLABEL_GRPC_HOST": "127.0.0.1",
            "STREAMLABEL_GRPC_PORT": str(choose(set())),
            "STREAMLABEL_REVIEW_ADMIN_TOKEN": OPERATOR_TOKEN,
        },
    )
    process = Process("review", settings)
    life = asyncio.create_task(process.run(lambda: wire(process, settings)))
    try:
        async with asyncio.timeout(60):
            while not process.health.ready:
                await asyncio.sleep(0.05)
        yield process
    finally:
        process.request_stop("the test is over")
        assert await life == 0


async def served_rpcs(address: str) -> set[str]:
    """Every method of every service that is registered, as the server itself tells by reflection."""
    found = set()
    async with grpc.aio.insecure_channel(address) as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)

        async def ask(**request: str) -> reflection_pb2.ServerReflectionResponse:
            call = stub.ServerReflectionInfo(
                iter([reflection_pb2.ServerReflectionRequest(**request)]), metadata=OPERATOR
            )
            return await call.read()

        for service in (await ask(list_services="")).list_services_response.service:
            answer = await ask(file_containing_symbol=service.name)
            for raw in answer.file_descriptor_response.file_descriptor_proto:
                file = descriptor_pb2.FileDescriptorProto.FromString(raw)
                for each in file.service:
                    if f"{file.package}.{each.name}" == service.name:
                        found |= {f"/{service.name}/{method.name}" for method in each.method}
    return found


async def test_every_rpc_and_every_route_is_in_the_table_and_shut_to_strangers(
    kafka: str, topic_prefix: str, postgres_database: str
) -> None:
    await Pipeline.create(kafka, topic_prefix)
    async with wired(kafka, topic_prefix, postgres_database) as process:
        address = f"127.0.0.1:{process.settings.grpc_port}"  # type: ignore[attr-defined]
        rpcs = await served_rpcs(address)
        assert {row.partition("#")[0] for row in RPCS} == rpcs
        async with grpc.aio.insecure_channel(address) as channel:
            for rpc in sorted(rpcs):
                code = await code_without_token(channel, rpc)
                expected = grpc.StatusCode.OK if RPCS[rpc].public else grpc.StatusCode.UNAUTHENTICATED
                assert code is expected, rpc

        routes = process.http.routes()
        assert len(routes) > 40
        without_rule = [route for route in routes if rule_of_route(*route) is None]
        assert without_rule == []
        rows = {f"{method} {'/assets/*' if path.startswith('/assets/') else path}" for method, path in routes}
        assert set(ROUTES) <= rows
        url = f"http://127.0.0.1:{process.http.port}"
        async with aiohttp.ClientSession() as stranger:
            for method, path in routes:
                rule = rule_of_route(method, path)
                async with stranger.request(method, url + path, json={} if method == "POST" else None) as response:
                    public = bool(rule and rule.public)
                    assert (response.status != 401) is public or path == "/session", (method, path, response.status)

        process.http.add_routes([aiohttp.web.get("/forgotten", forgotten)])
        async with aiohttp.ClientSession() as stranger, stranger.get(f"{url}/forgotten") as response:
            assert response.status == 403


async def code_without_token(channel: grpc.aio.Channel, rpc: str) -> grpc.StatusCode:
    """With what an empty request ends; a stream that begins counts as OK."""
    if rpc.endswith("ServerReflectionInfo"):
        stream = channel.stream_stream(rpc, request_serializer=bytes, response_deserializer=bytes)(iter([b""]))
    elif rpc.endswith("/Watch"):
        stream = channel.unary_stream(rpc, request_serializer=bytes, response_deserializer=bytes)(b"")
    else:
        call = channel.unary_unary(rpc, request_serializer=bytes, response_deserializer=bytes)(b"")
        return await call.code()
    try:
        await stream.read()
    except grpc.aio.AioRpcError as error:
        return error.code()
    stream.cancel()
    return grpc.StatusCode.OK


async def forgotten(_request: aiohttp.web.Request) -> aiohttp.web.Response:
    return aiohttp.web.Response(text="nobody thought of me")
