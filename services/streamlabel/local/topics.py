"""Makes the topics of an embedded stack; one broker, so one copy of everything."""

from __future__ import annotations

from collections.abc import Mapping

from streamlabel.runtime.kafka import KafkaConnection
from streamlabel.runtime.kafka_admin import KafkaTopicAdmin
from streamlabel.wire.flow import Names
from streamlabel.wire.topics import TopicPlan, apply_topics


async def apply(environment: Mapping[str, str]) -> None:
    """Brings the broker's topics into shape; `environment` is that of `stack_file.environment_for`.

    Raises ConfigurationError where a topic exists with another number of partitions.
    """
    connection = KafkaConnection(
        bootstrap_servers=environment["STREAMLABEL_KAFKA_BOOTSTRAP_SERVERS"], client_id="streamlabel-local"
    )
    plan = TopicPlan(
        partitions=int(environment["STREAMLABEL_TOPICS_PARTITIONS"]), replication_factor=1, min_insync_replicas=1
    )
    await apply_topics(KafkaTopicAdmin(connection), Names(environment["STREAMLABEL_KAFKA_TOPIC_PREFIX"]), plan)
