"""The three topics as news: what belongs to certified projects is read, everything else passed by unread."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from streamlabel.core.identity import RecordKey
from streamlabel.errors import InvalidMessageError
from streamlabel.learning.adapters.postgres.shelf import Receipt
from streamlabel.learning.ports import Listener, News, StaleReceiptError
from streamlabel.runtime.dead_letter import DeadLetter, dead_letter
from streamlabel.runtime.handlers import Loss, StaleOffsetError, StoredOffset
from streamlabel.runtime.log_mark import mark_of
from streamlabel.runtime.messages import Message
from streamlabel.runtime.postgres.database import Database
from streamlabel.wire import labels, predictions, review_tasks
from streamlabel.wire.codec import MALFORMED
from streamlabel.wire.flow import LABELS, PREDICTIONS, REVIEW_TASKS, TopicSpec

log = logging.getLogger(__name__)

_PARTITIONS = "SELECT partition_no FROM input_offset WHERE topic = $1"
_OFFSETS = """
SELECT partition_no, next_offset, mark FROM input_offset WHERE topic = $1 AND partition_no = ANY ($2::integer[])
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How a topic is read: what its messages hold, whose record that is, and how it becomes news.

    `news` is given the receipt, and what was read with the moments (ms) at which it was written.
    """

    spec: TopicSpec
    decode: Callable[[bytes], Any]
    key_of: Callable[[Any], RecordKey]
    news: Callable[[Receipt, Sequence[tuple[Any, int]]], News]


PREDICTIONS_READING = Reading(
    spec=PREDICTIONS,
    decode=predictions.decode,
    key_of=lambda prediction: prediction.record.key,
    news=lambda receipt, found: News(receipt=receipt, predictions=found),
)
TASKS_READING = Reading(
    spec=REVIEW_TASKS,
    decode=review_tasks.decode,
    key_of=lambda task: task.key,
    news=lambda receipt, found: News(receipt=receipt, tasks=found),
)
LABELS_READING = Reading(
    spec=LABELS,
    decode=labels.decode,
    key_of=lambda label: label.key,
    news=lambda receipt, found: News(receipt=receipt, labels=[label for label, _ in found]),
)


class KnownProjects(Protocol):
    """The projects, as far as they are read."""

    def is_certified(self, name: str) -> bool:
        """Whether the project asks for certificates."""
        ...

    async def know(self, versions: Mapping[str, int]) -> None:
        """Returns once these versions of projects are known, or there are none of these numbers; raises TransientError."""
        ...


async def stored_partitions(database: Database, topic: str) -> Sequence[int]:
    """The partitions of the topic of which anything was ever applied."""
    return [row["partition_no"] for row in await database.fetch(_PARTITIONS, topic)]


class TopicSink:
    """Keeps the promises of `runtime.handlers.OffsetSink` for one of the topics."""

    def __init__(
        self,
        reading: Reading,
        *,
        topic: str,
        database: Database,
        learner: Listener,
        projects: KnownProjects,
        group: str,
        on_applied: Callable[[int, int], None],
    ) -> None:
        self._reading = reading
        self._topic = topic
        self._database = database
        self._learner = learner
        self._projects = projects
        self._group = group
        self._on_applied = on_applied

    async def offsets(self, partitions: Sequence[int]) -> Mapping[int, StoredOffset]:
        """As the database has them."""
        rows = await self._database.fetch(_OFFSETS, self._topic, list(partitions))
        return {row["partition_no"]: StoredOffset(row["next_offset"], row["mark"] or "") for row in rows}

    async def lost(self, loss: Loss) -> str:
        """Evidence with a hole in it vouches for nothing: that of every book ends, and begins anew behind the hole."""
        receipt = Receipt(
            topic=self._topic,
            partition=loss.partition,
            expected_offset=loss.stored_offset,
            next_offset=loss.goes_on_at,
        )
        await self._hear(News(receipt=receipt, lost=str(loss)))
        return (
            "the evidence of every certified project has begun anew by itself, people label everything until it suffices, and what "
            "the model labelled since the last confirmation is suspect (`streamlabel gate suspects`)"
        )

    async def apply(
        self, partition: int, batch: Sequence[Message], expected_offset: int | None, next_offset: int
    ) -> None:
        """Hands the batch on, and returns once everything that follows from it is kept, together with its offset."""
        found: list[tuple[Any, int]] = []
        letters: list[DeadLetter] = []
        for message in batch:
            if message.tombstone or not self._is_ours(message.key):
                continue
            try:
                found.append((self._read(message), message.timestamp_ms))
            except InvalidMessageError as error:
                log.warning("message set aside: %s", error, extra={"topic": message.topic, "offset": message.offset})
                letters.append(dead_letter(message, error, stage="learning", group=self._group))
        await self._projects.know({self._reading.key_of(noun).project: noun.project_version for noun, _ in found})
        receipt = Receipt(
            topic=self._topic,
            partition=partition,
            expected_offset=expected_offset,
            next_offset=next_offset,
            mark=mark_of(batch[-1]),
            letters=letters,
        )
        await self._hear(self._reading.news(receipt, found))
        self._on_applied(partition, batch[-1].timestamp_ms)

    async def _hear(self, news: News) -> None:
        try:
            await self._learner.hear(news)
        except StaleReceiptError as error:
            raise StaleOffsetError(str(error)) from error

    def _is_ours(self, key: bytes) -> bool:
        return self._projects.is_certified(key.partition(b"/")[0].decode(errors="replace"))

    def _read(self, message: Message) -> Any:
        noun = self._reading.decode(message.value)
        if message.key != self._reading.key_of(noun).encode():
            raise InvalidMessageError(MALFORMED, f"key {message.key[:300]!r} is not that of the record inside")
        return noun
