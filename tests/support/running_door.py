"""The ingest service as a process beside a real Kafka, and what tests ask of it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field

import aiohttp

from streamlabel.local.ports import choose
from streamlabel.runtime.messages import Message
from streamlabel.wire import records
from streamlabel.wire.flow import RECORDS
from support.pipeline import Pipeline


@dataclass(slots=True, kw_only=True)
class RunningDoor:
    """One ingest process at a time, always on the same ports."""

    pipeline: Pipeline
    environment: Mapping[str, str]
    grpc_port: int
    http_port: int
    process: asyncio.subprocess.Process | None = None
    ended: list[int] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.grpc_port}"

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.http_port}{path}"

    async def start(self, *, wait: bool = True) -> None:
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "streamlabel.ingest", env={**os.environ, **self.environment}
        )
        if wait:
            await self.until_ready()

    async def until_ready(self, timeout_s: float = 30.0) -> None:
        async with asyncio.timeout(timeout_s):
            while (await self.readiness())[0] != 200:
                await asyncio.sleep(0.05)

    async def readiness(self) -> tuple[int, Mapping[str, str]]:
        """Status and reasons of /readyz; 0 while nobody listens."""
        with contextlib.suppress(aiohttp.ClientConnectionError):
            async with aiohttp.ClientSession() as session, session.get(self.url("/readyz")) as answer:
                return answer.status, (await answer.json())["reasons"]
        return 0, {}

    async def metrics(self) -> str:
        async with aiohttp.ClientSession() as session, session.get(self.url("/metrics")) as answer:
            return await answer.text()

    async def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        await self.process.wait()
        self.process = None

    async def terminate(self) -> int:
        """SIGTERM; the exit code."""
        assert self.process is not None
        process, self.process = self.process, None
        process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(30):
                return await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def written(self, count: int, timeout_s: float = 30.0) -> list[Message]:
        """At least `count` messages of topic `records`."""
        return await self.pipeline.read(self.pipeline.names.topic(RECORDS), count, timeout_s)


@contextlib.asynccontextmanager
async def running_door(
    pipeline: Pipeline, kafka: str, *, start: bool = True, **settings: object
) -> AsyncIterator[RunningDoor]:
    """A door on ports of its own; `settings` are keys without their prefix, in lower case. Must end well."""
    taken: set[int] = set()
    grpc_port = choose(taken)
    taken.add(grpc_port)
    http_port = choose(taken)
    values = {
        "kafka_bootstrap_servers": kafka,
        "kafka_topic_prefix": pipeline.names.prefix,
        # The shortest that Kafka takes by default: what was killed holds its partitions for so long.
        "kafka_session_timeout_s": 6,
        "grpc_host": "127.0.0.1",
        "grpc_port": grpc_port,
        "http_host": "127.0.0.1",
        "http_port": http_port,
        "log_format": "text",
        "log_level": "warning",
        **settings,
    }
    environment = {f"STREAMLABEL_{name.upper()}": str(value) for name, value in values.items()}
    door = RunningDoor(pipeline=pipeline, environment=environment, grpc_port=grpc_port, http_port=http_port)
    try:
        if start:
            await door.start()
        yield door
        if door.process is not None:
            assert await door.terminate() == 0
    finally:
        if door.process is not None:  # Something failed before: that is what shall be told.
            await door.kill()


def ids(messages: Iterable[Message]) -> list[str]:
    """The record ids of messages, in their order."""
    return [records.decode(message.value).key.record_id for message in messages]
