"""The truth about a run, read back from the labels topic: what is there, what is missing, what is there twice.

This is deliberately not built on Streamlabel's own reader: a plain read-committed consumer reads every partition from
its first offset to the end, and every claim of the report and of the kill tests rests on what it saw.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord
from aiokafka.errors import KafkaError

from streamlabel.core.label import Label, LabelSource
from streamlabel.errors import InvalidMessageError, TransientError
from streamlabel.runtime import dead_letter
from streamlabel.wire import labels

_REQUEST_TIMEOUT_MS = 15_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadLabel:
    """One message of the labels topic."""

    label: Label
    partition: int
    offset: int
    written_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What became of the records that were sent, judged by the labels alone.

    `lost`: records without a label. `duplicated`: records with a revision that is there more than once, or with a gap in
    their revisions. `strangers`: labels of the project whose record was not among those sent (they count as nothing else).
    """

    records: int
    labelled: int
    by_source: Mapping[LabelSource, int]
    lost: tuple[str, ...]
    duplicated: tuple[str, ...]
    strangers: tuple[str, ...]
    wrong_class: tuple[str, ...]
    errors_by_source: Mapping[LabelSource, int]

    @property
    def clean(self) -> bool:
        """Every record has exactly one final label, of a class that exists."""
        return not (self.lost or self.duplicated or self.wrong_class)

    def error_rate(self, source: LabelSource) -> float | None:
        """Share of wrong final labels of a source; None where it set none."""
        total = self.by_source.get(source, 0)
        return self.errors_by_source.get(source, 0) / total if total else None


async def read_labels(
    client: Mapping[str, Any], topic: str, *, key_prefix: bytes, timeout_s: float = 120.0
) -> list[ReadLabel]:
    """Every committed label whose key begins with `key_prefix`, in the order of each partition.

    `client` are the connection arguments of aiokafka. Raises TransientError when the topic cannot be read to the end
    in time, and InvalidMessageError for a message that is no label: on this topic there must be none.
    """
    found: list[ReadLabel] = []

    def take(message: ConsumerRecord) -> None:
        if message.key is None or not message.key.startswith(key_prefix):
            return
        if message.value is None:
            raise InvalidMessageError("TOMBSTONE", f"label {message.key!r} was deleted at offset {message.offset}")
        label = labels.decode(message.value)
        if label.key.encode() != message.key:
            raise InvalidMessageError("WRONG_KEY", f"label of {label.key} lies under key {message.key!r}")
        found.append(
            ReadLabel(label=label, partition=message.partition, offset=message.offset, written_ms=message.timestamp)
        )

    await _each_committed(client, topic, take, timeout_s)
    return found


async def count_messages(client: Mapping[str, Any], topic: str, *, key_prefix: bytes, timeout_s: float = 60.0) -> int:
    """How many committed messages of a topic have a key that begins with `key_prefix`."""
    return await _count(client, topic, lambda message: _is_ours(message, key_prefix), timeout_s)


async def count_dead_letters(
    client: Mapping[str, Any], topics: Iterable[str], *, key_prefix: bytes, timeout_s: float = 60.0
) -> int:
    """How many messages with such a key died on any of the dead-letter `topics`, replayed ones included."""

    def is_letter(message: ConsumerRecord) -> bool:
        return _is_ours(message, key_prefix) and any(name == dead_letter.REASON for name, _ in message.headers)

    return sum([await _count(client, topic, is_letter, timeout_s) for topic in topics])


def judge(
    record_ids: Iterable[str],
    found: Sequence[ReadLabel],
    *,
    classes: Iterable[str],
    truth: Callable[[str], str | None] | None = None,
) -> Findings:
    """Compares labels with the records that must have one; `truth` gives the right class of a record, None if unknown."""
    wanted = set(record_ids)
    legal = set(classes)
    by_record: dict[str, list[Label]] = {}
    for each in found:
        by_record.setdefault(each.label.key.record_id, []).append(each.label)
    sources: Counter[LabelSource] = Counter()
    errors: Counter[LabelSource] = Counter()
    duplicated, wrong_class = [], []
    for record_id in wanted & by_record.keys():
        history = by_record[record_id]
        if [label.revision for label in history] != list(range(1, len(history) + 1)):
            duplicated.append(record_id)
        final = max(history, key=lambda label: label.revision)
        sources[final.source] += 1
        if final.class_name not in legal:
            wrong_class.append(record_id)
        right = truth(record_id) if truth is not None else None
        errors[final.source] += right is not None and right != final.class_name
    return Findings(
        records=len(wanted),
        labelled=len(wanted & by_record.keys()),
        by_source=dict(sources),
        lost=tuple(sorted(wanted - by_record.keys())),
        duplicated=tuple(sorted(duplicated)),
        strangers=tuple(sorted(by_record.keys() - wanted)),
        wrong_class=tuple(sorted(wrong_class)),
        errors_by_source=dict(errors),
    )


async def _count(
    client: Mapping[str, Any], topic: str, counts: Callable[[ConsumerRecord], bool], timeout_s: float
) -> int:
    total = 0

    def take(message: ConsumerRecord) -> None:
        nonlocal total
        total += counts(message)

    await _each_committed(client, topic, take, timeout_s)
    return total


def _is_ours(message: ConsumerRecord, key_prefix: bytes) -> bool:
    return message.key is not None and message.key.startswith(key_prefix)


async def _each_committed(
    client: Mapping[str, Any], topic: str, take: Callable[[ConsumerRecord], None], timeout_s: float
) -> None:
    """Hands every committed message to `take`, from the first offset to the end as it is when the call begins."""
    consumer = AIOKafkaConsumer(
        topic,
        **client,
        group_id=None,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        request_timeout_ms=_REQUEST_TIMEOUT_MS,
    )
    try:
        async with asyncio.timeout(timeout_s):
            await consumer.start()
            partitions = consumer.assignment()
            ends = await consumer.end_offsets(partitions)
            while any([await consumer.position(each) < ends[each] for each in partitions]):
                for batch in (await consumer.getmany(timeout_ms=200)).values():
                    for message in batch:
                        take(message)
    except (TimeoutError, KafkaError) as error:
        raise TransientError(f"cannot read topic {topic} to its end within {timeout_s:.0f} s: {error!r}") from error
    finally:
        await consumer.stop()
