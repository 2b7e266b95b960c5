"""TLS on both ports of a service: renewed, replaced and mutual, without a restart."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import grpc
import pytest
from cryptography import x509
from grpc_health.v1 import health_pb2, health_pb2_grpc

from streamlabel.client.channel import open_channel
from streamlabel.client.tls import credentials_of
from streamlabel.errors import ConfigurationError
from streamlabel.runtime.grpc_server import GrpcServer
from streamlabel.runtime.health import Health
from streamlabel.runtime.http import HttpServer
from streamlabel.runtime.metrics import Metrics
from streamlabel.runtime.probe import ask
from streamlabel.runtime.settings import GrpcSettings, load_settings
from support.authority import Authority, Pair, put

OURS, THEIRS = Authority("ours"), Authority("theirs")
LOOPBACK = "127.0.0.1"


@asynccontextmanager
async def ports(folder: Path, *, mutual: bool = False) -> AsyncIterator[tuple[int, int]]:
    """The HTTP and the gRPC port of a service with the certificate in `folder`."""
    files = {}
    for port in ("HTTP", "GRPC"):
        files[f"STREAMLABEL_{port}_HOST"] = LOOPBACK
        files[f"STREAMLABEL_{port}_PORT"] = "0"
        files[f"STREAMLABEL_{port}_TLS_CERT_FILE"] = str(folder / "server.crt")
        files[f"STREAMLABEL_{port}_TLS_KEY_FILE"] = str(folder / "server.key")
        if mutual:
            files[f"STREAMLABEL_{port}_TLS_CLIENT_CA_FILE"] = str(folder / "clients.crt")
    settings = load_settings(GrpcSettings, files)
    health = Health()
    http = HttpServer(service="ingest", settings=settings, metrics=Metrics("ingest"), health=health)
    server = GrpcServer(settings=settings, health=health, services={})
    await http.start()
    await http.door.start()
    await server.start()
    try:
        yield http.port, server.port
    finally:
        await server.stop()
        await http.stop()


def trusting(authority: Authority, client: Pair | None = None, folder: Path | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=authority.pem.decode())
    context.set_alpn_protocols(["h2", "http/1.1"])
    if client is not None and folder is not None:
        context.load_cert_chain(*client.write(folder, f"client-{client.serial}"))
    return context


async def serial_at(port: int, authority: Authority = OURS) -> int:
    """Of the certificate that is shown to whoever connects now."""
    _, writer = await asyncio.open_connection(LOOPBACK, port, ssl=trusting(authority))
    shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return x509.load_der_x509_certificate(shown).serial_number


async def health_at(port: int, authority: Authority, client: Pair | None = None) -> int:
    """What the gRPC health service answers over a new connection; AioRpcError where none comes about."""
    credentials = grpc.ssl_channel_credentials(
        authority.pem, client.key if client else None, client.cert if client else None
    )
    # Channels with the same arguments share a connection.
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.secure_channel(f"{LOOPBACK}:{port}", credentials, options=options) as channel:
        answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=5)
        return int(answer.status)


async def status_at(port: int, path: str, context: ssl.SSLContext) -> int:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"https://{LOOPBACK}:{port}{path}", ssl=context) as answer,
    ):
        return answer.status


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    OURS.issue().write(tmp_path, "server")
    put(tmp_path / "clients.crt", OURS.pem)
    return tmp_path


async def test_both_ports_speak_tls_and_nothing_else(folder: Path) -> None:
    async with ports(folder) as (http, rpc):
        assert await status_at(http, "/livez", trusting(OURS)) == 200
        assert await health_at(rpc, OURS) == health_pb2.HealthCheckResponse.SERVING
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await status_at(http, "/livez", trusting(THEIRS))
        with pytest.raises(grpc.aio.AioRpcError):
            await health_at(rpc, THEIRS)
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.ClientError):
                await session.get(f"http://{LOOPBACK}:{http}/livez")
        probed = {"STREAMLABEL_HTTP_PORT": str(http), "STREAMLABEL_HTTP_TLS_CERT_FILE": str(folder / "server.crt")}
        assert (await asyncio.to_thread(ask, "livez", probed))[0]
        assert not (await asyncio.to_thread(ask, "livez", {"STREAMLABEL_HTTP_PORT": str(http)}))[0]


async def test_a_renewed_certificate_is_shown_to_the_next_who_connects(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with ports(folder) as (http, rpc):
        first = {await serial_at(http), await serial_at(rpc)}
        assert len(first) == 1
        renewed = OURS.issue()
        # In the middle of it the key is not the certificate's.
        put(folder / "server.crt", renewed.cert)
        for _ in range(3):
            assert {await serial_at(http), await serial_at(rpc)} == first
        complaints = [record for record in caplog.records if "not usable" in record.message]
        assert sorted(record.port_of for record in complaints) == ["grpc", "http"]
        put(folder / "server.key", renewed.key)
        assert {await serial_at(http), await serial_at(rpc)} == {renewed.serial}
        (folder / "server.crt").unlink()
        assert {await serial_at(http), await serial_at(rpc)} == {renewed.serial}
        assert await health_at(rpc, OURS) == health_pb2.HealthCheckResponse.SERVING
    assert "PRIVATE KEY" not in caplog.text


async def test_mutual_tls_lets_in_who_shows_a_certificate_of_the_authority(folder: Path) -> None:
    ann, stranger = OURS.issue("ann"), THEIRS.issue("stranger")
    async with ports(folder, mutual=True) as (http, rpc):
        assert await status_at(http, "/metrics", trusting(OURS, ann, folder)) == 200
        assert await health_at(rpc, OURS, ann) == health_pb2.HealthCheckResponse.SERVING
        # Whoever supervises a process has no certificate.
        assert await status_at(http, "/livez", trusting(OURS)) == 200
        for path in ("/metrics", "/", "/anything"):
            assert await status_at(http, path, trusting(OURS)) == 403
        with pytest.raises(aiohttp.ClientError):
            await status_at(http, "/livez", trusting(OURS, stranger, folder))
        for client in (None, stranger):
            with pytest.raises(grpc.aio.AioRpcError):
                await health_at(rpc, OURS, client)

        # Another authority signs clients from now on.
        put(folder / "clients.crt", THEIRS.pem)
        assert await status_at(http, "/metrics", trusting(OURS, stranger, folder)) == 200
        assert await health_at(rpc, OURS, stranger) == health_pb2.HealthCheckResponse.SERVING
        with pytest.raises(aiohttp.ClientError):
            await status_at(http, "/metrics", trusting(OURS, ann, folder))
        with pytest.raises(grpc.aio.AioRpcError):
            await health_at(rpc, OURS, ann)


async def test_files_that_cannot_serve_stop_the_start(folder: Path) -> None:
    put(folder / "server.key", OURS.issue().key)
    with pytest.raises(ConfigurationError, match=r"TLS of http: .*server\.crt"):
        async with ports(folder):
            pass
    with pytest.raises(
        ConfigurationError, match="STREAMLABEL_HTTP_TLS_CLIENT_CA_FILE needs STREAMLABEL_HTTP_TLS_CERT_FILE"
    ):
        load_settings(GrpcSettings, {"STREAMLABEL_HTTP_TLS_CLIENT_CA_FILE": str(folder / "clients.crt")})


async def test_the_clients_go_by_the_environment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def answer(rpc: int) -> int:
        async with open_channel(f"{LOOPBACK}:{rpc}", None, message_max_bytes=1024) as channel:
            return int(
                (await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=5)).status
            )

    cert, key = OURS.issue("ann").write(folder, "ann")
    async with ports(folder, mutual=True) as (_, rpc):
        with pytest.raises(grpc.aio.AioRpcError):
            await answer(rpc)
        monkeypatch.setenv("STREAMLABEL_TLS_CA_FILE", str(put(folder / "ca.crt", OURS.pem)))
        with pytest.raises(grpc.aio.AioRpcError):
            await answer(rpc)
        monkeypatch.setenv("STREAMLABEL_TLS_CERT_FILE", str(cert))
        with pytest.raises(ConfigurationError, match="come as a pair"):
            await answer(rpc)
        monkeypatch.setenv("STREAMLABEL_TLS_KEY_FILE", str(key))
        assert await answer(rpc) == health_pb2.HealthCheckResponse.SERVING
        monkeypatch.setenv("STREAMLABEL_TLS_CA_FILE", str(folder / "nothing"))
        with pytest.raises(ConfigurationError, match="STREAMLABEL_TLS_CA_FILE="):
            await answer(rpc)
    assert credentials_of({"STREAMLABEL_TLS_CA_FILE": "public"}) is not None
    with pytest.raises(ConfigurationError, match="needs STREAMLABEL_TLS_CA_FILE"):
        credentials_of({"STREAMLABEL_TLS_CERT_FILE": "a", "STREAMLABEL_TLS_KEY_FILE": "b"})
