"""Records out of a foreign topic: each value once, whatever dies, and every bad one in a dead letter."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace

import pytest

from streamlabel.core.project import SourceMapping
from streamlabel.ingest.rules.partitioning import partition_of
from streamlabel.runtime import dead_letter
from streamlabel.runtime.kafka import KafkaConnection
from streamlabel.runtime.kafka_admin import KafkaTopicAdmin
from streamlabel.runtime.topic_admin import TopicShape
from streamlabel.wire import records
from streamlabel.wire.headers import ingested_at
from support.door import MAIL
from support.pipeline import Pipeline
from support.running_door import ids, running_door

pytestmark = pytest.mark.integration

MAPPED = replace(
    MAIL,
    source=SourceMapping(payload="message.body", record_id="id", event_at="at", attributes={"language": "meta.lang"}),
)
PARTITIONS = 3  # Another count than that of the flow.


async def source_topic(kafka: str, prefix: str) -> str:
    topic = f"{prefix}-shop"
    admin = KafkaTopicAdmin(KafkaConnection(bootstrap_servers=kafka))
    await admin.create({topic: TopicShape(partitions=PARTITIONS, replication_factor=1)})
    return topic


def order(number: int) -> bytes:
    return b'{"id": %d, "at": 1000, "message": {"body": "order %d"}, "meta": {"lang": "en"}}' % (number, number)


async def test_each_value_becomes_one_record_across_kills(kafka: str, topic_prefix: str) -> None:
    pipeline = await Pipeline.create(kafka, topic_prefix)
    await pipeline.apply_project(MAPPED)
    topic = await source_topic(kafka, topic_prefix)
    settings = {"ingest_source_topic": topic, "ingest_source_project": "mail"}
    bad = {
        b"\x00\xff": "MALFORMED",
        b'{"id": 1}': "PAYLOAD_MISSING",
        b'{"id": 2, "message": {"body": ""}}': "INVALID_TEXT",
        b'{"message": {"body": "no id"}}': "INVALID_RECORD_ID",
    }
    async with running_door(pipeline, kafka, **settings) as door:
        for round_ in range(6):
            values = [order(number) for number in range(round_ * 500, round_ * 500 + 500)]
            for partition in range(PARTITIONS):
                await pipeline.write(
                    topic, partition, [(None, value, (("k", b"v"),)) for value in values[partition::PARTITIONS]]
                )
            if round_ in (1, 3):
                await door.kill()
                await door.start()
            if round_ == 2:
                await pipeline.write(topic, 1, [(b"key", value, (("k", b"v"),)) for value in bad])
        written = await door.written(3000, timeout_s=60)
        assert Counter(ids(written)) == Counter(str(number) for number in range(3000))
        for message in written:
            assert message.partition == partition_of(message.key, 2)
            assert ingested_at(message.headers) is not None
        record = records.decode(written[0].value)
        assert record.attributes == {"language": "en"}
        assert record.event_at is not None
        letters = await pipeline.read(pipeline.names.dead_letter(topic, "ingest"), len(bad))
        assert {letter.value: dict(letter.headers)[dead_letter.REASON].decode() for letter in letters} == bad
        assert len(letters) == len(bad)
        for letter in letters:
            assert (letter.key, letter.partition, dict(letter.headers)["k"]) == (b"key", 1, b"v")
        exposed = await door.metrics()
        assert 'streamlabel_transactions_total{outcome="committed",stage="ingest"}' in exposed


async def test_a_topic_may_be_begun_at_its_end(kafka: str, topic_prefix: str) -> None:
    pipeline = await Pipeline.create(kafka, topic_prefix)
    await pipeline.apply_project(MAPPED)
    topic = await source_topic(kafka, topic_prefix)
    await pipeline.write(topic, 0, [(None, order(number), ()) for number in range(5)])
    settings = {"ingest_source_topic": topic, "ingest_source_project": "mail", "ingest_source_start": "latest"}
    async with running_door(pipeline, kafka, **settings) as door:
        await pipeline.write(topic, 0, [(None, order(100), ())])
        assert ids(await door.written(1)) == ["100"]
        # What comes while the door is away is not skipped: the end was taken once.
        await door.kill()
        await pipeline.write(topic, 0, [(None, order(101), ())])
        await pipeline.write(topic, 2, [(None, order(102), ())])
        await door.start()
        assert sorted(ids(await door.written(3))) == ["100", "101", "102"]


async def test_work_waits_for_its_project(kafka: str, topic_prefix: str) -> None:
    pipeline = await Pipeline.create(kafka, topic_prefix)
    topic = await source_topic(kafka, topic_prefix)
    await pipeline.write(topic, 0, [(None, order(1), ())])
    settings = {"ingest_source_topic": topic, "ingest_source_project": "mail"}
    async with running_door(pipeline, kafka, start=False, **settings) as door:
        await door.start(wait=False)
        async with asyncio.timeout(30):
            while "no such project" not in str((await door.readiness())[1]):
                await asyncio.sleep(0.1)
        await pipeline.apply_project(MAPPED)
        assert ids(await door.written(1)) == ["1"]
        await door.until_ready()


async def test_a_source_topic_that_is_not_there_stops_the_process_and_names_the_key(
    kafka: str, topic_prefix: str
) -> None:
    pipeline = await Pipeline.create(kafka, topic_prefix)
    settings = {"ingest_source_topic": f"{topic_prefix}-none", "ingest_source_project": "mail"}
    async with running_door(pipeline, kafka, start=False, **settings) as door:
        await door.start(wait=False)
        assert door.process is not None
        assert await asyncio.wait_for(door.process.wait(), 30) == 78
        door.process = None
