"""Review with access control: a real PostgreSQL beneath, a real gRPC server and the HTTP face on top."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import grpc
from aiohttp import web

from streamlabel.core.access import AccessMode
from streamlabel.review.access import AccessLimits, Doorkeeper, Office
from streamlabel.review.access_ports import Issuer
from streamlabel.review.adapters.access_service import ACCESS_SERVICE_NAME, AccessServicer
from streamlabel.review.adapters.grpc_service import SERVICE_NAME
from streamlabel.review.adapters.guard import Guard
from streamlabel.review.adapters.postgres.accounts import PostgresAccounts
from streamlabel.review.adapters.postgres.audit import PostgresAudit
from streamlabel.review.adapters.web.connect import ACCESS_SERVICE, REVIEW_SERVICE, connect_routes
from streamlabel.review.adapters.web.session import session_routes
from streamlabel.review.rules.access_tokens import TokenHash
from streamlabel.runtime.grpc_guard import GuardInterceptor
from streamlabel.runtime.grpc_server import GrpcServer
from streamlabel.runtime.health import Health
from streamlabel.runtime.metrics import Metrics
from streamlabel.runtime.settings import GrpcSettings, load_settings
from streamlabel.runtime.web.hosts import AllowedHosts
from streamlabel.runtime.web.page import page_routes
from streamlabel.runtime.web.visitors import Visitors
from streamlabel.v1 import access_service_pb2, access_service_pb2_grpc
from support.review_queue import ReviewQueue

OPERATOR_TOKEN = "operator-" + "0123456789abcdef" * 2


@dataclass
class GuardedReview:
    """A desk behind a guard; `now_s` is the doorkeeper's stopwatch."""

    address: str
    url: str
    doorkeeper: Doorkeeper
    audit: PostgresAudit
    accounts: PostgresAccounts
    now_s: float = 0.0

    async def newcomer(self, name: str, *roles: str) -> str:
        """Adds an annotator with these roles; the token made for it."""
        metadata = (("authorization", f"Bearer {OPERATOR_TOKEN}"),)
        async with grpc.aio.insecure_channel(self.address) as channel:
            stub = access_service_pb2_grpc.AccessServiceStub(channel)  # type: ignore[no-untyped-call]
            await stub.PutAnnotator(access_service_pb2.PutAnnotatorRequest(name=name, roles=roles), metadata=metadata)
            made = await stub.CreateToken(access_service_pb2.CreateTokenRequest(name=name), metadata=metadata)
        return str(made.token)


@asynccontextmanager
async def guarded(
    queue: ReviewQueue,
    *,
    mode: AccessMode = AccessMode.TOKENS,
    limits: AccessLimits | None = None,
    issuer: Issuer | None = None,
) -> AsyncIterator[GuardedReview]:
    """`queue.desk` behind the guard of a service in `mode`; nothing that was looked up is remembered, unless `limits` say so."""
    settings = load_settings(GrpcSettings, {"STREAMLABEL_GRPC_HOST": "127.0.0.1", "STREAMLABEL_GRPC_PORT": "0"})
    token_hash = TokenHash(b"k" * 32)
    accounts, audit = PostgresAccounts(queue.database), PostgresAudit(queue.database)
    review = GuardedReview(address="", url="", doorkeeper=None, audit=audit, accounts=accounts)  # type: ignore[arg-type]
    review.doorkeeper = doorkeeper = Doorkeeper(
        mode=mode,
        tokens=accounts,
        audit=audit,
        token_hash=token_hash,
        limits=limits or AccessLimits(known_for_s=0.0),
        monotonic_s=lambda: review.now_s,
        operator_tokens=(OPERATOR_TOKEN,),
        issuer=issuer,
        directory=accounts,
    )
    guard = Guard(doorkeeper, Metrics("review"))
    office = Office(
        book=accounts, directory=accounts, tokens=accounts, audit=audit, token_hash=token_hash, chance=os.urandom
    )
    desk, access = queue.servicer(), AccessServicer(office, mode)
    server = GrpcServer(
        settings=settings,
        health=Health(),
        services={SERVICE_NAME: desk.register, ACCESS_SERVICE_NAME: access.register},
        interceptors=(GuardInterceptor(guard.admit),),
    )
    visitors = Visitors(AllowedHosts(), "STREAMLABEL_REVIEW_ALLOWED_HOSTS")
    app = web.Application()
    app.add_routes(page_routes("streamlabel.review.adapters.web", visitors))
    app.add_routes(session_routes(doorkeeper, guard, visitors))
    app.add_routes(connect_routes(REVIEW_SERVICE, desk, visitors, guard.admit))
    app.add_routes(connect_routes(ACCESS_SERVICE, access, visitors, guard.admit))
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    await server.start()
    review.address = f"127.0.0.1:{server.port}"
    review.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield review
    finally:
        await server.stop()
        await runner.cleanup()
