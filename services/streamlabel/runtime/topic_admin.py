"""Describes and creates topics; knows nothing of what they hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicShape:
    """What a topic looks like on the broker; `config` holds only the keys that were asked for or set."""

    partitions: int
    replication_factor: int
    config: Mapping[str, str] = field(default_factory=dict)


class TopicAdmin(Protocol):
    """Administrative access to a broker. Both calls raise TransientError while it cannot be reached."""

    async def describe(self, names: Sequence[str]) -> Mapping[str, TopicShape]:
        """The shape of those of `names` that exist, with their whole effective configuration."""
        ...

    async def create(self, topics: Mapping[str, TopicShape]) -> Sequence[str]:
        """Creates the topics and returns the names created by this call: one that appeared meanwhile is left out.

        Returns once each has a leader for every partition. Raises ConfigurationError where the broker refuses a shape.
        """
        ...
