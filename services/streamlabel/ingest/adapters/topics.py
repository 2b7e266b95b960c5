"""What must be on the broker before the door opens."""

from __future__ import annotations

import logging

from streamlabel.errors import ConfigurationError, TransientError
from streamlabel.runtime.backoff import Backoff
from streamlabel.runtime.clock import Clock
from streamlabel.runtime.health import Check
from streamlabel.runtime.topic_admin import TopicAdmin, TopicShape
from streamlabel.wire.topics import TopicPlan

log = logging.getLogger(__name__)


async def await_partitions(admin: TopicAdmin, topic: str, *, check: Check, clock: Clock, backoff: Backoff) -> int:
    """The partition count of `topic`, as soon as the broker can be reached and has it; `check` says what is missing meanwhile."""
    attempt = 0
    while True:
        attempt += 1
        try:
            shapes = await admin.describe([topic])
        except TransientError as error:
            reason = str(error)
        else:
            if topic in shapes:
                check.ok()
                return shapes[topic].partitions
            reason = f"there is no topic {topic}; `streamlabel topics apply` creates it"
        check.failing(reason)
        log.warning("waiting for Kafka", extra={"reason": reason})
        await clock.sleep(backoff.delay_s(attempt))


async def prepare_source(admin: TopicAdmin, source: str, dead_letter: str) -> int:
    """Sees to it that `source` exists and that its dead letters have somewhere to go; returns the partition count of `source`.

    The dead-letter topic is created where it is missing and may be; it keeps as long as the flow's own do by default. Raises
    ConfigurationError with the way out where an operator has to act, TransientError while the broker cannot be reached.
    """
    shapes = await admin.describe([source, dead_letter])
    if source not in shapes:
        raise ConfigurationError(f"STREAMLABEL_INGEST_SOURCE_TOPIC={source}: there is no such topic")
    wanted = TopicShape(
        partitions=shapes[source].partitions,
        replication_factor=shapes[source].replication_factor,
        config={
            "cleanup.policy": "delete",
            "retention.ms": str(TopicPlan().dead_letter_retention_ms),
            "max.message.bytes": shapes[source].config.get("max.message.bytes", "1048588"),
        },
    )
    if dead_letter not in shapes:
        try:
            await admin.create({dead_letter: wanted})
        except ConfigurationError as error:
            raise ConfigurationError(
                f"{error}\nValues of {source} that cannot become records go to {dead_letter}: create that topic with "
                f"{wanted.partitions} partitions, or allow this service to"
            ) from error
    elif shapes[dead_letter].partitions < wanted.partitions:
        raise ConfigurationError(
            f"{dead_letter} has {shapes[dead_letter].partitions} partitions, {source} has {wanted.partitions}: "
            "add as many to the former"
        )
    return wanted.partitions
