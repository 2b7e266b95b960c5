"""Kafka behind aiokafka keeps the promises of the port."""

from __future__ import annotations

import pytest

from streamlabel.runtime.broker import Broker
from streamlabel.runtime.kafka import KafkaBroker
from support.contract_of_broker import BrokerContract
from support.kafka_topics import kafka_connection, make_topic


class KafkaWorld:
    def __init__(self, bootstrap_servers: str, prefix: str) -> None:
        self._connection = kafka_connection(bootstrap_servers)
        self._prefix = prefix

    def broker(self) -> Broker:
        return KafkaBroker(self._connection)

    async def make_topic(self, partitions: int, *, max_record_bytes: int | None = None) -> str:
        config = {} if max_record_bytes is None else {"max.message.bytes": str(max_record_bytes)}
        return await make_topic(self._connection, self._prefix, partitions, config)


@pytest.mark.integration
class TestKafkaBroker(BrokerContract):
    @pytest.fixture
    def world(self, kafka: str, topic_prefix: str) -> KafkaWorld:
        return KafkaWorld(kafka, topic_prefix)
