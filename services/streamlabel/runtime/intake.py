"""The loop that polls: one member of a group, one worker per partition it was given, and their orderly coming and going."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from typing import Any, Protocol

from streamlabel.errors import TransientError
from streamlabel.runtime.backoff import Backoff
from streamlabel.runtime.broker import Broker, OffsetGoneError, Source
from streamlabel.runtime.clock import Clock
from streamlabel.runtime.health import Health
from streamlabel.runtime.messages import Message
from streamlabel.runtime.stage_metrics import StageMetrics
from streamlabel.runtime.tasks import end, pause

log = logging.getLogger(__name__)

_POLL_S = 0.5
_LAG_PERIOD_S = 2.0
_CLEANUP_S = 12.0


class Worker(Protocol):
    """Owns one partition from assignment to revocation."""

    @property
    def backlog(self) -> int:
        """How many messages wait in it."""

    def offer(self, messages: Sequence[Message]) -> None:
        """Take what was polled, or drop it if not open; never wait."""

    def reopen(self, reason: str) -> None:
        """The position is gone: find another one."""

    def drain(self) -> None:
        """Take nothing more and finish what is under way; `run` returns then."""

    async def run(self) -> None:
        """Work until drained; what it raises stops the process."""


class Intake:
    """Joins the group, keeps polling, and joins again after whatever Kafka does; ends when stopped or a worker fails."""

    def __init__(
        self,
        *,
        name: str,
        topic: str,
        group: str,
        broker: Broker,
        make_worker: Callable[[int, Source], Worker],
        metrics: StageMetrics,
        health: Health,
        clock: Clock,
        backoff: Backoff,
        drain_timeout_s: float,
    ) -> None:
        self._name = name
        self._topic = topic
        self._group = group
        self._broker = broker
        self._make_worker = make_worker
        self._metrics = metrics
        self._check = health.check(name)
        self._clock = clock
        self._backoff = backoff
        self._drain_timeout_s = drain_timeout_s
        self._source: Source | None = None
        self._workers: dict[int, tuple[Worker, asyncio.Task[None]]] = {}
        self._stopping = asyncio.Event()
        self._ended = asyncio.Event()
        self._failure: asyncio.Future[None] | None = None
        self._failed_joins = 0

    async def run(self) -> None:
        """Until `stop`; raises what a worker raises."""
        self._failure = asyncio.get_running_loop().create_future()
        try:
            while not self._stopping.is_set():
                try:
                    await self._serve()
                except TransientError as error:
                    self._failed_joins += 1
                    self._check.failing(str(error))
                    delay_s = self._backoff.delay_s(self._failed_joins, at_least_s=error.retry_after_s)
                    log.warning(
                        "cannot read the topic, will try again",
                        extra={"stage": self._name, "topic": self._topic, "reason": str(error), "pause_s": delay_s},
                    )
                    await pause(self._clock, delay_s, self._stopping)
        finally:
            self._failure.cancel()
            self._check.close()
            self._ended.set()

    async def stop(self) -> None:
        """Drain what is under way, leave the group; returns when `run` has ended."""
        self._stopping.set()
        if self._failure is not None:
            await self._ended.wait()

    async def unread(self) -> Mapping[int, bool]:
        """For each partition of this member, asked of the brokers now: whether there is anything that its worker did not get.

        Raises TransientError while nobody can tell.
        """
        source = self._source
        if source is None:
            raise TransientError(f"{self._name} is in no group now")
        found: dict[int, bool] = {}
        for partition, (worker, _) in list(self._workers.items()):
            _, end = await source.bounds(partition)
            position = await source.position(partition)
            # Beyond its end lies who reads a log that was made anew meanwhile.
            found[partition] = position != end or worker.backlog > 0
        return found

    async def assigned(self, partitions: Collection[int]) -> None:
        """Give every partition its worker (an AssignmentListener)."""
        log.info(
            "partitions assigned", extra={"stage": self._name, "topic": self._topic, "partitions": list(partitions)}
        )
        self._metrics.rebalanced()
        if self._source is None:  # This member is on its way out.
            return
        for partition in partitions:
            if partition not in self._workers:
                worker = self._make_worker(partition, self._source)
                task = asyncio.create_task(worker.run(), name=f"{self._name}[{partition}]")
                task.add_done_callback(self._worker_ended)
                self._workers[partition] = (worker, task)
        self._failed_joins = 0
        self._check.ok()

    async def revoked(self, partitions: Collection[int]) -> None:
        """Drain the workers of these partitions, abort what does not end in time (an AssignmentListener)."""
        leaving = [self._workers.pop(partition) for partition in partitions if partition in self._workers]
        tasks = [task for _, task in leaving]
        for worker, _ in leaving:
            worker.drain()
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=self._drain_timeout_s)
        for task in late:
            task.cancel()
        if late:
            log.warning("lanes aborted, they did not drain in time", extra={"stage": self._name, "lanes": len(late)})
            await asyncio.wait(late, timeout=_CLEANUP_S)

    async def _serve(self) -> None:
        source = self._source = self._broker.source(self._topic, self._group)
        try:
            await self._first_of(source.start(self))
            if not self._stopping.is_set():
                await self._first_of(self._pump(source))
        except asyncio.CancelledError:
            for _, task in self._workers.values():
                task.cancel()  # Whoever cancels has no time for a drain.
            raise
        finally:
            self._source = None
            try:
                await self.revoked(list(self._workers))
            finally:
                await source.stop()

    async def _pump(self, source: Source) -> None:
        next_lag_s = 0.0
        while True:
            try:
                polled = await source.poll(_POLL_S)
            except OffsetGoneError as error:
                if error.partition in self._workers:
                    self._workers[error.partition][0].reopen(str(error))
                continue
            for partition, messages in polled.items():
                if partition in self._workers:
                    self._workers[partition][0].offer(messages)
            if self._clock.monotonic_s() >= next_lag_s:
                next_lag_s = self._clock.monotonic_s() + _LAG_PERIOD_S
                await self._tell_lag(source)

    async def _tell_lag(self, source: Source) -> None:
        for partition, (worker, _) in list(self._workers.items()):
            unread = await source.lag(partition)
            if unread is not None and partition in self._workers:
                self._metrics.lag(partition, unread + worker.backlog)

    def _worker_ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None and self._failure is not None and not self._failure.done():
            self._failure.set_exception(error)

    async def _first_of(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` until it ends, `stop` is called or a worker fails; raises what it or the worker raises."""
        assert self._failure is not None
        task = asyncio.create_task(work)
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            waiting: set[asyncio.Future[Any]] = {task, stopping, self._failure}
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if self._failure.done():
                self._failure.result()
            if task.done():
                task.result()
        finally:
            await end([task, stopping])
