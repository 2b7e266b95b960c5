"""The pieces of a running pipeline that integration tests share: topics, messages in, messages out, a service as a process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

from streamlabel.core.project import Project
from streamlabel.runtime.broker import Broker
from streamlabel.runtime.kafka import KafkaBroker, KafkaConnection
from streamlabel.runtime.kafka_admin import KafkaTopicAdmin
from streamlabel.runtime.messages import Message, RawRecord
from streamlabel.wire import projects
from streamlabel.wire.flow import PROJECTS, Names
from streamlabel.wire.topics import TopicPlan, apply_topics

ONE_NODE = TopicPlan(partitions=2, replication_factor=1, min_insync_replicas=1)


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Topics of one test on a real broker."""

    broker: Broker
    names: Names

    @classmethod
    async def create(cls, kafka: str, topic_prefix: str, plan: TopicPlan = ONE_NODE) -> Pipeline:
        """All topics of the flow, fresh."""
        connection = KafkaConnection(bootstrap_servers=kafka, client_id="test")
        names = Names(topic_prefix)
        await apply_topics(KafkaTopicAdmin(connection), names, plan)
        return cls(KafkaBroker(connection), names)

    async def write(self, topic: str, partition: int, records: Sequence[RawRecord]) -> None:
        """Writes records and waits until they are acknowledged."""
        appender = self.broker.appender()
        await appender.start()
        try:
            await appender.send(topic, partition, records)
        finally:
            await appender.stop()

    async def apply_project(self, project: Project) -> None:
        """Publishes a project, as `streamlabel project apply` does."""
        await self.write(
            self.names.topic(PROJECTS), 0, [(projects.project_key(project.name), projects.encode(project), ())]
        )

    async def read(self, topic: str, count: int, timeout_s: float = 30.0, linger_s: float = 0.5) -> list[Message]:
        """At least `count` committed messages of a topic, and whatever else arrives within `linger_s` after them."""
        reader = self.broker.reader(topic)
        found: list[Message] = []
        try:
            async with asyncio.timeout(timeout_s):
                await reader.start()
                while len(found) < count:
                    found += await reader.poll(0.2)
            found += await reader.poll(linger_s)
        except TimeoutError:
            raise AssertionError(f"{len(found)} of {count} messages on {topic} after {timeout_s} s") from None
        finally:
            await reader.stop()
        return found


# Who may come to review is the question of few tests: the others find it open, on whatever address it listens.
OPEN_REVIEW = {"STREAMLABEL_REVIEW_ACCESS": "open", "STREAMLABEL_REVIEW_OPEN_TO_NETWORK": "true"}


@contextlib.asynccontextmanager
async def service(name: str, environment: Mapping[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """`python -m streamlabel.<name>` as it runs in production; stopped by SIGTERM, which must end it well."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        f"streamlabel.{name}",
        env={**os.environ, "STREAMLABEL_LOG_FORMAT": "text", **OPEN_REVIEW, **environment},
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(20):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
                raise AssertionError(f"{name} did not stop within 20 s of SIGTERM") from None
            assert process.returncode == 0, f"{name} ended with {process.returncode}"
