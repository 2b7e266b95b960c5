"""Topics on Kafka itself: a `streamlabel.runtime.topic_admin.TopicAdmin` by way of aiokafka's admin client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import errors
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from streamlabel.errors import ConfigurationError
from streamlabel.runtime.broker import BrokerUnavailableError
from streamlabel.runtime.kafka import KafkaConnection
from streamlabel.runtime.kafka_client import kafka_call
from streamlabel.runtime.topic_admin import TopicShape

_OPTIONS = (
    "bootstrap_servers",
    "client_id",
    "security_protocol",
    "ssl_context",
    "sasl_mechanism",
    "sasl_plain_username",
    "sasl_plain_password",
)
_LEADER_POLL_S = 0.05

# What the broker says of a shape that it will never accept, as long as nobody changes the shape or the broker.
_REFUSED = (
    errors.InvalidTopicError,
    errors.InvalidPartitionsError,
    errors.InvalidReplicationFactorError,
    errors.InvalidReplicationAssignmentError,
    errors.InvalidConfigurationError,
    errors.InvalidRequestError,
    errors.PolicyViolationError,
    errors.TopicAuthorizationFailedError,
    errors.ClusterAuthorizationFailedError,
)


class KafkaTopicAdmin:
    """Describes and creates topics; each call opens a connection of its own and closes it."""

    def __init__(self, connection: KafkaConnection, *, timeout_s: float = 30.0) -> None:
        self._options = {name: value for name, value in connection.client_options().items() if name in _OPTIONS}
        self._servers = connection.bootstrap_servers
        self._timeout_s = timeout_s

    async def describe(self, names: Sequence[str]) -> Mapping[str, TopicShape]:
        async with self._client("describe topics") as admin:
            found = [topic for topic in await self._metadata(admin) if topic["topic"] in set(names)]
            for topic in found:
                if topic["error_code"]:
                    _raise(topic["error_code"], f"topic {topic['topic']}", None)
            configs = await _configs(admin, [topic["topic"] for topic in found])
            return {
                topic["topic"]: TopicShape(
                    partitions=len(topic["partitions"]),
                    replication_factor=min(len(partition["replicas"]) for partition in topic["partitions"]),
                    config=configs[topic["topic"]],
                )
                for topic in found
            }

    async def create(self, topics: Mapping[str, TopicShape]) -> Sequence[str]:
        async with self._client("create topics") as admin:
            # The broker decides topic by topic; asked first without effect, it refuses before one of them is made.
            await self._request(admin, topics, validate_only=True)
            created = await self._request(admin, topics, validate_only=False)
            await self._await_leaders(admin, topics)
            return created

    async def _request(
        self, admin: AIOKafkaAdminClient, topics: Mapping[str, TopicShape], *, validate_only: bool
    ) -> list[str]:
        wanted = [
            NewTopic(
                name=name,
                num_partitions=shape.partitions,
                replication_factor=shape.replication_factor,
                topic_configs=dict(shape.config),
            )
            for name, shape in topics.items()
        ]
        response = await admin.create_topics(
            wanted, timeout_ms=int(self._timeout_s * 1000), validate_only=validate_only
        )
        created = []
        for name, code, *rest in response.topic_errors:
            if code == errors.TopicAlreadyExistsError.errno:
                continue
            if code:
                _raise(code, f"topic {name}", rest[0] if rest else None)
            created.append(name)
        return created

    async def _await_leaders(self, admin: AIOKafkaAdminClient, topics: Mapping[str, TopicShape]) -> None:
        """Returns once the cluster names a leader for every partition; a fresh topic has none for a moment."""
        while True:
            led = {topic["topic"]: _leaders(topic) for topic in await self._metadata(admin)}
            if all(led.get(name, 0) >= shape.partitions for name, shape in topics.items()):
                return
            await asyncio.sleep(_LEADER_POLL_S)

    async def _metadata(self, admin: AIOKafkaAdminClient) -> list[dict[str, Any]]:
        # All topics, not the ones in question: asking for a missing topic by name creates it where the broker may.
        topics: list[dict[str, Any]] = await admin.describe_topics(None)
        return topics

    @asynccontextmanager
    async def _client(self, doing: str) -> AsyncIterator[AIOKafkaAdminClient]:
        admin = AIOKafkaAdminClient(**self._options, request_timeout_ms=int(self._timeout_s * 1000))
        try:
            async with kafka_call(f"{doing} at {self._servers}", self._timeout_s):
                await admin.start()
                yield admin
        finally:
            await admin.close()


def _leaders(topic: Mapping[str, Any]) -> int:
    return sum(partition["leader"] >= 0 and not partition["error_code"] for partition in topic["partitions"])


async def _configs(admin: AIOKafkaAdminClient, names: Sequence[str]) -> dict[str, Mapping[str, str]]:
    """The effective configuration of topics, defaults of the broker included."""
    if not names:
        return {}
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    configs: dict[str, Mapping[str, str]] = {}
    for response in await admin.describe_configs(resources):
        for code, message, _type, name, entries in response.resources:
            if code:
                _raise(code, f"configuration of topic {name}", message)
            configs[name] = dict(_pairs(entries))
    return configs


def _pairs(entries: Iterable[Sequence[Any]]) -> Iterable[tuple[str, str]]:
    for key, value, *_rest in entries:
        if value is not None:
            yield key, value


def _raise(code: int, what: str, message: str | None) -> None:
    """Raises the error that the broker's code stands for, in our own words."""
    kind = errors.for_code(code)
    said = f"{what}: {message or kind.description or kind.__name__}"
    if issubclass(kind, _REFUSED):
        raise ConfigurationError(f"Kafka refuses {said}")
    raise BrokerUnavailableError(f"Kafka cannot do it now: {said}")
