"""The page as the review service itself serves it, on a real Kafka and PostgreSQL, with the service killed under it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Mapping

import pytest
from aiohttp import ClientError, ClientSession
from playwright.async_api import Browser, expect

from streamlabel.local.ports import choose
from streamlabel.runtime.web.page import CONTENT_SECURITY_POLICY
from streamlabel.wire import labels, review_tasks
from streamlabel.wire.flow import LABELS, REVIEW_TASKS
from streamlabel.wire.headers import ingest_headers
from support.nouns import text_project
from support.page_visitor import Visitor
from support.pipeline import Pipeline
from support.review_queue import task

pytestmark = pytest.mark.integration

TASKS = 24
STAMP = ingest_headers(1_700_000_000_000)


def environment(kafka: str, prefix: str, dsn: str) -> dict[str, str]:
    return {
        "STREAMLABEL_KAFKA_BOOTSTRAP_SERVERS": kafka,
        "STREAMLABEL_KAFKA_TOPIC_PREFIX": prefix,
        "STREAMLABEL_KAFKA_SESSION_TIMEOUT_S": "6",
        "STREAMLABEL_REVIEW_POSTGRES_DSN": dsn,
        "STREAMLABEL_REVIEW_LEASE_S": "4",
        "STREAMLABEL_HTTP_HOST": "127.0.0.1",
        "STREAMLABEL_HTTP_PORT": str(choose(set())),
        "STREAMLABEL_GRPC_HOST": "127.0.0.1",
        "STREAMLABEL_GRPC_PORT": str(choose(set())),
        "STREAMLABEL_LOG_LEVEL": "warning",
        "STREAMLABEL_LOG_FORMAT": "text",
        "STREAMLABEL_REVIEW_ACCESS": "open",
    }


@contextlib.asynccontextmanager
async def review(settings: Mapping[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """The service, ready; it may be killed meanwhile."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "streamlabel.review", env={**os.environ, **settings}
    )
    try:
        async with asyncio.timeout(60), ClientSession() as session:
            while not await is_ready(session, settings):
                assert process.returncode is None, f"review ended with {process.returncode}"
                await asyncio.sleep(0.1)
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def is_ready(session: ClientSession, settings: Mapping[str, str]) -> bool:
    try:
        async with session.get(f"http://127.0.0.1:{settings['STREAMLABEL_HTTP_PORT']}/readyz") as response:
            return response.status == 200
    except ClientError:
        return False


async def answer(ada: Visitor, count: int) -> None:
    """`count` answers by the suggestion, each to a task that can be seen."""
    for _ in range(count):
        await expect(ada.record).to_be_visible(timeout=30_000)
        await ada.press("Enter")


async def test_killed_under_a_working_person_no_answer_is_lost_or_doubled(
    kafka: str, topic_prefix: str, postgres_database: str, browser: Browser
) -> None:
    pipeline = await Pipeline.create(kafka, topic_prefix)
    await pipeline.apply_project(text_project("mail"))
    tasks = [task(f"r{number}") for number in range(TASKS)]
    for partition in (0, 1):
        own = [(each.key.encode(), review_tasks.encode(each), STAMP) for each in tasks[partition::2]]
        await pipeline.write(pipeline.names.topic(REVIEW_TASKS), partition, own)
    settings = environment(kafka, topic_prefix, postgres_database)
    url = f"http://127.0.0.1:{settings['STREAMLABEL_HTTP_PORT']}/"
    async with review(settings) as process:
        page = await browser.new_page()
        response = await page.goto(url)
        assert response is not None
        assert response.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
        ada = await Visitor.enter(page, url, name="Ada", project="mail")
        await answer(ada, 6)
        process.kill()
        await process.wait()
        # With what was leased ahead one works on.
        await answer(ada, 2)
        await expect(page.locator(".connection")).to_contain_text("kept here")
    async with review(settings) as process:
        await answer(ada, 6)
        process.kill()
        await process.wait()
        await answer(ada, 1)
    async with review(settings):
        # No count here: where an answer crossed with a new lease of its task, the task may rightly be asked again.
        caught_up = page.get_by_role("heading", name="All caught up")
        async with asyncio.timeout(60):
            while not await caught_up.is_visible():
                await ada.press("Enter")
        found = await pipeline.read(pipeline.names.topic(LABELS), TASKS, timeout_s=60, linger_s=1.5)
        await page.context.close()
    assert ada.faults == []
    made = [labels.decode(message.value) for message in found]
    assert Counter(label.key.record_id for label in made) == Counter({f"r{number}": 1 for number in range(TASKS)})
    assert {(label.class_name, label.annotators, label.revision) for label in made} == {("spam", ("Ada",), 1)}
