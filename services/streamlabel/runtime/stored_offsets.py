"""A consumer whose effects and offsets live in one database transaction; the group only deals the partitions.

    assigned ──read the offsets from the sink──▶ seek ──▶ apply batch after batch, each with the offset that the sink
    must still hold ──StaleOffsetError──▶ somebody else was there: read the offset again

    offset gone, or of another log ──tell the sink, which moves it──▶ seek

Kafka's own committed offset is kept up for lag monitors and never read. Invalid messages are the sink's to store, as
dead letters in its outbox (see `OffsetSink.apply`): they leave the database the way everything leaves it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from streamlabel.errors import TransientError
from streamlabel.runtime.backoff import Backoff
from streamlabel.runtime.broker import Broker, Source
from streamlabel.runtime.clock import Clock, SystemClock
from streamlabel.runtime.handlers import Cause, LaneLimits, Loss, OffsetSink, StaleOffsetError, StoredOffset
from streamlabel.runtime.headers import age_s
from streamlabel.runtime.health import Check, Health
from streamlabel.runtime.inlet import Batch, Inlet
from streamlabel.runtime.intake import Intake
from streamlabel.runtime.log_mark import is_of_another_log
from streamlabel.runtime.messages import Message
from streamlabel.runtime.stage_metrics import Instruments, StageMetrics
from streamlabel.runtime.tasks import pause, result_before

log = logging.getLogger(__name__)

_TELL_GROUP_PERIOD_S = 1.0
_TELL_LOSS_PERIOD_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Setting:
    stage: str
    topic: str
    sink: OffsetSink
    limits: LaneLimits
    metrics: StageMetrics
    clock: Clock
    backoff: Backoff
    stale_pause_s: float
    broker: Broker
    look_again_s: float
    applying: set[int] = field(default_factory=set)


class StoredOffsetConsumer:
    """Consumes `topic` as `group` into `sink`; a component of a process. Kafka and the database may be away at any time.

    Batches of one partition are applied one after the other. `run` raises what the sink raises that is neither
    TransientError nor StaleOffsetError.
    """

    def __init__(
        self,
        *,
        name: str,
        topic: str,
        group: str,
        sink: OffsetSink,
        broker: Broker,
        metrics: Instruments,
        health: Health,
        limits: LaneLimits | None = None,
        clock: Clock | None = None,
        backoff: Backoff | None = None,
        drain_timeout_s: float = 8.0,
        stale_pause_s: float = 1.0,
        look_again_s: float = 2.0,
    ) -> None:
        self.name = name
        self._health = health
        self._setting = _Setting(
            stage=name,
            topic=topic,
            sink=sink,
            limits=limits or LaneLimits(),
            metrics=StageMetrics(metrics, name),
            clock=clock or SystemClock(),
            backoff=backoff or Backoff(),
            stale_pause_s=stale_pause_s,
            broker=broker,
            look_again_s=look_again_s,
        )
        self._intake = Intake(
            name=name,
            topic=topic,
            group=group,
            broker=broker,
            make_worker=self._make_partition,
            metrics=self._setting.metrics,
            health=health,
            clock=self._setting.clock,
            backoff=self._setting.backoff,
            drain_timeout_s=drain_timeout_s,
        )

    async def start(self) -> None:
        """Nothing to prepare: `run` waits for Kafka and the database as long as it takes, and `Health` tells."""

    async def run(self) -> None:
        """Join the group and apply until stopped."""
        await self._intake.run()

    async def stop(self) -> None:
        """Finish the batch in hand, leave the group."""
        await self._intake.stop()

    async def caught_up(self) -> Mapping[int, bool]:
        """For each partition of this member: whether everything is applied that could be read when this was called.

        Raises TransientError while nobody can tell.
        """
        # In this order: what is read meanwhile is then counted as under way.
        unread = await self._intake.unread()
        return {partition: not waits and partition not in self._setting.applying for partition, waits in unread.items()}

    def _make_partition(self, partition: int, source: Source) -> _StoredPartition:
        return _StoredPartition(partition, source, self._setting, self._health.check(f"{self.name}[{partition}]"))


class _StoredPartition:
    """One partition from assignment to revocation (a `streamlabel.runtime.intake.Worker`)."""

    def __init__(self, partition: int, source: Source, setting: _Setting, check: Check) -> None:
        self._partition = partition
        self._source = source
        self._setting = setting
        self._check = check
        self._inlet = Inlet(source, partition, setting.limits, setting.clock)
        self._draining = asyncio.Event()
        self._told_group_at_s = 0.0
        self._failures = 0
        # What was lost here, for as long as this process reads the partition.
        self._warning: str | None = None
        self._told_at_s = float("-inf")

    @property
    def backlog(self) -> int:
        """How many messages wait."""
        return self._inlet.backlog

    def offer(self, messages: Sequence[Message]) -> None:
        """Take what was polled; dropped unless open."""
        self._inlet.offer(messages)

    def reopen(self, reason: str) -> None:
        """The position is gone: begin again at what the sink says, or at what still exists."""
        if self._may_tell():
            log.warning("position lost", extra={**self._context, "reason": reason})
        self._inlet.close()

    def drain(self) -> None:
        """Take nothing more; `run` ends after the batch in hand."""
        self._draining.set()
        self._inlet.close()

    async def run(self) -> None:
        """Open, apply, and open again after whatever went wrong."""
        try:
            while not self._draining.is_set():
                try:
                    await self._open_and_apply()
                except StaleOffsetError as error:
                    # The group will tell if the partition is lost; until it has, the new owner may go ahead.
                    await self._closed("fenced", str(error), self._setting.stale_pause_s)
                except TransientError as error:
                    self._failures += 1
                    delay_s = self._setting.backoff.delay_s(self._failures, at_least_s=error.retry_after_s)
                    await self._closed("transient", str(error), delay_s)
        finally:
            self._inlet.close()
            self._setting.metrics.forget(self._partition)
            self._check.close()

    async def _open_and_apply(self) -> None:
        opened = await result_before(self._position(), self._draining)
        if opened is None or self._draining.is_set():
            return
        stored, position = opened
        log.info("partition open", extra={**self._context, "offset": position})
        self._inlet.open(position)
        self._check.ok(self._warning)
        expected = stored
        while (batch := await self._inlet.take(lambda: True)) is not None:
            expected = await self._apply(batch, expected)
            await self._tell_group(expected)

    async def _position(self) -> tuple[int | None, int]:
        """The sink's offset, and where to read from: it may never have been stored, or be gone."""
        partition = self._partition
        stored = (await self._setting.sink.offsets([partition])).get(partition)
        first, end = await self._source.bounds(partition)
        if stored is None:
            return None, first
        if stored.next_offset > end:
            # Who leads a partition since a moment ago may not know its end yet.
            await pause(self._setting.clock, self._setting.look_again_s, self._draining)
            first, end = await self._source.bounds(partition)
        cause = await self._cause_of_loss(stored, first, end)
        if cause is None:
            return stored.next_offset, stored.next_offset
        loss = Loss(
            topic=self._setting.topic,
            partition=partition,
            cause=cause,
            stored_offset=stored.next_offset,
            goes_on_at=first,
        )
        advice = await self._setting.sink.lost(loss)
        self._tell(loss, advice)
        return first, first

    async def _cause_of_loss(self, stored: StoredOffset, first: int, end: int) -> Cause | None:
        """Why messages are gone that were not applied; None: none are."""
        offset = stored.next_offset
        if offset > end:
            return Cause.ANOTHER_LOG
        if offset < first:
            return Cause.RETENTION
        if stored.mark and offset > first:
            tail = await self._setting.broker.read_tail(self._setting.topic, self._partition, offset, 1)
            if is_of_another_log(stored.mark, offset, tail[-1] if tail else None):
                return Cause.ANOTHER_LOG
        return None

    def _tell(self, loss: Loss, advice: str) -> None:
        self._setting.metrics.lost(loss.cause.value)
        self._warning = f"{loss}; {advice}"
        if self._may_tell():
            log.error("messages are lost: %s", self._warning, extra=self._context)

    def _may_tell(self) -> bool:
        """Whether it is a minute since something of this kind was logged."""
        now_s = self._setting.clock.monotonic_s()
        if now_s - self._told_at_s < _TELL_LOSS_PERIOD_S:
            return False
        self._told_at_s = now_s
        return True

    async def _apply(self, batch: Batch, expected: int | None) -> int:
        """Apply until it succeeds, while the partition is ours; the sink's new offset."""
        setting, clock = self._setting, self._setting.clock
        next_offset = batch.messages[-1].offset + 1
        began_s = clock.monotonic_s()
        setting.metrics.batch_started(len(batch.messages))
        setting.applying.add(self._partition)
        try:
            await setting.sink.apply(self._partition, batch.messages, expected, next_offset)
        except BaseException:
            setting.metrics.aborted()
            raise
        finally:
            setting.applying.discard(self._partition)
            setting.metrics.batches_ended(1)
        self._failures = 0
        now_s = clock.monotonic_s()
        setting.metrics.committed(
            now_s - began_s,
            stage_s=now_s - batch.read_at_s,
            end_to_end_s=age_s(batch.messages[0].headers, clock.now_ms()),
        )
        return next_offset

    async def _closed(self, code: str, reason: str, pause_s: float) -> None:
        if self._draining.is_set():
            return
        log.warning(
            "partition closed, opens anew", extra={**self._context, "code": code, "reason": reason, "pause_s": pause_s}
        )
        self._inlet.close()
        self._check.failing(reason)
        if code == "transient":
            self._setting.metrics.retried()
        else:
            self._setting.metrics.rebuilt(code)
        await pause(self._setting.clock, pause_s, self._draining)

    async def _tell_group(self, next_offset: int) -> None:
        """Information for lag monitors: not worth a round trip for every batch under load, nor a failure."""
        now_s = self._setting.clock.monotonic_s()
        if self._inlet.backlog and now_s - self._told_group_at_s < _TELL_GROUP_PERIOD_S:
            return
        self._told_group_at_s = now_s
        try:
            await self._source.commit({self._partition: next_offset})
        except TransientError as error:
            log.debug("offset for monitors not committed", extra={**self._context, "reason": str(error)})

    @property
    def _context(self) -> dict[str, Any]:
        return {"stage": self._setting.stage, "topic": self._setting.topic, "partition": self._partition}
