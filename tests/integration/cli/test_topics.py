"""`topics apply` on the real broker."""

from __future__ import annotations

import asyncio
import dataclasses
import json

import pytest

from streamlabel.errors import ConfigurationError, TransientError
from streamlabel.runtime.kafka import KafkaConnection
from streamlabel.runtime.kafka_admin import KafkaTopicAdmin
from streamlabel.runtime.topic_admin import TopicShape
from streamlabel.wire.flow import LABELS, PROJECTS, RECORDS, Names
from streamlabel.wire.topics import TopicPlan, apply_topics, shapes
from support.command_line import kafka_environment, streamlabel

pytestmark = pytest.mark.integration
PLAN = TopicPlan(partitions=3, replication_factor=1, min_insync_replicas=1, retention_ms=3_600_000)


async def test_topics_get_the_wanted_shape_and_a_second_call_does_nothing(kafka: str, topic_prefix: str) -> None:
    admin, names = KafkaTopicAdmin(KafkaConnection(bootstrap_servers=kafka)), Names(topic_prefix)
    wanted = shapes(names, PLAN)
    assert set((await apply_topics(admin, names, PLAN)).created) == set(wanted)
    found = await admin.describe(list(wanted))
    assert {name: (shape.partitions, shape.replication_factor) for name, shape in found.items()} == {
        name: (shape.partitions, 1) for name, shape in wanted.items()
    }
    assert found[names.topic(LABELS)].config["cleanup.policy"] == "compact"
    assert found[names.topic(RECORDS)].config["retention.ms"] == "3600000"
    assert found[names.topic(PROJECTS)].partitions == 1
    again = await apply_topics(admin, names, PLAN)
    assert again.created == []
    assert set(again.unchanged) == set(wanted)


async def test_only_the_missing_ones_are_made(kafka: str, topic_prefix: str) -> None:
    admin, names = KafkaTopicAdmin(KafkaConnection(bootstrap_servers=kafka)), Names(topic_prefix)
    wanted = shapes(names, PLAN)
    records = names.topic(RECORDS)
    await admin.create({records: wanted[records]})
    assert records not in (await apply_topics(admin, names, PLAN)).created


async def test_another_shape_is_refused_by_name_and_nothing_is_made(kafka: str, topic_prefix: str) -> None:
    admin, names = KafkaTopicAdmin(KafkaConnection(bootstrap_servers=kafka)), Names(topic_prefix)
    records = names.topic(RECORDS)
    await admin.create({records: TopicShape(partitions=2, replication_factor=1, config={"retention.ms": "99000"})})
    with pytest.raises(ConfigurationError) as refusal:
        await apply_topics(admin, names, PLAN)
    assert f"{records}: 2 partitions, wanted 3" in str(refusal.value)
    assert f"{records}: retention.ms=99000, wanted 3600000" in str(refusal.value)
    assert set(await admin.describe(list(shapes(names, PLAN)))) == {records}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"replication_factor": 3}, "replica"),
        ({"retention_ms": -5}, "retention.ms"),
        ({"max_message_bytes": -1}, "max.message.bytes"),
    ],
)
async def test_a_shape_that_the_broker_cannot_have_is_refused_before_one_topic_is_made(
    kafka: str, topic_prefix: str, change: dict[str, int], told: str
) -> None:
    admin, names = KafkaTopicAdmin(KafkaConnection(bootstrap_servers=kafka)), Names(topic_prefix)
    plan = dataclasses.replace(PLAN, **change)
    with pytest.raises(ConfigurationError, match=told.replace(".", r"\.")):
        await apply_topics(admin, names, plan)
    assert await admin.describe(list(shapes(names, plan))) == {}


async def test_two_at_once_make_each_topic_once(kafka: str, topic_prefix: str) -> None:
    admin, names = KafkaTopicAdmin(KafkaConnection(bootstrap_servers=kafka)), Names(topic_prefix)
    one, two = await asyncio.gather(apply_topics(admin, names, PLAN), apply_topics(admin, names, PLAN))
    assert sorted([*one.created, *two.created]) == sorted(shapes(names, PLAN))


async def test_a_broker_that_is_not_there_is_transient() -> None:
    admin = KafkaTopicAdmin(KafkaConnection(bootstrap_servers="127.0.0.1:1"), timeout_s=2)
    with pytest.raises(TransientError, match=r"127\.0\.0\.1:1"):
        await admin.describe(["x"])


def test_the_command_tells_what_it_did_and_what_differs(kafka: str, topic_prefix: str) -> None:
    environ = kafka_environment(kafka, topic_prefix)
    first = streamlabel("topics", "apply", "--json", environ=environ)
    assert first.code == 0, first.err
    assert f"{topic_prefix}.labels.v1" in json.loads(first.out)["created"]
    second = streamlabel("topics", "apply", environ=environ)
    assert second.code == 0
    assert "created" not in second.out
    third = streamlabel("topics", "apply", environ={**environ, "STREAMLABEL_TOPICS_PARTITIONS": "5"})
    assert third.code == 78
    assert f"{topic_prefix}.records.v1: 2 partitions, wanted 5" in third.err
    assert "Traceback" not in third.err
