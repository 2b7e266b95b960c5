"""Reading Kafka outside any group: a whole topic, the end of a partition, somebody's committed offset."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition

from streamlabel.runtime.broker import BrokerUnavailableError
from streamlabel.runtime.kafka_client import kafka_call, stop_client, to_message
from streamlabel.runtime.messages import Message

_READ_TAIL_TIMEOUT_S = 60.0
# Offsets that are read back first; of large messages these are enough already.
_FIRST_SPAN = 2_000


class KafkaTopicReader:
    """A `streamlabel.runtime.broker.TopicReader`."""

    def __init__(self, topic: str, options: Mapping[str, Any], *, timeout_s: float) -> None:
        self._topic = topic
        self._options = _reader_options(options, timeout_s)
        self._timeout_s = timeout_s
        self._consumer: AIOKafkaConsumer | None = None
        self._partitions: list[TopicPartition] = []

    async def start(self) -> None:
        consumer = self._consumer = AIOKafkaConsumer(**self._options)
        try:
            async with kafka_call(f"start the reader of {self._topic}", self._timeout_s):
                await consumer.start()
                # The consumer's own view of the cluster holds only topics that it is assigned already.
                cluster = await consumer._client.fetch_all_metadata()
                numbers = cluster.partitions_for_topic(self._topic)
                if not numbers:
                    raise BrokerUnavailableError(f"topic {self._topic} does not exist (yet)")
                self._partitions = [TopicPartition(self._topic, number) for number in sorted(numbers)]
                consumer.assign(self._partitions)
                for tp, first in (await consumer.beginning_offsets(self._partitions)).items():
                    consumer.seek(tp, first)
        except BaseException:
            await self.stop()
            raise

    async def poll(self, timeout_s: float) -> Sequence[Message]:
        async with kafka_call(f"read {self._topic}", timeout_s + self._timeout_s):
            fetched = await self._client.getmany(timeout_ms=int(timeout_s * 1000))
        return [to_message(record) for records in fetched.values() for record in records]

    async def missing(self) -> int:
        async with kafka_call(f"read the end of {self._topic}", self._timeout_s):
            ends = await self._client.end_offsets(self._partitions)
            positions = [(await self._client.position(tp), end) for tp, end in ends.items()]
        return sum(max(0, end - position) for position, end in positions)

    async def stop(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await _stop(consumer)

    @property
    def _client(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            raise BrokerUnavailableError(f"the reader of {self._topic} is not started")
        return self._consumer


@dataclass(frozen=True, slots=True)
class TailLimits:
    """How much of the end of a partition is wanted: so many messages, and no more bytes (but at least one message)."""

    count: int
    max_bytes: int


async def read_tail(
    tp: TopicPartition, before_offset: int, limits: TailLimits, options: Mapping[str, Any], *, timeout_s: float
) -> Sequence[Message]:
    """The last committed messages below `before_offset`, within the limits.

    Goes back span by span, each twice as long as the one after it: offsets have holes (commit markers, aborted
    records), and how many messages fit into the bytes shows only when they are read.
    """
    async with (
        _assigned(tp, _reader_options(options, timeout_s), timeout_s) as consumer,
        kafka_call(f"read back {tp.topic}[{tp.partition}]", _READ_TAIL_TIMEOUT_S),
    ):
        first = (await consumer.beginning_offsets([tp]))[tp]
        # Nothing lies beyond the end: waiting for it would take the whole timeout.
        end = min(before_offset, (await consumer.end_offsets([tp]))[tp])
        span = min(limits.count + limits.count // 4 + 16, _FIRST_SPAN)
        tail = _Tail(limits)
        while end > first and not tail.is_full:
            start = max(first, end - span)
            tail.put_before(await _read_span(consumer, tp, start, end, limits))
            end, span = start, span * 2
        return list(tail.messages)


class _Tail:
    """Messages from the end backwards, as many as the limits allow."""

    def __init__(self, limits: TailLimits) -> None:
        self._limits = limits
        self._bytes = 0
        self.messages: deque[Message] = deque()
        self.is_full = limits.count < 1

    def put_before(self, span: Sequence[Message]) -> None:
        """The messages of a span, which all lie before what is here."""
        for message in reversed(span):
            size_bytes = len(message.key) + len(message.value)
            if self.is_full or (self.messages and self._bytes + size_bytes > self._limits.max_bytes):
                self.is_full = True
                return
            self.messages.appendleft(message)
            self._bytes += size_bytes
            self.is_full = len(self.messages) == self._limits.count


async def _read_span(
    consumer: AIOKafkaConsumer, tp: TopicPartition, start: int, end: int, limits: TailLimits
) -> Sequence[Message]:
    """The messages of a span; of those that pass the limits, the latest."""
    span: deque[Message] = deque(maxlen=limits.count)
    span_bytes = 0
    consumer.seek(tp, start)
    while await consumer.position(tp) < end:
        for records in (await consumer.getmany(timeout_ms=200)).values():
            for message in (to_message(record) for record in records if record.offset < end):
                if len(span) == limits.count:
                    span_bytes -= len(span[0].key) + len(span[0].value)
                span.append(message)
                span_bytes += len(message.key) + len(message.value)
                while span_bytes > limits.max_bytes and len(span) > 1:
                    dropped = span.popleft()
                    span_bytes -= len(dropped.key) + len(dropped.value)
    return span


async def committed_offset(
    group: str, topic: str, partition: int, options: Mapping[str, Any], *, timeout_s: float
) -> int | None:
    """The committed offset of a group, read without joining it."""
    tp = TopicPartition(topic, partition)
    async with (
        _assigned(tp, {**_reader_options(options, timeout_s), "group_id": group}, timeout_s) as consumer,
        kafka_call(f"read the offset of {group} in {topic}[{partition}]", timeout_s),
    ):
        offset: int | None = await consumer.committed(tp)
        return offset


def _reader_options(options: Mapping[str, Any], timeout_s: float) -> dict[str, Any]:
    return {
        **options,
        "enable_auto_commit": False,
        "auto_offset_reset": "earliest",
        "isolation_level": "read_committed",
        "request_timeout_ms": int(timeout_s * 1000),
    }


@contextlib.asynccontextmanager
async def _assigned(
    tp: TopicPartition, options: Mapping[str, Any], timeout_s: float
) -> AsyncIterator[AIOKafkaConsumer]:
    """A short-lived consumer of one partition, closed in the end."""
    consumer = AIOKafkaConsumer(**options)
    try:
        async with kafka_call(f"open {tp.topic}[{tp.partition}]", timeout_s):
            await consumer.start()
            consumer.assign([tp])
        yield consumer
    finally:
        await _stop(consumer)


async def _stop(consumer: AIOKafkaConsumer) -> None:
    await stop_client(
        consumer.stop, lambda: (consumer._coordinator, consumer._fetcher, consumer._client, consumer), consumer._client
    )
