"""The work of a lane while it is open: batches out to the handler, several at once; results in, committed in order.

Two tasks share it. The feeder cuts batches from the inlet and starts `handle` for each. The committer takes finished
batches from the front of the line and writes as many as are ready in one transaction: begin; all sends and the offset,
each awaited; commit. While a transaction is under way more batches finish, so a busy lane makes larger transactions and
an idle one waits for nobody.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from streamlabel.errors import TransientError
from streamlabel.runtime.backoff import Backoff
from streamlabel.runtime.broker import Broker, FencedError, LaneProducer, MessageTooLargeError
from streamlabel.runtime.clock import Clock
from streamlabel.runtime.handlers import LaneHandler, LaneHandlerFactory, LaneLimits
from streamlabel.runtime.headers import age_s
from streamlabel.runtime.health import Check
from streamlabel.runtime.inlet import Batch, Inlet
from streamlabel.runtime.messages import RawRecord
from streamlabel.runtime.stage_metrics import StageMetrics
from streamlabel.runtime.tasks import end, pause
from streamlabel.runtime.transaction import Destination, Finished, Refusals, Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneSetting:
    """What all lanes of a stage have in common."""

    stage: str
    topic: str
    group: str
    factory: LaneHandlerFactory
    broker: Broker
    limits: LaneLimits
    history_messages: int
    metrics: StageMetrics
    clock: Clock
    backoff: Backoff
    # Longer than a heartbeat: if the group has given the partition away, this member has heard of it by then.
    fenced_pause_s: float = 5.0


@dataclass(slots=True)
class _Load:
    """What is in the hands of a lane."""

    batches: int = 0
    rows: int = 0
    size_bytes: int = 0

    def add(self, batch: Batch) -> None:
        self.batches += 1
        self.rows += len(batch.messages)
        self.size_bytes += batch.size_bytes

    def remove(self, batch: Batch) -> None:
        self.batches -= 1
        self.rows -= len(batch.messages)
        self.size_bytes -= batch.size_bytes


class OpenLane:
    """Runs until drained or until something goes wrong; used once."""

    def __init__(
        self,
        *,
        partition: int,
        setting: LaneSetting,
        producer: LaneProducer,
        handler: LaneHandler,
        inlet: Inlet,
        refusals: Refusals,
        check: Check,
        draining: asyncio.Event,
        on_committed: Callable[[int], None],
    ) -> None:
        self._partition = partition
        self._setting = setting
        self._producer = producer
        self._handler = handler
        self._inlet = inlet
        self._refusals = refusals
        self._check = check
        self._draining = draining
        self._on_committed = on_committed
        self._flights: deque[asyncio.Task[Finished]] = deque()
        self._running = 0
        self._uncommitted = _Load()
        self._troubled = 0
        self._fed = False
        self._launched = asyncio.Event()
        self._landed = asyncio.Event()

    async def run(self, lost_position: asyncio.Future[None]) -> None:
        """Feed and commit; return when drained, raise what went wrong, or what `lost_position` raises."""
        feeder = asyncio.create_task(self._feed())
        committer = asyncio.create_task(self._commit())
        try:
            # The feeder ends only by draining or a defect, the committer only after the feeder or by a failure.
            await asyncio.wait({feeder, committer, lost_position}, return_when=asyncio.FIRST_COMPLETED)
            if feeder.done() and not feeder.cancelled() and feeder.exception() is None:
                await asyncio.wait({committer, lost_position}, return_when=asyncio.FIRST_COMPLETED)
            for ended in (committer, feeder, lost_position):
                if ended.done():
                    ended.result()
        finally:
            await end([feeder, committer, *self._flights])
            lost_position.cancel()
            self._setting.metrics.batches_ended(self._uncommitted.batches)

    async def _feed(self) -> None:
        try:
            while True:
                while self._is_full():
                    self._landed.clear()
                    await self._landed.wait()
                batch = await self._inlet.take(lambda: self._running == 0)
                if batch is None:  # Closed: the lane is draining.
                    return
                self._running += 1
                self._uncommitted.add(batch)
                self._setting.metrics.batch_started(len(batch.messages))
                self._flights.append(asyncio.create_task(self._handle(batch)))
                self._launched.set()
        finally:
            self._fed = True
            self._launched.set()

    def _is_full(self) -> bool:
        limits, load = self._setting.limits, self._uncommitted
        return (
            self._running >= limits.max_in_flight
            or load.rows >= limits.max_in_flight * limits.max_rows
            or load.size_bytes >= limits.max_in_flight * limits.max_bytes
        )

    async def _handle(self, batch: Batch) -> Finished:
        try:
            return await self._handle_until_it_succeeds(batch)
        finally:
            self._running -= 1
            self._landed.set()
            self._inlet.nudge()

    async def _handle_until_it_succeeds(self, batch: Batch) -> Finished:
        attempt = 0
        while True:
            attempt += 1
            try:
                outcomes = await self._handler.handle(batch.messages)
            except TransientError as error:
                self._troubled += attempt == 1
                await self._back_off(error, attempt)
                continue
            if len(outcomes) != len(batch.messages):
                raise RuntimeError(
                    f"the handler of {self._setting.stage} gave {len(outcomes)} outcomes for {len(batch.messages)} messages"
                )
            if attempt > 1:
                self._troubled -= 1
                if not self._troubled:
                    self._inlet.release()
                    self._check.ok()
            return Finished(batch=batch, outcomes=outcomes, attempt=attempt)

    async def _back_off(self, error: TransientError, attempt: int) -> None:
        """Pause the partition for a while; new batches start only when every one in trouble has succeeded."""
        if self._draining.is_set():
            raise error
        self._inlet.hold()
        self._check.failing(str(error))
        self._setting.metrics.retried()
        delay_s = self._setting.backoff.delay_s(attempt, at_least_s=error.retry_after_s)
        await pause(self._setting.clock, delay_s, self._draining)

    async def _commit(self) -> None:
        while True:
            while not self._flights:
                if self._fed:
                    return
                self._launched.clear()
                await self._launched.wait()
            # Left in line while it is awaited: whoever cancels the line must find it.
            await asyncio.shield(self._flights[0])
            await self._transact()

    async def _transact(self) -> None:
        setting, producer, clock = self._setting, self._producer, self._setting.clock
        began_s = clock.monotonic_s()
        try:
            # May wait a moment for the end of the transaction before; what finishes meanwhile goes along with this one.
            await producer.begin()
            finished = self._take_finished()
            plan = Transaction(finished, stage=setting.stage, group=setting.group, refusals=self._refusals)
            await _all_of([self._send(plan, to, records) for to, records in plan.records.items()])
            # Not beside the sends: the broker checks a transaction's first write to a partition with its coordinator,
            # which answers "busy" while it adds the offsets, and the write would be tried again after a pause.
            await producer.send_offsets(setting.group, {(setting.topic, self._partition): plan.next_offset})
            await producer.commit()
        except BaseException:
            setting.metrics.aborted()
            raise
        self._on_committed(plan.next_offset)
        for each in finished:
            self._uncommitted.remove(each.batch)
        self._landed.set()
        now_s = clock.monotonic_s()
        setting.metrics.committed(
            now_s - began_s, stage_s=now_s - plan.read_at_s, end_to_end_s=age_s(plan.first.headers, clock.now_ms())
        )
        setting.metrics.batches_ended(len(finished))
        for reason, count in plan.dead.items():
            setting.metrics.dead_letter(reason, count)

    def _take_finished(self) -> list[Finished]:
        """The batches at the front of the line that are done; one that failed stays there, and is found when it leads."""
        finished = []
        while self._flights and self._flights[0].done() and self._flights[0].exception() is None:
            finished.append(self._flights.popleft().result())
        return finished

    async def _send(self, plan: Transaction, to: Destination, records: Sequence[RawRecord]) -> None:
        try:
            await self._producer.send(*to, records)
        except MessageTooLargeError as error:
            if error.index is not None:
                plan.blame(to, error.index)
            raise


async def _all_of(coroutines: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Run them at once and wait for every one; the first failure ends the others, and the most telling one is raised."""
    if len(coroutines) < 2:
        for coroutine in coroutines:
            await coroutine
        return
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        await end(tasks)
    errors = [error for task in tasks if not task.cancelled() and (error := task.exception()) is not None]
    for telling in (MessageTooLargeError, FencedError, BaseException):
        for error in errors:
            if isinstance(error, telling):
                raise error
