"""A stage of the pipeline: one topic in, any topics out, every record exactly once.

Each input partition is a lane with a transactional producer of its own, `<group>.<topic>.<partition>`: aiokafka knows no
KIP-447, so one producer per process could not fence a process that lost a partition and does not know it yet.
"""

from __future__ import annotations

from streamlabel.runtime.backoff import Backoff
from streamlabel.runtime.broker import Broker, Source
from streamlabel.runtime.clock import Clock, SystemClock
from streamlabel.runtime.handlers import LaneHandlerFactory, LaneLimits
from streamlabel.runtime.health import Health
from streamlabel.runtime.intake import Intake
from streamlabel.runtime.lane import Lane
from streamlabel.runtime.open_lane import LaneSetting
from streamlabel.runtime.stage_metrics import Instruments, StageMetrics


class ExactlyOnceStage:
    """Consumes `topic` as `group`; the outputs, the dead letters and the offset of a batch are one transaction.

    A component of a process: `run` returns after `stop`, which drains; it raises what a handler raises that is neither
    TransientError nor an outcome, and then nothing of that batch is committed. Kafka may be away at any time.
    """

    def __init__(
        self,
        *,
        name: str,
        topic: str,
        group: str,
        factory: LaneHandlerFactory,
        broker: Broker,
        metrics: Instruments,
        health: Health,
        limits: LaneLimits | None = None,
        history_messages: int = 0,
        clock: Clock | None = None,
        backoff: Backoff | None = None,
        drain_timeout_s: float = 8.0,
        fenced_pause_s: float = 5.0,
    ) -> None:
        self.name = name
        self._health = health
        self._setting = LaneSetting(
            stage=name,
            topic=topic,
            group=group,
            factory=factory,
            broker=broker,
            limits=limits or LaneLimits(),
            history_messages=history_messages,
            metrics=StageMetrics(metrics, name),
            clock=clock or SystemClock(),
            backoff=backoff or Backoff(),
            fenced_pause_s=fenced_pause_s,
        )
        self._intake = Intake(
            name=name,
            topic=topic,
            group=group,
            broker=broker,
            make_worker=self._make_lane,
            metrics=self._setting.metrics,
            health=health,
            clock=self._setting.clock,
            backoff=self._setting.backoff,
            drain_timeout_s=drain_timeout_s,
        )

    async def start(self) -> None:
        """Nothing to prepare: `run` waits for Kafka as long as it takes, and `Health` tells."""

    async def run(self) -> None:
        """Join the group and work until stopped."""
        await self._intake.run()

    async def stop(self) -> None:
        """Finish and commit what is under way (abort it after `drain_timeout_s`), leave the group."""
        await self._intake.stop()

    def _make_lane(self, partition: int, source: Source) -> Lane:
        return Lane(partition, source, self._setting, self._health.check(f"{self.name}[{partition}]"))
