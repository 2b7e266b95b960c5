"""How fast people are served: lease + answer cycles through ReviewDesk, next to the bare PostgreSQL claim in the same run.

    python benchmarks/leases.py [--json FILE] [--open 10000,100000] [--clients 8] [--seconds 6] [--repeats 3] [--dsn DSN]

"Bare" is what PostgreSQL gives on this machine for the two statements that any queue needs: `SELECT … FOR UPDATE SKIP
LOCKED` in an `UPDATE`, and an `UPDATE` that closes the row; no payload, no answers kept, no label on its way. "Desk" is
the whole use case: claim with its payload, judge the answer, keep it, send the label on its way; with the sweeper and an
outbox reader at work beside it. Each figure is the median of the repeats; repeats of both kinds alternate.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import asyncpg
import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from streamlabel.core.desk import AnnotationStatus
from streamlabel.core.review import Annotation
from streamlabel.local.servers import EmbeddedServers
from support.review_queue import ReviewQueue, review_queue, task

PAYLOAD_CHARACTERS = 300
BATCH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measurement: complete cycles a second, and how long one took."""

    kind: str
    open_tasks: int
    clients: int
    batch: int
    cycles_per_s: float
    p50_ms: float
    p99_ms: float


async def measure(
    cycle: Callable[[int], Awaitable[int]], clients: int, seconds: float, at_most: int
) -> tuple[float, list[float]]:
    """Run `cycle(client)` in `clients` loops for so long or so many tasks; returns tasks a second, and ms a cycle."""
    times_ms: list[float] = []
    done = 0
    end_s = time.monotonic() + seconds

    async def loop(client: int) -> None:
        nonlocal done
        while time.monotonic() < end_s and done < at_most:
            began_s = time.perf_counter()
            served = await cycle(client)  # Not in one line: `done` would be read before the wait.
            done += served
            times_ms.append((time.perf_counter() - began_s) * 1000)

    began_s = time.monotonic()
    await asyncio.gather(*(loop(client) for client in range(clients)))
    return done / (time.monotonic() - began_s), times_ms


def figure(kind: str, open_tasks: int, clients: int, batch: int, measured: tuple[float, list[float]]) -> Figure:
    """The measurement in figures."""
    rate, times_ms = measured
    cuts = statistics.quantiles(times_ms, n=100)
    return Figure(
        kind=kind,
        open_tasks=open_tasks,
        clients=clients,
        batch=batch,
        cycles_per_s=round(rate, 1),
        p50_ms=round(cuts[49], 2),
        p99_ms=round(cuts[98], 2),
    )


@contextlib.asynccontextmanager
async def bare_queue(dsn: str, open_tasks: int, clients: int) -> AsyncIterator[Callable[[int], Awaitable[int]]]:
    """The least that a queue in PostgreSQL can do."""
    pool = await asyncpg.create_pool(dsn, min_size=clients, max_size=clients)
    await pool.execute(
        "CREATE TABLE bare (id bigint PRIMARY KEY, priority float8, state smallint, owner text) WITH (fillfactor = 70)"
    )
    await pool.execute("CREATE INDEX ON bare (priority DESC, id) WHERE state = 0")
    await pool.execute("INSERT INTO bare SELECT i, random(), 0, NULL FROM generate_series(1, $1::int) AS i", open_tasks)
    await pool.execute("VACUUM ANALYZE bare")
    connections = [await pool.acquire() for _ in range(clients)]

    async def cycle(client: int) -> int:
        connection = connections[client]
        claimed = await connection.fetchval(
            "UPDATE bare SET state = 1, owner = $1 WHERE id = ("
            "SELECT id FROM bare WHERE state = 0 ORDER BY priority DESC, id LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id",
            "ann",
        )
        await connection.execute("UPDATE bare SET state = 2, owner = NULL WHERE id = $1", claimed)
        return 1

    try:
        yield cycle
    finally:
        for connection in connections:
            await pool.release(connection)
        await pool.execute("DROP TABLE bare")
        await pool.close()


async def fill(queue: ReviewQueue, open_tasks: int) -> float:
    """Bring the queue to `open_tasks`; returns tasks taken in a second."""
    numbers = itertools.count(queue.next_offset)
    missing = open_tasks - int(str(await queue.scalar("SELECT count(*) FROM task WHERE state = 0")))
    began_s = time.monotonic()
    for start in range(0, missing, BATCH):
        size = min(BATCH, missing - start)
        batch = [
            task(f"r{number}", text="x" * PAYLOAD_CHARACTERS, priority=(number * 7919 % 10_007) / 10_007)
            for number in itertools.islice(numbers, size)
        ]
        await queue.feed(*batch)
    rate = missing / (time.monotonic() - began_s) if missing else 0.0
    await queue.database.fetch("ANALYZE task")
    return rate


@contextlib.asynccontextmanager
async def housekeeping(queue: ReviewQueue) -> AsyncIterator[None]:
    """What runs beside the desk in production, as far as the database is concerned."""

    async def publish() -> None:
        last = await queue.outbox.last_published()
        while True:
            rows = await queue.outbox.pending(last, BATCH)
            if rows:
                last = rows[-1].seq
                await queue.outbox.published(last)
            await asyncio.sleep(0.02)

    async def sweep() -> None:
        while True:
            await queue.leases.expire()
            await asyncio.sleep(1.0)

    tasks = [asyncio.create_task(publish()), asyncio.create_task(sweep())]
    try:
        yield
    finally:
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def desk_cycle(queue: ReviewQueue, batch: int) -> Callable[[int], Awaitable[int]]:
    """One person: fetch, answer."""
    ids = itertools.count()

    async def cycle(client: int) -> int:
        annotator = f"annotator-{client}"
        leased = await queue.desk.lease(annotator, project="mail", max_tasks=batch)
        answers = [
            Annotation(
                annotation_id=f"{next(ids)}-{each.lease.fencing_token}-{each.task.key.record_id}",
                lease_token=each.lease.lease_token,
                class_name="spam",
                think_time_ms=800,
            )
            for each in leased
        ]
        results = await queue.desk.submit(annotator, answers)
        if any(result.status is not AnnotationStatus.ACCEPTED for result in results):
            raise AssertionError(f"an answer was not accepted: {results}")
        return len(results)

    return cycle


async def run(arguments: argparse.Namespace, dsn: str) -> dict[str, object]:
    """All repeats; the median of each kind."""
    clients, seconds = arguments.clients, arguments.seconds
    figures: list[Figure] = []
    intake: list[float] = []
    for open_tasks in arguments.open:
        async with review_queue(dsn, pool_max=clients + 2) as queue:
            for _ in range(arguments.repeats):
                async with bare_queue(dsn, open_tasks, clients) as cycle:
                    figures.append(
                        figure(
                            "bare claim + close",
                            open_tasks,
                            clients,
                            1,
                            await measure(cycle, clients, seconds, open_tasks // 2),
                        )
                    )
                for batch in (1, 20):
                    intake.append(await fill(queue, open_tasks))
                    async with housekeeping(queue):
                        measured = await measure(desk_cycle(queue, batch), clients, seconds, open_tasks // 2)
                    figures.append(figure("desk lease + answer", open_tasks, clients, batch, measured))
                sys.stderr.write(f"{open_tasks:,} open: {figures[-2].cycles_per_s:,.0f} cycles/s\n")
    return {
        "postgres": str(await _version(dsn)),
        "seconds": seconds,
        "repeats": arguments.repeats,
        "intake_tasks_per_s": round(statistics.median(rate for rate in intake if rate), 0),
        "figures": [asdict(each) for each in medians(figures)],
        "all": [asdict(each) for each in figures],
    }


def medians(figures: list[Figure]) -> Iterator[Figure]:
    """The repeat with the median rate, of each kind."""
    groups: dict[tuple[str, int, int], list[Figure]] = {}
    for each in figures:
        groups.setdefault((each.kind, each.open_tasks, each.batch), []).append(each)
    for group in groups.values():
        yield sorted(group, key=lambda each: each.cycles_per_s)[len(group) // 2]


async def _version(dsn: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval("SHOW server_version")
    finally:
        await connection.close()


def table(report: dict[str, object]) -> str:
    """The medians for a reader, the desk as a share of the bare queue beside them."""
    rows = [Figure(**each) for each in report["figures"]]  # type: ignore[attr-defined]
    bare = {each.open_tasks: each.cycles_per_s for each in rows if each.kind.startswith("bare")}
    lines = [f"{'':22}{'open':>10}{'clients':>9}{'batch':>7}{'tasks/s':>10}{'p50 ms':>9}{'p99 ms':>9}{'of bare':>9}"]
    lines += [
        f"{each.kind:22}{each.open_tasks:>10,}{each.clients:>9}{each.batch:>7}{each.cycles_per_s:>10,.0f}"
        f"{each.p50_ms:>9.1f}{each.p99_ms:>9.1f}{each.cycles_per_s / bare[each.open_tasks]:>9.2f}"
        for each in rows
    ]
    lines.append(f"tasks taken in: {report['intake_tasks_per_s']:,.0f}/s, PostgreSQL {report['postgres']}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--json", type=Path, help="write the report there")
    parser.add_argument("--open", type=lambda text: [int(part) for part in text.split(",")], default=[10_000, 100_000])
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--dsn", help="an empty database; left out, an embedded PostgreSQL is started")
    arguments = parser.parse_args()
    with contextlib.ExitStack() as exits:
        dsn = arguments.dsn
        if dsn is None:
            folder = exits.enter_context(tempfile.TemporaryDirectory(prefix="streamlabel-bench-leases-"))
            dsn = exits.enter_context(EmbeddedServers(folder, ["postgres"])).postgres
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            report = runner.run(run(arguments, dsn))
    sys.stdout.write(table(report) + "\n")
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
