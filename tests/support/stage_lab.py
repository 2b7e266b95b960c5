"""An exactly-once stage on the in-memory broker, with a handler that a test can bend."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

from prometheus_client import CollectorRegistry

from streamlabel.runtime.backoff import Backoff
from streamlabel.runtime.broker import Broker
from streamlabel.runtime.handlers import LaneHandler, LaneLimits
from streamlabel.runtime.health import Health
from streamlabel.runtime.messages import Emit, Message, Outcome
from streamlabel.runtime.metrics import Metrics
from streamlabel.runtime.stream import ExactlyOnceStage
from support.fake_broker import FakeBroker
from support.fake_cluster import FakeCluster

INPUT, OUTPUT, GROUP = "in", "out", "copiers"
DEADLINE_S = 10.0

Work = Callable[[Sequence[Message]], Awaitable[Sequence[Outcome]]]


def copies(batch: Sequence[Message]) -> list[Outcome]:
    """Each message to the output topic, unchanged."""
    return [[Emit(topic=OUTPUT, key=message.key, value=message.value, headers=message.headers)] for message in batch]


async def copy(batch: Sequence[Message]) -> Sequence[Outcome]:
    return copies(batch)


class Handlers:
    """A LaneHandlerFactory that remembers what it was asked for."""

    def __init__(self, work: Work = copy) -> None:
        self.work = work
        self.opened: list[tuple[int, list[bytes]]] = []
        self.batches: list[list[bytes]] = []
        self.trouble: list[BaseException] = []

    async def open(self, partition: int, history: Sequence[Message]) -> LaneHandler:
        if self.trouble:
            raise self.trouble.pop(0)
        self.opened.append((partition, [message.value for message in history]))
        return _Handler(self)


class _Handler:
    def __init__(self, handlers: Handlers) -> None:
        self._handlers = handlers

    async def handle(self, batch: Sequence[Message]) -> Sequence[Outcome]:
        self._handlers.batches.append([message.value for message in batch])
        return await self._handlers.work(batch)


class Lab:
    """One cluster with an input and an output topic; stages are processes on it."""

    def __init__(self, partitions: int = 1) -> None:
        self.cluster = FakeCluster()
        self.cluster.create_topic(INPUT, partitions)
        self.cluster.create_topic(OUTPUT, partitions)
        self.cluster.create_topic(f"{INPUT}.{GROUP}.dead-letter", partitions)
        self.handlers = Handlers()
        self.health = Health()
        self.metrics = Metrics("inference", CollectorRegistry())

    def stage(self, broker: Broker | None = None, **options: Any) -> ExactlyOnceStage:
        settings: dict[str, Any] = {
            "name": "copy",
            "topic": INPUT,
            "group": GROUP,
            "factory": self.handlers,
            "broker": broker or FakeBroker(self.cluster),
            "metrics": self.metrics,
            "health": self.health,
            "limits": LaneLimits(max_rows=10, max_wait_s=0.001),
            "backoff": Backoff(base_s=0.005, cap_s=0.02, floor_s=0.001),
            "drain_timeout_s": 1.0,
            "fenced_pause_s": 0.02,
        }
        return ExactlyOnceStage(**(settings | options))

    @contextlib.asynccontextmanager
    async def running(self, broker: Broker | None = None, **options: Any) -> AsyncIterator[asyncio.Task[None]]:
        """A stage at work, stopped in the proper way at the end."""
        stage = self.stage(broker, **options)
        task = asyncio.create_task(stage.run())
        try:
            yield task
        finally:
            if not task.done():
                async with asyncio.timeout(DEADLINE_S):
                    await stage.stop()
                    await task

    def out(self, topic: str = OUTPUT) -> list[bytes]:
        """What a reader of committed records sees."""
        return [message.value for message in self.cluster.committed_messages(topic)]

    def dead(self) -> list[Message]:
        return self.cluster.committed_messages(f"{INPUT}.{GROUP}.dead-letter")

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not condition():
                await asyncio.sleep(0.002)

    async def until_out(self, count: int) -> None:
        await self.until(lambda: len(self.out()) >= count)

    def value(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, {"stage": "copy", **labels}) or 0.0


def numbers(count: int, first: int = 0) -> list[bytes]:
    return [b"%d" % number for number in range(first, first + count)]
