"""Brings the broker's topics into the shape that FLOW wants: creates what is missing, refuses what differs, touches nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from streamlabel.errors import ConfigurationError
from streamlabel.runtime.topic_admin import TopicAdmin, TopicShape
from streamlabel.wire.flow import TOPICS, Cleanup, Names, TopicSpec

DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicPlan:
    """What an operator decides about topics.

    `partitions` is the ceiling of parallelism of every stage and cannot be lowered later; retention counts for topics that
    are not compacted; `max_message_bytes` must leave room for a record and the prediction around it.
    """

    partitions: int = 12
    replication_factor: int = 3
    min_insync_replicas: int = 2
    retention_ms: int = 7 * DAY_MS
    dead_letter_retention_ms: int = 30 * DAY_MS
    max_message_bytes: int = 2 * 1024 * 1024


@dataclass(slots=True)
class TopicsReport:
    """What `apply_topics` did."""

    created: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)


def shapes(names: Names, plan: TopicPlan) -> dict[str, TopicShape]:
    """Every topic of the flow, dead letters included, by name."""
    wanted = {names.topic(spec): _shape(spec, plan) for spec in TOPICS}
    for name in names.dead_letters():
        wanted[name] = TopicShape(
            partitions=plan.partitions,
            replication_factor=plan.replication_factor,
            config=_config(plan, Cleanup.DELETE, plan.dead_letter_retention_ms),
        )
    return wanted


async def apply_topics(admin: TopicAdmin, names: Names, plan: TopicPlan) -> TopicsReport:
    """Creates missing topics; raises ConfigurationError naming every difference of an existing one, before it creates any.

    Idempotent: a second call creates nothing. Raises TransientError when the broker cannot be reached.
    """
    wanted = shapes(names, plan)
    existing = await admin.describe(list(wanted))
    differences = [
        f"{name}: {difference}" for name, shape in existing.items() for difference in _differences(shape, wanted[name])
    ]
    if differences:
        raise ConfigurationError(
            "topics exist with another shape; nothing was changed. Alter them (or the STREAMLABEL_TOPICS_ settings) so that they "
            "agree:\n  " + "\n  ".join(differences)
        )
    missing = {name: shape for name, shape in wanted.items() if name not in existing}
    created = await admin.create(missing) if missing else []
    return TopicsReport(created=sorted(created), unchanged=sorted(set(wanted) - set(created)))


def _shape(spec: TopicSpec, plan: TopicPlan) -> TopicShape:
    return TopicShape(
        partitions=plan.partitions if spec.pipeline else 1,
        replication_factor=plan.replication_factor,
        config=_config(plan, spec.cleanup, plan.retention_ms),
    )


def _config(plan: TopicPlan, cleanup: Cleanup, retention_ms: int) -> Mapping[str, str]:
    config = {
        "cleanup.policy": cleanup.value,
        "min.insync.replicas": str(plan.min_insync_replicas),
        "max.message.bytes": str(plan.max_message_bytes),
    }
    if cleanup is Cleanup.DELETE:
        config["retention.ms"] = str(retention_ms)
    return config


def _differences(found: TopicShape, wanted: TopicShape) -> list[str]:
    differences = []
    if found.partitions != wanted.partitions:
        differences.append(f"{found.partitions} partitions, wanted {wanted.partitions}")
    if found.replication_factor != wanted.replication_factor:
        differences.append(f"replication factor {found.replication_factor}, wanted {wanted.replication_factor}")
    for key, value in wanted.config.items():
        actual = found.config.get(key)
        if actual != value:
            differences.append(f"{key}={actual}, wanted {value}")
    return differences
