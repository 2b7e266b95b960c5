"""Writing to Kafka: whole batches, and no send whose answer nobody awaits."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer, errors
from aiokafka.producer.transaction_manager import TransactionState
from aiokafka.structs import TopicPartition

from streamlabel.errors import ConfigurationError
from streamlabel.runtime.broker import BrokerUnavailableError, MessageTooLargeError
from streamlabel.runtime.kafka_client import kafka_call, stop_client
from streamlabel.runtime.messages import RawRecord

_ABORT_TIMEOUT_S = 3.0
# Markers are written after a commit was answered. A transaction that begins before they are is told to come again, and
# aiokafka does so after 20 ms; this little wait is enough where the brokers are near, and then there is no second one.
_SETTLE_S = 0.002


class _BatchWriter:
    """One aiokafka producer that is only ever fed with whole batches, each awaited until acknowledged."""

    def __init__(self, what: str, options: Mapping[str, Any], *, timeout_s: float) -> None:
        self._what = what
        self._options = options
        self._timeout_s = timeout_s
        self._producer: AIOKafkaProducer | None = None
        self._turns: defaultdict[tuple[str, int], asyncio.Lock] = defaultdict(asyncio.Lock)

    @property
    def _client(self) -> AIOKafkaProducer:
        if self._producer is None:
            raise BrokerUnavailableError(f"{self._what} is not started")
        return self._producer

    async def start(self) -> None:
        self._producer = AIOKafkaProducer(**self._options)
        try:
            async with kafka_call(f"start {self._what}", self._timeout_s):
                await self._producer.start()
        except BaseException:
            await self.stop()
            raise

    async def send(self, topic: str, partition: int, records: Sequence[RawRecord]) -> None:
        async with kafka_call(f"write to {topic}[{partition}] by {self._what}", self._timeout_s):
            await self._check(topic, partition)
            sent = []
            # One at a time: callers that wait for the same partition inside aiokafka are let in in any order, and its
            # clock for their timeout runs faster the more often one of them has to wait again.
            async with self._turns[topic, partition]:
                for first, batch in self._batches(records):
                    acknowledged = await self._client.send_batch(batch, topic, partition=partition)
                    acknowledged.add_done_callback(_seen)  # One failure is raised; the others need no one's attention.
                    sent.append((first, batch.record_count(), acknowledged))
            for first, count, acknowledged in sent:
                try:
                    await acknowledged
                except (errors.MessageSizeTooLargeError, errors.RecordListTooLargeError) as error:
                    raise MessageTooLargeError(topic, first if count == 1 else None) from error

    def _batches(self, records: Sequence[RawRecord]) -> list[tuple[int, Any]]:
        """The records in batches, each with the index of its first; a record over the limit has a batch of its own."""
        now_ms = time.time_ns() // 1_000_000
        create_batch = self._client.create_batch
        batch = create_batch()
        batches = [(0, batch)]
        for index, (key, value, headers) in enumerate(records):
            if batch.append(timestamp=now_ms, key=key, value=value, headers=list(headers)) is None:
                batch = create_batch()
                batches.append((index, batch))
                batch.append(timestamp=now_ms, key=key, value=value, headers=list(headers))
        batch.close()
        return batches if records else []

    async def _check(self, topic: str, partition: int) -> None:
        try:
            partitions = await self._client.partitions_for(topic)
        except errors.UnknownTopicOrPartitionError as error:
            raise BrokerUnavailableError(f"topic {topic} does not exist (yet)") from error
        if partition not in partitions:
            raise ConfigurationError(
                f"topic {topic} has {len(partitions)} partitions, so there is no partition {partition}: "
                "all topics of the pipeline need the same number of partitions"
            )

    async def stop(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            _drop_unsent(producer)
            await stop_client(
                producer.stop,
                lambda: (producer._sender, producer._message_accumulator, producer.client),
                producer.client,
            )
            waiter = producer._txn_manager._transaction_waiter if producer._txn_manager is not None else None
            if waiter is not None and waiter.done():
                _seen(waiter)


def _seen(future: asyncio.Future[Any]) -> None:
    if not future.cancelled():
        future.exception()


def _drop_unsent(producer: AIOKafkaProducer) -> None:
    """Fail the batches that still wait: idempotent ones never expire, and would hold up the end of their producer."""
    accumulator = producer._message_accumulator
    queued = [batch for batches in accumulator._batches.values() for batch in batches]
    for batch in (*queued, *accumulator._pending_batches):
        batch.failure(errors.ProducerClosed())
        for future in (batch.future, batch._drain_waiter):
            if future.done():
                _seen(future)  # Nobody else will look; asyncio would complain.


class KafkaAppender(_BatchWriter):
    """An idempotent producer without transactions (a `streamlabel.runtime.broker.Appender`)."""

    def __init__(self, options: Mapping[str, Any], *, timeout_s: float) -> None:
        super().__init__("an idempotent producer", {**options, "enable_idempotence": True}, timeout_s=timeout_s)


class KafkaLaneProducer(_BatchWriter):
    """A transactional producer (a `streamlabel.runtime.broker.LaneProducer`)."""

    def __init__(self, transactional_id: str, options: Mapping[str, Any], *, timeout_s: float) -> None:
        super().__init__(
            transactional_id,
            {**options, "transactional_id": transactional_id, "transaction_timeout_ms": int(timeout_s * 1000)},
            timeout_s=timeout_s,
        )
        self._committed_at_s = -1.0

    async def begin(self) -> None:
        settled_in_s = self._committed_at_s + _SETTLE_S - time.monotonic()
        if settled_in_s > 0:
            await asyncio.sleep(settled_in_s)
        async with kafka_call(f"begin a transaction of {self._what}", self._timeout_s):
            await self._client.begin_transaction()

    async def send_offsets(self, group: str, offsets: Mapping[tuple[str, int], int]) -> None:
        async with kafka_call(f"add offsets of {group} to a transaction of {self._what}", self._timeout_s):
            await self._client.send_offsets_to_transaction(
                {TopicPartition(topic, partition): offset for (topic, partition), offset in offsets.items()}, group
            )

    async def commit(self) -> None:
        async with kafka_call(f"commit a transaction of {self._what}", self._timeout_s):
            await self._client.commit_transaction()
        self._committed_at_s = time.monotonic()

    async def abort(self) -> None:
        async with kafka_call(f"abort a transaction of {self._what}", _ABORT_TIMEOUT_S):
            if self._client._txn_manager.state in (TransactionState.IN_TRANSACTION, TransactionState.ABORTABLE_ERROR):
                await self._client.abort_transaction()
