"""The desk of a `ReviewQueue` behind a real gRPC server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from streamlabel.review.adapters.grpc_service import SERVICE_NAME
from streamlabel.runtime.grpc_server import GrpcServer
from streamlabel.runtime.health import Health
from streamlabel.runtime.settings import GrpcSettings, load_settings
from support.review_queue import ReviewQueue


@asynccontextmanager
async def served(queue: ReviewQueue) -> AsyncIterator[str]:
    """The address at which `queue.desk` answers."""
    settings = load_settings(GrpcSettings, {"STREAMLABEL_GRPC_HOST": "127.0.0.1", "STREAMLABEL_GRPC_PORT": "0"})
    server = GrpcServer(settings=settings, health=Health(), services={SERVICE_NAME: queue.servicer().register})
    await server.start()
    try:
        yield f"127.0.0.1:{server.port}"
    finally:
        await server.stop()
