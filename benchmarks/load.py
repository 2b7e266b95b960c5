"""Producers and the reader of the end-to-end benchmark: the same for both contenders, but for the door they send to."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from streamlabel.client import IngestClient
from streamlabel.core.record import Record
from streamlabel.core.submission import NewRecord

BREATH = 64


class Door(Protocol):
    """Where records go in. Both calls return when every record is acknowledged."""

    async def send_all(self, first: int, count: int) -> None:
        """As fast as it goes."""

    async def send_paced(self, first: int, count: int, due_s: Callable[[int], float]) -> None:
        """Record `number` at the monotonic time `due_s(number)`, whether or not the ones before were answered."""


class StreamlabelDoor:
    """The ingest service, by the client that everybody uses."""

    def __init__(self, client: IngestClient, make: Callable[[int], NewRecord | Record]) -> None:
        self._client = client
        self._make = make

    async def send_all(self, first: int, count: int) -> None:
        async for result in self._client.ingest_many(self._breathing(first, count)):
            if not result.is_durable:
                raise RuntimeError(f"refused: {result}")

    async def send_paced(self, first: int, count: int, due_s: Callable[[int], float]) -> None:
        async for result in self._client.stream(self._paced(first, count, due_s), window=10_000):
            if not result.is_durable:
                raise RuntimeError(f"refused: {result}")

    async def _breathing(self, first: int, count: int) -> AsyncIterator[NewRecord | Record]:
        for number in range(first, first + count):
            if number % BREATH == 0:
                await asyncio.sleep(0)
            yield self._make(number)

    async def _paced(self, first: int, count: int, due_s: Callable[[int], float]) -> AsyncIterator[NewRecord | Record]:
        for number in range(first, first + count):
            await asyncio.sleep(max(0.0, due_s(number) - time.monotonic()))
            yield self._make(number)


class KafkaDoor:
    """The source topic of the bare loop itself: the bare loop has no door in front."""

    def __init__(
        self, producer: AIOKafkaProducer, topic: str, partitions: int, make: Callable[[int], tuple[bytes, bytes]]
    ) -> None:
        self._producer = producer
        self._topic = topic
        self._partitions = partitions
        self._make = make

    async def send_all(self, first: int, count: int) -> None:
        per_batch = 500
        sent: list[Any] = []
        for start in range(first, first + count, per_batch * self._partitions):
            numbers = range(start, min(first + count, start + per_batch * self._partitions))
            sent += [
                await self._send(numbers[partition :: self._partitions], partition)
                for partition in range(self._partitions)
            ]
            # As many batches in flight as the client of Streamlabel has requests.
            while len(sent) > 4 * self._partitions:
                await sent.pop(0)
        await asyncio.gather(*sent)

    async def _send(self, numbers: Iterable[int], partition: int) -> Any:
        batch = self._producer.create_batch()
        for number in numbers:
            key, value = self._make(number)
            if batch.append(key=key, value=value, timestamp=None) is None:
                raise RuntimeError("a batch is too small")
        batch.close()
        return await self._producer.send_batch(batch, self._topic, partition=partition)

    async def send_paced(self, first: int, count: int, due_s: Callable[[int], float]) -> None:
        sent = []
        for number in range(first, first + count):
            await asyncio.sleep(max(0.0, due_s(number) - time.monotonic()))
            key, value = self._make(number)
            sent.append(await self._producer.send(self._topic, value, key, number % self._partitions))
        await asyncio.gather(*sent)


@dataclass(slots=True)
class Arrivals:
    """When each key could first be read behind its commit; a key that comes twice is an error of the contender."""

    seen_s: dict[bytes, float] = field(default_factory=dict)
    doubled: int = 0


class Reader:
    """A read-committed reader of the last topic, from its end on."""

    def __init__(self, client: dict[str, Any], topic: str) -> None:
        self._consumer = AIOKafkaConsumer(
            topic,
            **client,
            group_id=None,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=100,
        )
        self.arrivals = Arrivals()
        self._task: asyncio.Task[None] | None = None
        self._news = asyncio.Event()

    async def __aenter__(self) -> Self:
        await self._consumer.start()
        for partition, end in (await self._consumer.end_offsets(self._consumer.assignment())).items():
            self._consumer.seek(partition, end)
        self._task = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._consumer.stop()

    async def until(self, count: int, timeout_s: float) -> None:
        """Returns when so many keys have arrived."""
        async with asyncio.timeout(timeout_s):
            while len(self.arrivals.seen_s) < count:
                if self._task is not None and self._task.done():
                    self._task.result()
                self._news.clear()
                await self._news.wait()

    async def _read(self) -> None:
        seen_s = self.arrivals.seen_s
        while True:
            fetched = await self._consumer.getmany(timeout_ms=1000)
            now_s = time.monotonic()
            for records in fetched.values():
                for record in records:
                    self.arrivals.doubled += record.key in seen_s
                    seen_s.setdefault(record.key, now_s)
            self._news.set()
