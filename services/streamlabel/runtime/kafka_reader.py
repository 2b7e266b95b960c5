"""Reading Kafka outside any group: a whole topic, the end of a partition, somebody's committed offset."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition

from streamlabel.runtime.broker import BrokerUnavailableError
from streamlabel.runtime.kafka_client import kafka_call, stop_client, to_message
from streamlabel.runtime.messages import Message

_READ_TAIL_TIMEOUT_S = 60.0


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


async def read_tail(
    topic: str, partition: int, before_offset: int, count: int, options: Mapping[str, Any], *, timeout_s: float
) -> Sequence[Message]:
    """The last `count` committed messages below `before_offset`.

    Offsets have holes (commit markers, aborted records), so it starts a little further back than `count` and, where
    that was not enough, twice as far again.
    """
    tp = TopicPartition(topic, partition)
    async with (
        _assigned(tp, _reader_options(options, timeout_s), timeout_s) as consumer,
        kafka_call(f"read back {topic}[{partition}]", _READ_TAIL_TIMEOUT_S),
    ):
        first = (await consumer.beginning_offsets([tp]))[tp]
        # Nothing lies beyond the end: waiting for it would take the whole timeout.
        before_offset = min(before_offset, (await consumer.end_offsets([tp]))[tp])
        span = count + count // 4 + 16
        while True:
            start = max(first, before_offset - span)
            tail = await _read_span(consumer, tp, start, before_offset, count)
            if len(tail) == count or start == first:
                return tail
            span *= 2


async def _read_span(consumer: AIOKafkaConsumer, tp: TopicPartition, start: int, end: int, count: int) -> list[Message]:
    tail: deque[Message] = deque(maxlen=count)
    consumer.seek(tp, start)
    while await consumer.position(tp) < end:
        for records in (await consumer.getmany(timeout_ms=200)).values():
            tail.extend(to_message(record) for record in records if record.offset < end)
    return list(tail)


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
