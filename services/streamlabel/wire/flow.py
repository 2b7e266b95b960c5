"""FLOW: the one table of topics and stages. Whoever wants to know what reads or writes what looks here, code and tests included.

producers → ingest ─records→ inference ─predictions→ routing ─┬─labels (MODEL)────────────→ consumers
                                                    ▲         └─review-tasks→ review ─labels (HUMAN)─→
                                                    └─gates── learning ← predictions, review-tasks, labels
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from streamlabel.runtime.dead_letter import dead_letter_topic

VERSION_SUFFIX = "v1"
DEFAULT_PREFIX = "streamlabel"


class Cleanup(Enum):
    """What Kafka does with old messages: drops them after the retention, or keeps the latest of each key for ever."""

    DELETE = "delete"
    COMPACT = "compact"


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic of the flow. Pipeline topics share one partition count, so that a record keeps its partition from end to end."""

    noun: str
    cleanup: Cleanup
    pipeline: bool
    holds: str


RECORDS = TopicSpec("records", Cleanup.DELETE, True, "Record, as ingest took it")
PREDICTIONS = TopicSpec("predictions", Cleanup.DELETE, True, "Prediction, its record inside")
REVIEW_TASKS = TopicSpec("review-tasks", Cleanup.DELETE, True, "ReviewTask, its record inside")
LABELS = TopicSpec("labels", Cleanup.COMPACT, True, "Label: the product")
PROJECTS = TopicSpec("projects", Cleanup.COMPACT, False, "Project by name")
GATES = TopicSpec("gates", Cleanup.COMPACT, False, "Gate by project")
RELEASES = TopicSpec("releases", Cleanup.COMPACT, False, "Release by project and model version")

TOPICS = (RECORDS, PREDICTIONS, REVIEW_TASKS, LABELS, PROJECTS, GATES, RELEASES)


@dataclass(frozen=True, slots=True)
class Stage:
    """A service's place in the flow: topics it works off, tables it follows, topics it writes.

    One that looks on reads what is other stages' work, or the product: nothing goes back to those topics for its sake.
    """

    service: str
    consumes: tuple[TopicSpec, ...]
    follows: tuple[TopicSpec, ...]
    produces: tuple[TopicSpec, ...]
    looks_on: bool = False


INGEST = Stage("ingest", (), (PROJECTS,), (RECORDS,))
INFERENCE = Stage("inference", (RECORDS,), (PROJECTS, RELEASES), (PREDICTIONS,))
ROUTING = Stage("routing", (PREDICTIONS,), (PROJECTS, GATES), (LABELS, REVIEW_TASKS))
REVIEW = Stage("review", (REVIEW_TASKS,), (PROJECTS,), (LABELS,))
LEARNING = Stage("learning", (PREDICTIONS, REVIEW_TASKS, LABELS), (PROJECTS, RELEASES), (GATES,), looks_on=True)

FLOW = (INGEST, INFERENCE, ROUTING, REVIEW, LEARNING)


@dataclass(frozen=True, slots=True)
class Names:
    """Names on the broker under one prefix: topics, groups, dead letters."""

    prefix: str = DEFAULT_PREFIX

    def topic(self, spec: TopicSpec) -> str:
        """`<prefix>.<noun>.v1`."""
        return f"{self.prefix}.{spec.noun}.{VERSION_SUFFIX}"

    def group(self, service: str) -> str:
        """The consumer group of a service: `<prefix>-<service>`; also the stem of its transactional ids."""
        return f"{self.prefix}-{service}"

    def dead_letter(self, topic: str, service: str) -> str:
        """Where a service puts what it cannot handle of `topic`: `<topic>.<group>.dead-letter`."""
        return dead_letter_topic(topic, self.group(service))

    def dead_letters(self) -> tuple[str, ...]:
        """Every dead-letter topic of the flow."""
        return tuple(self.dead_letter(self.topic(spec), stage.service) for stage in FLOW for spec in stage.consumes)
