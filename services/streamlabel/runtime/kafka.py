"""Kafka itself behind the ports of `streamlabel.runtime.broker`, by way of aiokafka."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiokafka.helpers import create_ssl_context
from aiokafka.structs import TopicPartition

from streamlabel.errors import ConfigurationError
from streamlabel.runtime import kafka_reader
from streamlabel.runtime.broker import TAIL_MAX_BYTES
from streamlabel.runtime.kafka_producer import KafkaAppender, KafkaLaneProducer
from streamlabel.runtime.kafka_source import KafkaSource
from streamlabel.runtime.messages import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaConnection:
    """How to reach a cluster, and the time limits that every client keeps with it.

    `transaction_timeout_s` bounds one transaction on both sides; the broker aborts what a dead process left open after
    it, and until then readers of the output wait. A lane must be able to drain within half of `rebalance_timeout_s`.
    `batch_bytes` bounds what shares one batch and must stay below the broker's `message.max.bytes`.
    """

    bootstrap_servers: str
    client_id: str = "streamlabel"
    security_protocol: str = "PLAINTEXT"
    sasl_mechanism: str = "PLAIN"
    sasl_username: str | None = None
    sasl_password: str | None = field(default=None, repr=False)
    ssl_ca_file: Path | None = None
    ssl_cert_file: Path | None = None
    ssl_key_file: Path | None = None
    session_timeout_s: float = 10.0
    rebalance_timeout_s: float = 60.0
    transaction_timeout_s: float = 30.0
    request_timeout_s: float = 15.0
    batch_bytes: int = 512 * 1024
    compression: str | None = None

    def client_options(self) -> dict[str, Any]:
        """The keyword arguments that producers and consumers of aiokafka share."""
        return {
            "bootstrap_servers": [server.strip() for server in self.bootstrap_servers.split(",")],
            "client_id": self.client_id,
            "security_protocol": self.security_protocol,
            "ssl_context": self._ssl_context(),
            "sasl_mechanism": self.sasl_mechanism,
            "sasl_plain_username": self.sasl_username,
            "sasl_plain_password": self.sasl_password,
            "metadata_max_age_ms": 30_000,
            "retry_backoff_ms": 50,
        }

    def _ssl_context(self) -> ssl.SSLContext | None:
        if self.security_protocol not in ("SSL", "SASL_SSL"):
            return None
        try:
            context: ssl.SSLContext = create_ssl_context(
                cafile=self.ssl_ca_file and str(self.ssl_ca_file),
                certfile=self.ssl_cert_file and str(self.ssl_cert_file),
                keyfile=self.ssl_key_file and str(self.ssl_key_file),
            )
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError(f"the TLS files for Kafka cannot be used: {error}") from error
        return context


class KafkaBroker:
    """Makes clients of one cluster (a `streamlabel.runtime.broker.Broker`); opens nothing by itself."""

    def __init__(self, connection: KafkaConnection) -> None:
        self._connection = connection
        self._options = connection.client_options()

    def source(self, topic: str, group: str) -> KafkaSource:
        connection = self._connection
        return KafkaSource(
            topic,
            group,
            self._options,
            session_timeout_s=connection.session_timeout_s,
            rebalance_timeout_s=connection.rebalance_timeout_s,
            call_timeout_s=connection.request_timeout_s,
        )

    def producer(self, transactional_id: str, *, batch_bytes: int | None = None) -> KafkaLaneProducer:
        return KafkaLaneProducer(
            transactional_id, self._producer_options(batch_bytes), timeout_s=self._connection.transaction_timeout_s
        )

    def appender(self) -> KafkaAppender:
        return KafkaAppender(self._producer_options(None), timeout_s=self._connection.transaction_timeout_s)

    def reader(self, topic: str) -> kafka_reader.KafkaTopicReader:
        return kafka_reader.KafkaTopicReader(topic, self._options, timeout_s=self._connection.request_timeout_s)

    async def read_tail(
        self, topic: str, partition: int, before_offset: int, count: int, *, max_bytes: int = TAIL_MAX_BYTES
    ) -> Sequence[Message]:
        return await kafka_reader.read_tail(
            TopicPartition(topic, partition),
            before_offset,
            kafka_reader.TailLimits(count, max_bytes),
            self._options,
            timeout_s=self._connection.request_timeout_s,
        )

    async def committed(self, group: str, topic: str, partition: int) -> int | None:
        return await kafka_reader.committed_offset(
            group, topic, partition, self._options, timeout_s=self._connection.request_timeout_s
        )

    def _producer_options(self, batch_bytes: int | None) -> dict[str, Any]:
        connection = self._connection
        return self._options | {
            "request_timeout_ms": int(connection.request_timeout_s * 1000),
            "max_batch_size": min(batch_bytes or connection.batch_bytes, connection.batch_bytes),
            "compression_type": connection.compression,
            "linger_ms": 0,
            "acks": "all",
        }
