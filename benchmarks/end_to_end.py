"""From a producer's hand to a label that can be read behind its commit: throughput and latency of the whole, with exactly-once on.

    python -m benchmarks.end_to_end [--json FILE] [--repeats 3] [--records 40000] [--rate 1000] [--seconds 20] [--only KIND…]

Contenders, in turns, in one run, on one Kafka:
  bare     two hops of a copy loop written with aiokafka alone, each a process of its own (bare_loop.py)
  trivial  Streamlabel: ingest → inference (Triton, one small matrix) → routing; 512-byte texts
  digits   the same with the digits CNN and PNG pictures

Throughput: so many records at once; records divided by the time from the first send to the last label read. Latency: an open
loop at a fixed rate; each record's time runs from the moment when it was *due*, so that a contender that stalls cannot hide it.
All servers, services, the producer and the reader share the cores of this machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop
from aiokafka import AIOKafkaProducer

from benchmarks.harness import Spread, arguments, cpu_s, machine, percentile, show, write
from benchmarks.load import Door, KafkaDoor, Reader, StreamlabelDoor
from streamlabel.cli.connection import Connection, connect
from streamlabel.cli.project_table import ProjectTable
from streamlabel.client import IngestClient, NewRecord, TextPayload
from streamlabel.core.record import ImagePayload
from streamlabel.local.datasets import load_digits
from streamlabel.local.model_bundle import Backend, build_model
from streamlabel.local.options import StackOptions
from streamlabel.local.places import DataDir, cache_dir
from streamlabel.local.progress import LineProgress
from streamlabel.local.stack import Stack
from streamlabel.local.trivial_model import write_trivial_model
from streamlabel.runtime.kafka_admin import KafkaTopicAdmin
from streamlabel.runtime.topic_admin import TopicShape
from streamlabel.wire.flow import LABELS
from streamlabel.wire.project_file import parse_project

KINDS = ("bare", "trivial", "digits")
RECORD_BYTES = 512
PARTITIONS = 2
WARM_UP_RECORDS = 3_000
WARM_UP_S = 3.0
TIMEOUT_S = 180.0
REPOSITORY = Path(__file__).parents[1]
BARE_TOPICS = ("bare.source", "bare.middle", "bare.target")
TRIVIAL = f"""
project: trivial
payload: text
taxonomy: {{classes: [a, b, c, d]}}
model:
  name: trivial
  input: {{name: text, length: {RECORD_BYTES}}}
  output: {{name: probabilities, kind: probabilities}}
policy: {{kind: threshold, threshold: 0.0}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A way from a door to a topic; `key` is what record `number` is called there."""

    kind: str
    door: Door
    topic: str
    key: Callable[[int], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """One open-loop measurement."""

    p50_ms: float
    p95_ms: float
    p99_ms: float
    highest_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Throughput:
    """One measurement flat out; `cpu_us` are processor microseconds a record, by process."""

    records_per_s: float
    cpu_us: dict[str, float]


async def throughput(
    contender: Contender, client: dict[str, Any], groups: dict[str, int], first: int, count: int
) -> Throughput:
    """Records a second, flat out, and what each process group of `groups` spends on one."""
    async with Reader(client, contender.topic) as reader:
        before = {name: cpu_s(group) for name, group in groups.items()}
        own_before_s = time.process_time()
        began_s = time.monotonic()
        await contender.door.send_all(first, count)
        await reader.until(count, TIMEOUT_S)
        elapsed_s = max(reader.arrivals.seen_s.values()) - began_s
        spent_s = {name: cpu_s(group) - before[name] for name, group in groups.items()}
        spent_s["producer and reader"] = time.process_time() - own_before_s
        _expect_each_once(reader, contender, first, count)
    return Throughput(
        records_per_s=count / elapsed_s, cpu_us={name: spent / count * 1e6 for name, spent in spent_s.items()}
    )


async def latency(contender: Contender, client: dict[str, Any], first: int, rate: float, seconds: float) -> Latency:
    """From the time when a record was due to the time when its label could be read, at a steady rate."""
    count = int(rate * (seconds + WARM_UP_S))
    async with Reader(client, contender.topic) as reader:
        start_s = time.monotonic() + 0.5

        def due_s(number: int) -> float:
            return start_s + (number - first) / rate

        await contender.door.send_paced(first, count, due_s)
        await reader.until(count, TIMEOUT_S)
        _expect_each_once(reader, contender, first, count)
        measured = range(first + int(rate * WARM_UP_S), first + count)
        waits_ms = [(reader.arrivals.seen_s[contender.key(number)] - due_s(number)) * 1000 for number in measured]
    return Latency(
        p50_ms=percentile(waits_ms, 0.50),
        p95_ms=percentile(waits_ms, 0.95),
        p99_ms=percentile(waits_ms, 0.99),
        highest_ms=max(waits_ms),
    )


def _expect_each_once(reader: Reader, contender: Contender, first: int, count: int) -> None:
    wanted = {contender.key(number) for number in range(first, first + count)}
    arrivals = reader.arrivals
    if arrivals.seen_s.keys() != wanted or arrivals.doubled:
        missing = len(wanted - arrivals.seen_s.keys())
        raise RuntimeError(f"{contender.kind}: {missing} lost, {arrivals.doubled} doubled: no figure is worth that")


@contextlib.asynccontextmanager
async def whole_stack(kinds: list[str]) -> AsyncIterator[tuple[Connection, Stack]]:
    """The embedded stack with both models and both projects."""
    with tempfile.TemporaryDirectory(prefix="streamlabel-bench-") as folder:
        data = DataDir.at(Path(folder) / "data")
        data.create()
        build_model(write_trivial_model(Path(folder), length=RECORD_BYTES), data.models, Backend.PYTHON)
        build_model(REPOSITORY / "examples" / "digits" / "model.yaml", data.models, Backend.PYTHON)
        options = StackOptions(partitions=PARTITIONS)
        async with Stack(data.root, options=options, progress=LineProgress()) as stack:
            connection = connect(data.root, environ={})
            table = ProjectTable(connection.broker(), connection.names)
            if "trivial" in kinds:
                await table.apply(parse_project(TRIVIAL, "trivial project"))
            if "digits" in kinds:
                text = (REPOSITORY / "examples" / "digits" / "project.yaml").read_text()
                # Nobody answers here: every digit must get its label from the model.
                await table.apply(parse_project(text.replace("threshold: 0.95", "threshold: 0.0"), "digits project"))
            yield connection, stack


@contextlib.asynccontextmanager
async def bare_loop(connection: Connection) -> AsyncIterator[dict[str, int]]:
    """Both hops as processes, by process group; they run only while this contender's turn lasts."""
    hops = []
    for number, (source, target) in enumerate(itertools.pairwise(BARE_TOPICS)):
        command = [sys.executable, "-m", "benchmarks.bare_loop", "--servers", connection.kafka.bootstrap_servers]
        command += [
            "--source",
            source,
            "--target",
            target,
            "--group",
            f"bare-{number}",
            "--partitions",
            str(PARTITIONS),
        ]
        hops.append(await asyncio.create_subprocess_exec(*command, cwd=REPOSITORY, start_new_session=True))
    try:
        await asyncio.sleep(2.0)
        yield {f"hop {number + 1}": hop.pid for number, hop in enumerate(hops)}
    finally:
        for hop in hops:
            if hop.returncode is None:
                hop.send_signal(signal.SIGTERM)
        await asyncio.gather(*(hop.wait() for hop in hops))


@contextlib.asynccontextmanager
async def contenders(connection: Connection, kinds: list[str]) -> AsyncIterator[list[Contender]]:
    """All that were asked for, ready to be sent to."""
    client = connection.kafka.client_options()
    labels = connection.names.topic(LABELS)
    text = "".join(chr(97 + place * 7 % 26) for place in range(RECORD_BYTES))
    run = os.urandom(4).hex()
    async with contextlib.AsyncExitStack() as exits:
        found = []
        if "bare" in kinds:
            shape = TopicShape(partitions=PARTITIONS, replication_factor=1)
            await KafkaTopicAdmin(connection.kafka).create(dict.fromkeys(BARE_TOPICS, shape))
            producer = AIOKafkaProducer(**client, acks="all", enable_idempotence=True, max_batch_size=512 * 1024)
            await producer.start()
            exits.push_async_callback(producer.stop)
            door: Door = KafkaDoor(
                producer, BARE_TOPICS[0], PARTITIONS, lambda number: (b"bare/%d" % number, _text(text, number).encode())
            )
            found.append(
                Contender(kind="bare", door=door, topic=BARE_TOPICS[-1], key=lambda number: b"bare/%d" % number)
            )
        ingest = await exits.enter_async_context(IngestClient(connection.ingest_address))
        if "trivial" in kinds:
            door = StreamlabelDoor(
                ingest,
                lambda number: NewRecord(
                    project="trivial", record_id=f"{run}-{number}", payload=TextPayload(_text(text, number))
                ),
            )
            key = lambda number: f"trivial/{run}-{number}".encode()  # noqa: E731
            found.append(Contender(kind="trivial", door=door, topic=labels, key=key))
        if "digits" in kinds:
            digits = load_digits(cache_dir())
            pictures = [ImagePayload(digits.png(row), "image/png") for row in range(0, len(digits), 5)]
            door = StreamlabelDoor(
                ingest,
                lambda number: NewRecord(
                    project="digits", record_id=f"{run}-{number}", payload=pictures[number % len(pictures)]
                ),
            )
            key = lambda number: f"digits/{run}-{number}".encode()  # noqa: E731
            found.append(Contender(kind="digits", door=door, topic=labels, key=key))
        yield found


def _text(text: str, number: int) -> str:
    """A text of exactly RECORD_BYTES that no other record has."""
    return f"{number:012d}{text[12:]}"


async def measure(kinds: list[str], *, repeats: int, records: int, rate: float, seconds: float) -> dict[str, Any]:
    """All measurements, contenders in turns."""
    facts = machine()
    rates: dict[str, list[Throughput]] = {kind: [] for kind in kinds}
    latencies: dict[str, list[Latency]] = {kind: [] for kind in kinds}
    async with whole_stack(kinds) as (connection, stack), contenders(connection, kinds) as found:
        client = connection.kafka.client_options()
        next_number = 0

        def take(count: int) -> int:
            nonlocal next_number
            first, next_number = next_number, next_number + count
            return first

        for contender in found:
            async with _turn(contender, connection, stack) as groups:
                await _until_accepted(contender, take)
                await throughput(contender, client, groups, take(WARM_UP_RECORDS), WARM_UP_RECORDS)
        for repeat in range(repeats):
            for contender in found:
                async with _turn(contender, connection, stack) as groups:
                    rate_found = await throughput(contender, client, groups, take(records), records)
                    rates[contender.kind].append(rate_found)
                    await asyncio.sleep(1.0)
                    waits = await latency(contender, client, take(int(rate * (seconds + WARM_UP_S))), rate, seconds)
                    latencies[contender.kind].append(waits)
                sys.stderr.write(
                    f"{repeat + 1}/{repeats} {contender.kind:<8} {rate_found.records_per_s:>8,.0f} records/s"
                    f"   p50 {waits.p50_ms:.0f} ms  p99 {waits.p99_ms:.0f} ms\n"
                )
    return {
        "benchmark": "end_to_end",
        "machine": facts,
        "records": records,
        "record_bytes": RECORD_BYTES,
        "rate_per_s": rate,
        "seconds": seconds,
        "partitions": PARTITIONS,
        "contenders": {kind: _summary(rates[kind], latencies[kind]) for kind in kinds},
        "ratios_to_bare": {
            kind: _ratios(kind, rates, latencies) for kind in kinds if kind != "bare" and "bare" in kinds
        },
    }


@contextlib.asynccontextmanager
async def _turn(contender: Contender, connection: Connection, stack: Stack) -> AsyncIterator[dict[str, int]]:
    """Gives the process groups at work, by name."""
    groups = {name: process.pid for name, process in stack.state.processes.items() if process.pid is not None}
    if contender.kind == "bare":
        async with bare_loop(connection) as hops:
            yield {"kafka": groups["kafka"], **hops}
    else:
        yield groups


async def _until_accepted(contender: Contender, take: Callable[[int], int]) -> None:
    """The door may not have heard of a project that was applied a moment ago."""
    deadline_s = time.monotonic() + 30
    while True:
        try:
            await contender.door.send_all(take(1), 1)
            # Its label must not be taken for one of the next measurement.
            await asyncio.sleep(2.0)
            return
        except RuntimeError:
            if time.monotonic() > deadline_s:
                raise
            await asyncio.sleep(0.2)


def _summary(rates: list[Throughput], latencies: list[Latency]) -> dict[str, Any]:
    return {
        "records_per_s": Spread.of([each.records_per_s for each in rates]),
        "cpu_us_per_record": {name: Spread.of([each.cpu_us[name] for each in rates]) for name in rates[0].cpu_us},
        "p50_ms": Spread.of([each.p50_ms for each in latencies]),
        "p95_ms": Spread.of([each.p95_ms for each in latencies]),
        "p99_ms": Spread.of([each.p99_ms for each in latencies]),
        "highest_ms": Spread.of([each.highest_ms for each in latencies]),
    }


def _ratios(kind: str, rates: dict[str, list[Throughput]], latencies: dict[str, list[Latency]]) -> dict[str, float]:
    mine, bare = _summary(rates[kind], latencies[kind]), _summary(rates["bare"], latencies["bare"])
    return {
        name: round(mine[name].median / bare[name].median, 3)
        for name in ("records_per_s", "p50_ms", "p95_ms", "p99_ms")
    }


def tell(figures: dict[str, Any]) -> None:
    """Prints the figures."""
    rows = []
    for kind, each in figures["contenders"].items():
        ratio = figures["ratios_to_bare"].get(kind)
        rows.append(
            (
                kind,
                str(each["records_per_s"]),
                f"{ratio['records_per_s']:.2f} ×" if ratio else "1",
                str(each["p50_ms"]),
                str(each["p99_ms"]),
                f"{ratio['p99_ms']:.2f} ×" if ratio else "1",
            )
        )
    show(
        f"End to end, exactly once, {figures['machine']['cores']} cores: median (lowest–highest)",
        (
            "contender",
            "records/s flat out",
            "of bare",
            f"p50 ms at {figures['rate_per_s']:,.0f}/s",
            "p99 ms",
            "of bare",
        ),
        rows,
    )
    spent = [
        (kind, process, f"{spread.median:.0f}")
        for kind, each in figures["contenders"].items()
        for process, spread in each["cpu_us_per_record"].items()
    ]
    show("Where the time goes: processor microseconds a record, flat out", ("contender", "process", "µs"), spent)


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("--records", type=int, default=40_000, help="records of one throughput measurement")
    parser.add_argument("--rate", type=float, default=1_000.0, help="records a second of the latency measurement")
    parser.add_argument("--seconds", type=float, default=20.0, help="length of one latency measurement")
    parser.add_argument("--only", nargs="+", choices=KINDS, default=list(KINDS), help="contenders")
    given = parser.parse_args()
    work = measure(given.only, repeats=given.repeats, records=given.records, rate=given.rate, seconds=given.seconds)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        figures = runner.run(work)
    tell(figures)
    write(given.json, figures)


if __name__ == "__main__":
    main()
