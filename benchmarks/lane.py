"""What an exactly-once lane costs: copying a topic, next to a copy loop written with aiokafka alone, in turns.

    python -m benchmarks.lane [--json FILE] [--servers HOST:PORT] [--partitions 4] [--records 200000] [--rate 1000] [--repeats 3]

Throughput: so many records of 512 bytes wait in the input; the clock runs from the first to the last that a reader of
committed records finds in the output. Latency: records come at a steady rate, stamped with the moment they were due; a
reader of committed records looks at the stamp. Contender, producer and reader share one event loop, for both alike.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop
from aiokafka import AIOKafkaConsumer, TopicPartition
from prometheus_client import CollectorRegistry

from benchmarks.bare_loop import hop
from benchmarks.harness import Spread, arguments, machine, percentile, show, write
from streamlabel.local.servers import EmbeddedServers
from streamlabel.runtime.handlers import LaneHandler
from streamlabel.runtime.health import Health
from streamlabel.runtime.kafka import KafkaBroker, KafkaConnection
from streamlabel.runtime.kafka_admin import KafkaTopicAdmin
from streamlabel.runtime.messages import Emit, Message, Outcome, RawRecord
from streamlabel.runtime.metrics import Metrics
from streamlabel.runtime.stream import ExactlyOnceStage
from streamlabel.runtime.topic_admin import TopicShape

RECORD_BYTES = 512
WARM_UP_S = 2.0
LATENCY_S = 12.0
TICK_S = 0.005
DEADLINE_S = 120.0
_STAMP = struct.Struct(">d")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One contender at one task."""

    contender: str
    records_per_s: Spread
    p50_ms: Spread
    p99_ms: Spread


@dataclass(frozen=True, slots=True, kw_only=True)
class Road:
    """Where a contender reads and writes."""

    servers: str
    source: str
    target: str
    group: str
    partitions: int


Contender = Callable[[Road], AbstractAsyncContextManager[None]]


@contextlib.asynccontextmanager
async def bare(road: Road) -> AsyncIterator[None]:
    """The loop written by hand."""
    hops = [
        asyncio.create_task(hop(road.servers, road.source, road.target, road.group, partition))
        for partition in range(road.partitions)
    ]
    try:
        yield
    finally:
        for task in hops:
            task.cancel()
        await asyncio.gather(*hops, return_exceptions=True)


class _Copies:
    def __init__(self, topic: str) -> None:
        self._topic = topic

    async def open(self, partition: int, history: Sequence[Message]) -> LaneHandler:  # noqa: ARG002
        return self

    async def handle(self, batch: Sequence[Message]) -> Sequence[Outcome]:
        return [[Emit(topic=self._topic, key=m.key, value=m.value, headers=m.headers)] for m in batch]


@contextlib.asynccontextmanager
async def lane(road: Road) -> AsyncIterator[None]:
    """The stage that our services are made of."""
    stage = ExactlyOnceStage(
        name="copy",
        topic=road.source,
        group=road.group,
        factory=_Copies(road.target),
        broker=KafkaBroker(KafkaConnection(bootstrap_servers=road.servers)),
        metrics=Metrics("inference", CollectorRegistry()),
        health=Health(),
    )
    running = asyncio.create_task(stage.run())
    try:
        yield
    finally:
        await stage.stop()
        await running


CONTENDERS: dict[str, Contender] = {"bare": bare, "lane": lane}


async def new_road(servers: str, partitions: int) -> Road:
    """Topics of its own for each measurement."""
    name = f"bench-{uuid.uuid4().hex[:8]}"
    road = Road(servers=servers, source=f"{name}-in", target=f"{name}-out", group=name, partitions=partitions)
    admin = KafkaTopicAdmin(KafkaConnection(bootstrap_servers=servers))
    await admin.create(
        {topic: TopicShape(partitions=partitions, replication_factor=1) for topic in (road.source, road.target)}
    )
    return road


async def fill(road: Road, records: int) -> None:
    """Put the input there before the clock starts."""
    appender = KafkaBroker(KafkaConnection(bootstrap_servers=road.servers)).appender()
    await appender.start()
    own: list[RawRecord] = [(b"%08d" % number, b"x" * RECORD_BYTES, ()) for number in range(records // road.partitions)]
    for partition in range(road.partitions):
        for first in range(0, len(own), 5_000):
            await appender.send(road.source, partition, own[first : first + 5_000])
    await appender.stop()


async def committed(road: Road, take: Callable[[Any], bool]) -> None:
    """Read the output as committed until `take` has had enough."""
    consumer = AIOKafkaConsumer(bootstrap_servers=road.servers, isolation_level="read_committed")
    await consumer.start()
    try:
        tps = [TopicPartition(road.target, partition) for partition in range(road.partitions)]
        consumer.assign(tps)
        await consumer.seek_to_beginning(*tps)
        async with asyncio.timeout(DEADLINE_S):
            while True:
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    if take(records):
                        return
    finally:
        await consumer.stop()


async def throughput(contender: Contender, servers: str, partitions: int, records: int) -> float:
    """Records a second, from the first that is out to the last."""
    road = await new_road(servers, partitions)
    await fill(road, records)
    count, first_s, first_count = 0, 0.0, 0

    def take(found: Sequence[Any]) -> bool:
        nonlocal count, first_s, first_count
        count += len(found)
        if not first_s:
            first_s, first_count = time.perf_counter(), count
        return count >= records

    async with contender(road):
        await committed(road, take)
        seconds = time.perf_counter() - first_s
    if count != records:
        raise RuntimeError(f"{count} records came out of {records}")
    return (count - first_count) / seconds


async def latency(contender: Contender, servers: str, partitions: int, rate_per_s: int) -> tuple[float, float]:
    """Milliseconds from due to readable: the median, and what 1 % exceed."""
    road = await new_road(servers, partitions)
    total = int(rate_per_s * LATENCY_S)
    skipped = int(rate_per_s * WARM_UP_S)
    times_ms: list[float] = []

    def take(found: Sequence[Any]) -> bool:
        now_s = time.perf_counter()
        times_ms.extend((now_s - _STAMP.unpack_from(record.value)[0]) * 1000 for record in found)
        return len(times_ms) >= total

    async with contender(road):
        await asyncio.sleep(1.0)  # Both are at work, on an empty topic, before the first record is due.
        reading = asyncio.create_task(committed(road, take))
        await asyncio.sleep(0.5)
        await produce(road, total, rate_per_s)
        await reading
    if len(times_ms) != total:
        raise RuntimeError(f"{len(times_ms)} records came out of {total}")
    return percentile(times_ms[skipped:], 0.5), percentile(times_ms[skipped:], 0.99)


async def produce(road: Road, total: int, rate_per_s: int) -> None:
    """Records at a steady rate, each stamped with the moment it was due, whatever becomes of those before it."""
    appender = KafkaBroker(KafkaConnection(bootstrap_servers=road.servers)).appender()
    await appender.start()
    began_s = time.perf_counter()
    sent = 0
    sends: set[asyncio.Task[None]] = set()
    while sent < total:
        due = min(total, int((time.perf_counter() - began_s) * rate_per_s))
        for partition in range(road.partitions):
            numbers = [number for number in range(sent, due) if number % road.partitions == partition]
            own: list[RawRecord] = [(b"k", _value(began_s + number / rate_per_s), ()) for number in numbers]
            if own:
                task = asyncio.create_task(appender.send(road.source, partition, own))
                sends.add(task)
                task.add_done_callback(sends.discard)
        sent = due
        await asyncio.sleep(TICK_S)
    await asyncio.gather(*sends)
    await appender.stop()


def _value(due_s: float) -> bytes:
    return _STAMP.pack(due_s).ljust(RECORD_BYTES, b".")


async def measure(servers: str, partitions: int, records: int, rate_per_s: int, repeats: int) -> list[Figure]:
    """All repeats, the contenders in turns."""
    rates: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    p50s: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    p99s: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    for _ in range(repeats):
        for name, contender in CONTENDERS.items():
            rates[name].append(await throughput(contender, servers, partitions, records))
            p50_ms, p99_ms = await latency(contender, servers, min(2, partitions), rate_per_s)
            p50s[name].append(p50_ms)
            p99s[name].append(p99_ms)
    return [
        Figure(
            contender=name,
            records_per_s=Spread.of(rates[name]),
            p50_ms=Spread.of(p50s[name]),
            p99_ms=Spread.of(p99s[name]),
        )
        for name in CONTENDERS
    ]


def report(figures: Sequence[Figure], rate_per_s: int, partitions: int) -> dict[str, float]:
    """Prints the table; returns the ratios of the lane to the bare loop."""
    bare_figure, lane_figure = figures
    ratios = {
        "throughput": lane_figure.records_per_s.median / bare_figure.records_per_s.median,
        "p50": lane_figure.p50_ms.median / bare_figure.p50_ms.median,
        "p99": lane_figure.p99_ms.median / bare_figure.p99_ms.median,
    }
    rows = [
        [figure.contender, str(figure.records_per_s), f"{figure.p50_ms.median:.1f}", f"{figure.p99_ms.median:.1f}"]
        for figure in figures
    ]
    rows.append(["lane / bare", *(f"{ratios[name]:.2f}" for name in ("throughput", "p50", "p99"))])
    title = f"One exactly-once hop: {partitions} partitions flat out; 2 partitions at {rate_per_s:,} records/s"
    show(title, ["", "records/s", "p50 ms", "p99 ms"], rows)
    return ratios


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("--servers", metavar="HOST:PORT", help="a running Kafka; embedded unless given")
    parser.add_argument("--partitions", type=int, default=4)
    parser.add_argument("--records", type=int, default=200_000)
    parser.add_argument("--rate", type=int, default=1_000)
    given = parser.parse_args()
    before = machine()

    def run(servers: str) -> list[Figure]:
        work: Coroutine[Any, Any, list[Figure]] = measure(
            servers, given.partitions, given.records, given.rate, given.repeats
        )
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(work)

    if given.servers:
        figures = run(given.servers)
    else:
        with (
            tempfile.TemporaryDirectory(prefix="streamlabel-bench-") as directory,
            EmbeddedServers(Path(directory), ["kafka"]) as servers,
        ):
            figures = run(servers.kafka)
    ratios = report(figures, given.rate, given.partitions)
    write(given.json, {"machine": before, "figures": figures, "lane_to_bare": ratios})


if __name__ == "__main__":
    main()
