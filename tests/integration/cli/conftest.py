"""Topics of a test's own on the real Kafka."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from streamlabel.runtime.kafka import KafkaBroker, KafkaConnection
from streamlabel.runtime.kafka_admin import KafkaTopicAdmin
from streamlabel.runtime.messages import RawRecord
from streamlabel.wire.flow import Names
from streamlabel.wire.topics import TopicPlan, apply_topics


class Cluster:
    """A broker with the topics of one prefix."""

    def __init__(self, servers: str, prefix: str) -> None:
        self.servers = servers
        self.names = Names(prefix)
        self.connection = KafkaConnection(bootstrap_servers=servers)
        self.broker = KafkaBroker(self.connection)
        self.plan = TopicPlan(partitions=2, replication_factor=1, min_insync_replicas=1)

    async def write(self, topic: str, partition: int, records: Sequence[RawRecord]) -> None:
        appender = self.broker.appender()
        await appender.start()
        try:
            await appender.send(topic, partition, records)
        finally:
            await appender.stop()


@pytest.fixture
async def cluster(kafka: str, topic_prefix: str) -> Cluster:
    made = Cluster(kafka, topic_prefix)
    await apply_topics(KafkaTopicAdmin(made.connection), made.names, made.plan)
    return made
