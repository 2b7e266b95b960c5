"""Reading a topic of Kafka as a member of a consumer group."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, errors
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.structs import TopicPartition

from streamlabel.runtime.broker import AssignmentListener, BrokerUnavailableError, OffsetGoneError
from streamlabel.runtime.kafka_client import kafka_call, stop_client, to_message
from streamlabel.runtime.messages import Message

log = logging.getLogger(__name__)

# A fetch in flight is not extended by a partition that resumes meanwhile: the longest that such a partition waits.
_FETCH_WAIT_S = 0.1
# What a poll may take beyond its own wait, while a rebalance keeps records back.
_POLL_GRACE_S = 0.5


class KafkaSource:
    """A `streamlabel.runtime.broker.Source`.

    aiokafka hands out records of a new assignment while the callback for it still runs, from a position that it
    looked up by itself. Hence the gate: a partition yields nothing between its assignment and its `resume`.
    """

    def __init__(
        self,
        topic: str,
        group: str,
        options: Mapping[str, Any],
        *,
        session_timeout_s: float,
        rebalance_timeout_s: float,
        call_timeout_s: float,
    ) -> None:
        self._topic = topic
        self._group = group
        self._call_timeout_s = call_timeout_s
        self._options = {
            **options,
            "group_id": group,
            "enable_auto_commit": False,
            "auto_offset_reset": "none",
            "isolation_level": "read_committed",
            "session_timeout_ms": int(session_timeout_s * 1000),
            "heartbeat_interval_ms": int(session_timeout_s * 1000 / 3),
            "rebalance_timeout_ms": int(rebalance_timeout_s * 1000),
            # JoinGroup is answered once every other member has drained, for which each has half the rebalance timeout.
            "request_timeout_ms": int((rebalance_timeout_s / 2 + call_timeout_s) * 1000),
            "max_poll_interval_ms": 300_000,
            "fetch_max_wait_ms": int(_FETCH_WAIT_S * 1000),
            # Exactly one: with several, aiokafka joins once per assignor.
            "partition_assignment_strategy": (RoundRobinPartitionAssignor,),
        }
        self._consumer: AIOKafkaConsumer | None = None
        self._open: set[int] = set()

    @property
    def _client(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            raise BrokerUnavailableError(f"the consumer of {self._topic} is not started")
        return self._consumer

    async def start(self, listener: AssignmentListener) -> None:
        consumer = self._consumer = AIOKafkaConsumer(**self._options)
        try:
            async with kafka_call(f"start the consumer of {self._topic}", self._call_timeout_s):
                await consumer.start()
                if self._topic not in await consumer.topics():
                    raise BrokerUnavailableError(f"topic {self._topic} does not exist (yet)")
                consumer.subscribe([self._topic], listener=_Rebalance(self, listener))
        except BaseException:
            await self.stop()
            raise

    async def poll(self, timeout_s: float) -> Mapping[int, Sequence[Message]]:
        try:
            async with kafka_call(f"read {self._topic}", timeout_s + _POLL_GRACE_S):
                fetched = await self._client.getmany(timeout_ms=int(timeout_s * 1000))
        except BrokerUnavailableError as error:
            cause = error.__cause__
            if isinstance(cause, errors.OffsetOutOfRangeError) and cause.args:
                ((lost, offset),) = list(cause.args[0].items())[:1]
                raise OffsetGoneError(self._topic, lost.partition, offset) from error
            # No position yet (the lane has not sought), or a rebalance holds everything back: nothing to read.
            if isinstance(cause, TimeoutError | errors.NoOffsetForPartitionError):
                fetched = {}
            else:
                raise
        if not fetched:
            self._check_alive()
        return {
            tp.partition: [to_message(record) for record in records]
            for tp, records in fetched.items()
            if tp.partition in self._open
        }

    async def committed(self, partition: int) -> int | None:
        async with kafka_call(f"read the offset of {self._group} in {self._topic}[{partition}]", self._call_timeout_s):
            offset: int | None = await self._client.committed(self._tp(partition))
            return offset

    async def bounds(self, partition: int) -> tuple[int, int]:
        tp = self._tp(partition)
        async with kafka_call(f"read the bounds of {self._topic}[{partition}]", self._call_timeout_s):
            first = await self._client.beginning_offsets([tp])
            end = await self._client.end_offsets([tp])
            return first[tp], end[tp]

    def seek(self, partition: int, offset: int) -> None:
        if self._assigned(partition):
            self._client.seek(self._tp(partition), offset)

    def pause(self, partition: int) -> None:
        self._open.discard(partition)
        if self._assigned(partition):
            self._client.pause(self._tp(partition))

    def resume(self, partition: int) -> None:
        if self._assigned(partition):
            self._open.add(partition)
            self._client.resume(self._tp(partition))

    async def lag(self, partition: int) -> int | None:
        if partition not in self._open or not self._assigned(partition):
            return None
        tp = self._tp(partition)
        async with kafka_call(f"read the lag of {self._topic}[{partition}]", self._call_timeout_s):
            highwater = self._client.highwater(tp)
            return None if highwater is None else max(0, highwater - await self._client.position(tp))

    async def position(self, partition: int) -> int | None:
        if partition not in self._open or not self._assigned(partition):
            return None
        async with kafka_call(f"read the position of {self._topic}[{partition}]", self._call_timeout_s):
            return int(await self._client.position(self._tp(partition)))

    async def commit(self, offsets: Mapping[int, int]) -> None:
        async with kafka_call(f"commit offsets of {self._group}", self._call_timeout_s):
            try:
                await self._client.commit({self._tp(partition): offset for partition, offset in offsets.items()})
            except errors.IllegalStateError as error:
                raise BrokerUnavailableError(f"{self._topic} is being reassigned") from error

    async def stop(self) -> None:
        consumer, self._consumer = self._consumer, None
        self._open.clear()
        if consumer is not None:
            await stop_client(
                consumer.stop,
                lambda: (consumer._coordinator, consumer._fetcher, consumer._client, consumer),
                consumer._client,
            )

    def gate(self, partitions: Collection[int]) -> None:
        """Close the partitions of a new assignment until each is sought and resumed."""
        self._open.clear()
        for partition in partitions:
            self.pause(partition)

    def _check_alive(self) -> None:
        # The fetcher is a task of its own, and nobody else would notice that it is gone.
        fetcher = self._client._fetcher
        if fetcher is not None and fetcher.error_future.done():
            raise BrokerUnavailableError(f"the fetcher of {self._topic} has died")

    def _tp(self, partition: int) -> TopicPartition:
        return TopicPartition(self._topic, partition)

    def _assigned(self, partition: int) -> bool:
        return self._consumer is not None and self._tp(partition) in self._consumer.assignment()


class _Rebalance(ConsumerRebalanceListener):  # type: ignore[misc]
    """Passes aiokafka's callbacks on as partition numbers, the gate closed before anyone else hears of it."""

    def __init__(self, source: KafkaSource, listener: AssignmentListener) -> None:
        self._source = source
        self._listener = listener

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        await self._listener.revoked([tp.partition for tp in revoked])
        self._source.gate(())

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        partitions = sorted(tp.partition for tp in assigned)
        self._source.gate(partitions)
        await self._listener.assigned(partitions)
