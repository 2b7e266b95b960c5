"""Processes are killed, stopped and awakened, brokers die: a reader of committed records finds each id exactly once."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from streamlabel.local.servers import EmbeddedServers
from streamlabel.runtime.dead_letter import dead_letter_topic
from streamlabel.runtime.kafka import KafkaBroker, KafkaConnection
from streamlabel.runtime.messages import Message
from support import lane_process
from support.contract_of_broker import record
from support.kafka_topics import kafka_connection, make_topic

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

PARTITIONS = 4


class Pipe:
    """An input and an output topic, a group, and processes that copy from the one to the other."""

    def __init__(self, connection: KafkaConnection, source: str, target: str) -> None:
        self.connection = connection
        self.source = source
        self.target = target
        self.group = f"{source}-copy"
        self.broker = KafkaBroker(connection)
        self.processes: list[asyncio.subprocess.Process] = []
        self.sent = 0

    async def fill(self, count: int, *, rate_per_s: float = 0.0) -> None:
        """Write ids, spread over the partitions in turn; in one go or at a rate."""
        appender = self.broker.appender()
        await appender.start()
        chunk = 200 if rate_per_s else count
        for first in range(self.sent, self.sent + count, chunk):
            ids = range(first, min(first + chunk, self.sent + count))
            for partition in range(PARTITIONS):
                own = [record(b"%d" % number, b"%d" % number) for number in ids if number % PARTITIONS == partition]
                await appender.send(self.source, partition, own)
            if rate_per_s:
                await asyncio.sleep(chunk / rate_per_s)
        self.sent += count
        await appender.stop()

    async def spawn(self) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            lane_process.__file__,
            self.connection.bootstrap_servers,
            self.source,
            self.target,
            self.group,
            cwd=Path(__file__).parent,
        )
        self.processes.append(process)
        return process

    async def read_all(self, topic: str | None = None) -> list[Message]:
        """Everything committed in a topic."""
        reader = self.broker.reader(topic or self.target)
        await reader.start()
        found: list[Message] = []
        try:
            while await reader.missing():
                found += await reader.poll(0.2)
        finally:
            await reader.stop()
        return found

    async def until_copied(self, *, timeout_s: float = 90.0) -> list[Message]:
        """Wait until as many distinct ids are out as went in, then a little for doubles to show themselves."""
        async with asyncio.timeout(timeout_s):
            while len({message.value for message in await self.read_all()}) < self.sent:
                await asyncio.sleep(0.3)
        await asyncio.sleep(1.0)
        return await self.read_all()

    async def assert_each_once(self) -> None:
        found = await self.until_copied()
        counts = Counter(int(message.value) for message in found)
        assert {number for number, count in counts.items() if count > 1} == set(), "doubled"
        assert set(range(self.sent)) - set(counts) == set(), "lost"
        for partition in range(PARTITIONS):
            own = [int(message.value) for message in found if message.partition == partition]
            assert own == sorted(own), "out of order"
            assert all(number % PARTITIONS == partition for number in own)


@contextlib.asynccontextmanager
async def piping(bootstrap_servers: str, prefix: str) -> AsyncIterator[Pipe]:
    connection = kafka_connection(bootstrap_servers)
    source = await make_topic(connection, f"{prefix}-in", PARTITIONS)
    target = await make_topic(connection, f"{prefix}-out", PARTITIONS)
    pipe = Pipe(connection, source, target)
    try:
        yield pipe
    finally:
        for process in pipe.processes:
            if process.returncode is None:
                process.kill()
            await process.wait()


@pytest.fixture
async def pipe(kafka: str, topic_prefix: str) -> AsyncIterator[Pipe]:
    async with piping(kafka, topic_prefix) as pipe:
        yield pipe


async def test_kill_9_again_and_again(pipe: Pipe) -> None:
    dice = random.Random(11)
    filling = asyncio.create_task(pipe.fill(20_000, rate_per_s=1_500))
    for _ in range(5):
        process = await pipe.spawn()
        await asyncio.sleep(1.0 + dice.random())
        process.kill()
        await process.wait()
    await pipe.spawn()
    await filling
    await pipe.assert_each_once()


async def test_members_come_and_go(pipe: Pipe) -> None:
    dice = random.Random(5)
    filling = asyncio.create_task(pipe.fill(20_000, rate_per_s=1_500))
    await pipe.spawn()
    await pipe.spawn()
    for step in range(4):
        await asyncio.sleep(1.5 + dice.random())
        leaving = next(process for process in pipe.processes if process.returncode is None)
        if step % 2:
            leaving.kill()
        else:
            leaving.terminate()
        await leaving.wait()
        if not step % 2:
            assert leaving.returncode == 0, "SIGTERM is a clean end"
        await pipe.spawn()
    await filling
    await pipe.assert_each_once()


async def test_a_process_that_was_asleep_longer_than_its_session(pipe: Pipe) -> None:
    """SIGSTOP in mid-run, long enough to lose every partition; then it wakes up beside the new owner."""
    filling = asyncio.create_task(pipe.fill(20_000, rate_per_s=1_000))
    sleeper = await pipe.spawn()
    await asyncio.sleep(2.5)
    os.kill(sleeper.pid, signal.SIGSTOP)
    await pipe.spawn()
    await asyncio.sleep(8.0)
    os.kill(sleeper.pid, signal.SIGCONT)
    await asyncio.sleep(3.0)
    assert sleeper.returncode is None
    await filling
    await pipe.assert_each_once()


async def test_poison_is_set_aside_once_across_kills(pipe: Pipe) -> None:
    dead = dead_letter_topic(pipe.source, pipe.group)
    await make_topic(pipe.connection, dead, PARTITIONS, name=dead)
    appender = pipe.broker.appender()
    await appender.start()
    await appender.send(pipe.source, 0, [record(b"poison") for _ in range(50)])
    await appender.stop()
    await pipe.fill(4_000)
    for _ in range(3):
        process = await pipe.spawn()
        await asyncio.sleep(1.2)
        process.kill()
        await process.wait()
    await pipe.spawn()
    await pipe.assert_each_once()
    letters = await pipe.read_all(dead)
    offsets = [dict(message.headers)["dead-letter-offset"] for message in letters]
    assert sorted(map(int, offsets)) == list(range(50))
    assert {(message.value, message.partition) for message in letters} == {(b"poison", 0)}


async def test_the_broker_dies_and_comes_back(own_servers: Callable[..., EmbeddedServers], topic_prefix: str) -> None:
    servers = own_servers("kafka")  # On this thread, which blocks: what has to go on meanwhile is another process.
    async with piping(servers.kafka, topic_prefix) as pipe:
        await pipe.fill(4_000)
        process = await pipe.spawn()
        await asyncio.sleep(1.5)
        servers.kill("kafka")
        await asyncio.sleep(2.0)
        servers.restart("kafka")
        await pipe.fill(4_000)
        await pipe.assert_each_once()
        assert process.returncode is None, "an outage is no reason to end"
        servers.kill("kafka")
        await asyncio.sleep(1.0)
        process.terminate()
        async with asyncio.timeout(25):
            assert await process.wait() == 0, "nor is it a reason not to end when told to"
