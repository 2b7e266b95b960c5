"""A process with one exactly-once stage that copies, to be killed by tests.

`python lane_process.py BOOTSTRAP INPUT OUTPUT GROUP`; SIGTERM ends it in the proper way.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Sequence

from prometheus_client import CollectorRegistry

from streamlabel.errors import InvalidMessageError
from streamlabel.runtime.backoff import Backoff
from streamlabel.runtime.handlers import LaneHandler, LaneLimits
from streamlabel.runtime.health import Health
from streamlabel.runtime.kafka import KafkaBroker, KafkaConnection
from streamlabel.runtime.messages import Emit, Message, Outcome
from streamlabel.runtime.metrics import Metrics
from streamlabel.runtime.stream import ExactlyOnceStage


class Copies:
    """Copies every message to one topic; what reads `poison` goes to the dead letters."""

    def __init__(self, topic: str) -> None:
        self._topic = topic

    async def open(self, partition: int, history: Sequence[Message]) -> LaneHandler:
        return self

    async def handle(self, batch: Sequence[Message]) -> Sequence[Outcome]:
        await asyncio.sleep(0.005)
        return [
            InvalidMessageError("POISON", "as asked")
            if message.value == b"poison"
            else [Emit(topic=self._topic, key=message.key, value=message.value)]
            for message in batch
        ]


def copying_stage(connection: KafkaConnection, source: str, target: str, group: str) -> ExactlyOnceStage:
    return ExactlyOnceStage(
        name="copy",
        topic=source,
        group=group,
        factory=Copies(target),
        broker=KafkaBroker(connection),
        metrics=Metrics("inference", CollectorRegistry()),
        health=Health(),
        limits=LaneLimits(max_rows=50),
        backoff=Backoff(base_s=0.05, cap_s=1.0),
        fenced_pause_s=3.0,
    )


async def main(bootstrap_servers: str, source: str, target: str, group: str) -> None:
    connection = KafkaConnection(
        bootstrap_servers=bootstrap_servers,
        session_timeout_s=6.0,
        rebalance_timeout_s=10.0,
        transaction_timeout_s=10.0,
        request_timeout_s=5.0,
    )
    stage = copying_stage(connection, source, target, group)
    running = asyncio.create_task(stage.run())
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    waiting = asyncio.create_task(stopped.wait())
    await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    await stage.stop()
    await running


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:5]))
