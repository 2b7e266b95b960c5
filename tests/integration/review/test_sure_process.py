"""People become known in two replicas, as processes, one of which is killed: on a real Kafka and a real PostgreSQL."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace

import pytest

from streamlabel.client.retry import Patience
from streamlabel.client.review import ReviewClient
from streamlabel.core.project import ReviewPolicy
from streamlabel.core.review import ReviewTask
from streamlabel.local.ports import choose
from streamlabel.wire import labels, review_tasks
from streamlabel.wire.flow import LABELS, REVIEW_TASKS
from streamlabel.wire.headers import ingest_headers
from support.nouns import text_project
from support.pipeline import OPEN_REVIEW, Pipeline
from support.review_queue import task

pytestmark = pytest.mark.integration
STAMP = ingest_headers(1_700_000_000_000)
MAIL = replace(text_project("mail"), review=ReviewPolicy(sure=0.9, max_votes=3))


def environment(kafka: str, prefix: str, dsn: str) -> dict[str, str]:
    return {
        "STREAMLABEL_KAFKA_BOOTSTRAP_SERVERS": kafka,
        "STREAMLABEL_KAFKA_TOPIC_PREFIX": prefix,
        "STREAMLABEL_REVIEW_POSTGRES_DSN": dsn,
        "STREAMLABEL_REVIEW_CROWD_INTERVAL_S": "0.2",
        "STREAMLABEL_REVIEW_STATS_MAX_AGE_S": "0",
        "STREAMLABEL_KAFKA_SESSION_TIMEOUT_S": "6",
        "STREAMLABEL_HTTP_PORT": str(choose(set())),
        "STREAMLABEL_GRPC_PORT": str(choose(set())),
        "STREAMLABEL_GRPC_HOST": "127.0.0.1",
        "STREAMLABEL_LOG_LEVEL": "warning",
        **OPEN_REVIEW,
    }


@contextlib.asynccontextmanager
async def replica(settings: Mapping[str, str]) -> AsyncIterator[tuple[asyncio.subprocess.Process, ReviewClient]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "streamlabel.review", env={**os.environ, "STREAMLABEL_LOG_FORMAT": "text", **settings}
    )
    address = f"127.0.0.1:{settings['STREAMLABEL_GRPC_PORT']}"
    try:
        async with ReviewClient(address, timeout_s=5, patience=Patience(cap_s=0.5, give_up_s=60)) as client:
            yield process, client
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def write(pipeline: Pipeline, *tasks: ReviewTask) -> None:
    rows = [(each.key.encode(), review_tasks.encode(each), STAMP) for each in tasks]
    await pipeline.write(pipeline.names.topic(REVIEW_TASKS), 0, rows)


async def answer_all(client: ReviewClient, annotator: str, count: int) -> None:
    async with client.work("mail", annotator, prefetch=5, idle_timeout_s=30) as session:
        for _ in range(count):
            leased = await anext(session)
            is_spam = int(leased.task.key.record_id.removeprefix("r")) % 2
            await session.answer(leased, "spam" if is_spam else "ham")


async def test_the_replica_that_is_left_knows_people_by_votes_that_the_other_took(
    kafka: str, topic_prefix: str, postgres_database: str
) -> None:
    pipeline = await Pipeline.create(kafka, topic_prefix)
    await pipeline.apply_project(MAIL)
    first, second = (environment(kafka, topic_prefix, postgres_database) for _ in range(2))
    async with replica(first) as (doomed, client):
        await write(pipeline, *(task(f"r{i}", needed_votes=2) for i in range(30)))
        for name in ("ann", "bob"):
            await answer_all(client, name, 30)
        async with replica(second) as (_, left):
            await left.stats()
            # Whatever it was at: it had the turns of publisher and fitter.
            doomed.kill()
            published = 30
            async with asyncio.timeout(60):
                while True:
                    await write(pipeline, task(f"r{published}"))
                    await answer_all(left, "ann", 1)
                    await asyncio.sleep(0.5)
                    [mail] = await left.stats("mail")
                    if not mail.begun_tasks:
                        break
                    await answer_all(left, "bob", 1)
                    published += 1
            found = await pipeline.read(pipeline.names.topic(LABELS), published + 1, timeout_s=60, linger_s=1.0)
    told = [labels.decode(message.value) for message in found]
    assert len({label.key for label in told}) == len(told) == published + 1
    by_record = {label.key.record_id: label for label in told}
    last = by_record[f"r{published}"]
    assert [(vote.annotator, vote.class_name) for vote in last.votes] == [("ann", last.class_name)]
    assert last.posterior is not None
    assert last.posterior >= 0.9
    assert all(by_record[f"r{i}"].posterior is None for i in range(20))
