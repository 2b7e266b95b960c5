"""The way out: a publisher that dies between Kafka's commit and the database's."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

import pytest

from streamlabel.core.review import Annotation
from streamlabel.review.adapters.postgres.outbox import PostgresOutbox
from streamlabel.runtime.backoff import Backoff
from streamlabel.runtime.broker import Broker
from streamlabel.runtime.handlers import OutboxRow
from streamlabel.runtime.health import Health
from streamlabel.runtime.kafka import KafkaBroker
from streamlabel.runtime.metrics import Metrics
from streamlabel.runtime.outbox import OutboxPublisher
from streamlabel.wire.flow import Names
from support.kafka_topics import kafka_connection, make_topic
from support.pipeline import Pipeline
from support.review_queue import ReviewQueue, review_queue, task

pytestmark = pytest.mark.integration
RETRY = Backoff(base_s=0.05, cap_s=0.2)


class ForgetfulOutbox:
    """Dies, as far as the database can tell, right after Kafka's commit."""

    def __init__(self, outbox: PostgresOutbox) -> None:
        self._outbox = outbox
        self.died = asyncio.Event()

    async def pending(self, after: int, limit: int) -> Sequence[OutboxRow]:
        return await self._outbox.pending(after, limit)

    async def published(self, up_to: int) -> None:
        self.died.set()
        await asyncio.Event().wait()

    async def last_published(self) -> int:
        return await self._outbox.last_published()


def publisher(outbox: object, broker: Broker, prefix: str, topic: str) -> OutboxPublisher:
    return OutboxPublisher(
        name="review outbox",
        publisher_id=f"{prefix}.outbox",
        topic=topic,
        outbox=outbox,  # type: ignore[arg-type]
        broker=broker,
        metrics=Metrics("review"),
        health=Health(),
        poll_interval_s=0.05,
        backoff=RETRY,
    )


async def answer_all(queue: ReviewQueue, count: int, start: int = 0) -> None:
    await queue.feed(*(task(f"r{i}") for i in range(start, start + count)))
    leased = await queue.desk.lease("ann", max_tasks=count)
    answers = [
        Annotation(annotation_id=each.task.key.record_id, lease_token=each.lease.lease_token, class_name="spam")
        for each in leased
    ]
    await queue.desk.submit("ann", answers)


async def test_killed_between_the_two_commits_nothing_goes_out_twice(
    kafka: str, topic_prefix: str, postgres_database: str
) -> None:
    connection = kafka_connection(kafka)
    topic = await make_topic(connection, topic_prefix, 1)
    broker = KafkaBroker(connection)
    async with review_queue(postgres_database, labels_topic=topic) as queue:
        await answer_all(queue, 30)
        forgetful = ForgetfulOutbox(queue.outbox)
        first = publisher(forgetful, broker, topic_prefix, topic)
        dying = asyncio.create_task(first.run())
        async with asyncio.timeout(20):
            await forgetful.died.wait()
        dying.cancel()
        await asyncio.wait({dying})
        assert await queue.outbox.last_published() == 0
        assert len(await queue.outbox.pending(0, 100)) == 30  # The database believes that nothing is out.

        second = publisher(queue.outbox, broker, topic_prefix, topic)
        living = asyncio.create_task(second.run())
        await answer_all(queue, 5, start=30)
        second.wake()
        messages = await Pipeline(broker, Names(topic_prefix)).read(topic, 35, linger_s=1.0)
        await second.stop()
        await living
        assert Counter(message.key for message in messages) == Counter({f"mail/r{i}".encode(): 1 for i in range(35)})
        assert await queue.outbox.last_published() == 35
        assert await queue.scalar("SELECT count(*) FROM outbox") == 0
