"""The service with its default of access, as a process that logs all it can: no token, good or bad, is in what it wrote."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import grpc
import pytest

from streamlabel.client.access import AccessClient
from streamlabel.client.retry import Patience
from streamlabel.client.review import CallRefusedError, ReviewClient
from streamlabel.local.ports import choose
from support.access import OPERATOR_TOKEN
from support.nouns import text_project
from support.pipeline import Pipeline

pytestmark = pytest.mark.integration
PATIENT = Patience(cap_s=0.5, give_up_s=60)
FOREIGN = "slt_abcdefghijkl_" + "SuperSecret" * 3 + "0123456789"
SHORT = "hunter2-hunter2"


@contextlib.asynccontextmanager
async def logging_review(settings: dict[str, str], log: Path) -> AsyncIterator[None]:
    with log.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "streamlabel.review", env={**os.environ, **settings}, stdout=file, stderr=file
        )
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(process.wait(), 30) == 0


async def test_a_login_leaves_no_secret_behind(
    kafka: str, topic_prefix: str, postgres_database: str, tmp_path: Path
) -> None:
    pipeline = await Pipeline.create(kafka, topic_prefix)
    await pipeline.apply_project(text_project("mail"))
    log, file = tmp_path / "review.log", tmp_path / "operator"
    file.write_text(f"{OPERATOR_TOKEN}\n")
    settings = {
        "STREAMLABEL_KAFKA_BOOTSTRAP_SERVERS": kafka,
        "STREAMLABEL_KAFKA_TOPIC_PREFIX": topic_prefix,
        "STREAMLABEL_REVIEW_POSTGRES_DSN": postgres_database,
        "STREAMLABEL_HTTP_PORT": str(choose(set())),
        "STREAMLABEL_GRPC_PORT": str(choose(set())),
        "STREAMLABEL_LOG_LEVEL": "debug",
        "STREAMLABEL_REVIEW_ADMIN_TOKEN_FILE": str(file),
        "GRPC_VERBOSITY": "DEBUG",
    }
    address = f"127.0.0.1:{settings['STREAMLABEL_GRPC_PORT']}"
    url = f"http://127.0.0.1:{settings['STREAMLABEL_HTTP_PORT']}"
    async with logging_review(settings, log):
        async with AccessClient(address, token=OPERATOR_TOKEN, patience=PATIENT) as office:
            await office.put("ann", ["annotator"])
            token, _ = await office.create_token("ann", "laptop")
        async with ReviewClient(address, token=token, patience=PATIENT) as client:
            assert await client.lease("ann") == []
            with pytest.raises(CallRefusedError, match="PERMISSION_DENIED"):
                await client.lease("bob")
        for wrong in (FOREIGN, SHORT, token[:-1] + "!", token.lower()):
            async with ReviewClient(address, token=wrong, patience=PATIENT) as stranger:
                with pytest.raises(CallRefusedError, match="UNAUTHENTICATED") as refused:
                    await stranger.projects()
                assert wrong not in str(refused.value)
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
            for sent, status in ((FOREIGN, 401), (token, 200)):
                async with browser.post(f"{url}/session", json={"token": sent}) as response:
                    assert (response.status, sent in await response.text()) == (status, False)
            async with browser.post(f"{url}/session?token={SHORT}", data=f"{token}&") as response:
                assert (response.status, token in await response.text()) == (415, False)
            async with browser.post(f"{url}/session", data=f'{{"token": "{token}', headers=JSON) as response:
                assert (response.status, token in await response.text()) == (400, False)
            async with browser.post(f"{url}/streamlabel.v1.AccessService/WhoAmI", json={}) as response:
                assert (await response.json())["annotator"]["name"] == "ann"
        async with grpc.aio.insecure_channel(address) as channel:
            call = channel.unary_unary(f"/streamlabel.v1.ReviewService/{SHORT}")
            with pytest.raises(grpc.aio.AioRpcError):
                await call(b"", metadata=(("authorization", f"Basic {token}"),))
    written = log.read_text(errors="replace")
    assert '"message":"started"' in written
    secrets = {OPERATOR_TOKEN, token, token.rpartition("_")[2], token.lower(), FOREIGN, "SuperSecret", SHORT, "hunter2"}
    assert {secret for secret in secrets if secret in written} == set()


JSON = {"Content-Type": "application/json"}
