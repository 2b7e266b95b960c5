"""Topics on the real Kafka, ready to be used when they are made."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping

from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from streamlabel.runtime.kafka import KafkaConnection


def kafka_connection(bootstrap_servers: str) -> KafkaConnection:
    """Time limits of a test: a broker on this machine answers at once or not at all."""
    return KafkaConnection(
        bootstrap_servers=bootstrap_servers,
        session_timeout_s=6.0,
        rebalance_timeout_s=20.0,
        transaction_timeout_s=20.0,
        request_timeout_s=10.0,
    )


async def make_topic(
    connection: KafkaConnection,
    prefix: str,
    partitions: int,
    config: Mapping[str, str] | None = None,
    *,
    name: str | None = None,
) -> str:
    """A new topic whose partitions all have a leader; its name begins with `prefix` unless given."""
    name = name or f"{prefix}-{uuid.uuid4().hex[:8]}"
    admin = AIOKafkaAdminClient(bootstrap_servers=connection.bootstrap_servers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, partitions, 1, topic_configs=dict(config or {}))])
        async with asyncio.timeout(20):
            while True:
                (description,) = await admin.describe_topics([name])
                leaders = [partition["leader"] for partition in description["partitions"]]
                if len(leaders) == partitions and min(leaders) >= 0:
                    return name
                await asyncio.sleep(0.05)
    finally:
        await admin.close()
