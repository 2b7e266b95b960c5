"""One input partition, exactly once, from its assignment to its revocation, whatever dies meanwhile.

closed ──start the producer (fences whoever held the partition, settles its transaction)──▶ read the committed
offset ──▶ read the history ──▶ make the handler ──▶ seek, resume: open ──any error──▶ abort, closed, back off
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from typing import Any

from streamlabel.errors import ConfigurationError, TransientError
from streamlabel.runtime.broker import FencedError, LaneProducer, MessageTooLargeError, Source
from streamlabel.runtime.handlers import LaneHandler
from streamlabel.runtime.health import Check
from streamlabel.runtime.inlet import Inlet
from streamlabel.runtime.messages import Message
from streamlabel.runtime.open_lane import LaneSetting, OpenLane
from streamlabel.runtime.tasks import pause, result_before
from streamlabel.runtime.transaction import Refusals

log = logging.getLogger(__name__)

_LARGEST_SHARED_BATCH_BYTES = 512 * 1024


class _ReopenError(Exception):
    """The lane must close and open again at once, for this reason."""


class Lane:
    """Owns one partition (a `streamlabel.runtime.intake.Worker`)."""

    def __init__(self, partition: int, source: Source, setting: LaneSetting, check: Check) -> None:
        self.partition = partition
        self._source = source
        self._setting = setting
        self._check = check
        self._inlet = Inlet(source, partition, setting.limits, setting.clock)
        self._refusals = Refusals()
        self._batch_bytes = _LARGEST_SHARED_BATCH_BYTES
        self._committed_offset: int | None = None
        self._failures = 0
        self._draining = asyncio.Event()
        self._lost_position: asyncio.Future[None] | None = None

    @property
    def backlog(self) -> int:
        """How many messages wait in the lane."""
        return self._inlet.backlog

    def offer(self, messages: Sequence[Message]) -> None:
        """Take what was polled; dropped unless the lane is open."""
        self._inlet.offer(messages)

    def reopen(self, reason: str) -> None:
        """Close, and open again at the committed offset."""
        if self._lost_position is not None and not self._lost_position.done():
            self._lost_position.set_exception(_ReopenError(reason))

    def drain(self) -> None:
        """Take nothing more; `run` ends when what is under way is committed."""
        self._draining.set()
        self._inlet.close()

    async def run(self) -> None:
        """Open, work, and open again after whatever went wrong; return when drained, raise only what must stop all."""
        try:
            while not self._draining.is_set():
                try:
                    await self._open_and_work()
                except FencedError as error:
                    # Lost, most likely, and the group will say so. If it does not, the partition is ours: take it back.
                    await self._closed("fenced", str(error), self._setting.fenced_pause_s)
                except _ReopenError as error:
                    await self._closed("position_lost", str(error), 0.0)
                except MessageTooLargeError as error:
                    if error.index is None:
                        self._batch_bytes = max(1, self._batch_bytes // 4)
                    await self._closed("too_large", str(error), 0.0)
                except TransientError as error:
                    self._failures += 1
                    delay_s = self._setting.backoff.delay_s(self._failures, at_least_s=error.retry_after_s)
                    await self._closed("transient", str(error), delay_s)
        finally:
            self._inlet.close()
            self._setting.metrics.forget(self.partition)
            self._check.close()

    async def _open_and_work(self) -> None:
        setting = self._setting
        producer = setting.broker.producer(
            f"{setting.group}.{setting.topic}.{self.partition}", batch_bytes=self._batch_bytes
        )
        try:
            opened = await result_before(self._open(producer), self._draining)
            if opened is None or self._draining.is_set():
                return
            handler, position = opened
            work = OpenLane(
                partition=self.partition,
                setting=setting,
                producer=producer,
                handler=handler,
                inlet=self._inlet,
                refusals=self._refusals,
                check=self._check,
                draining=self._draining,
                on_committed=self._committed,
            )
            self._lost_position = asyncio.get_running_loop().create_future()
            self._inlet.open(position)
            self._check.ok()
            await work.run(self._lost_position)
        finally:
            self._inlet.close()
            self._lost_position = None
            try:
                with contextlib.suppress(TransientError, FencedError):
                    await producer.abort()
            finally:
                await producer.stop()

    async def _open(self, producer: LaneProducer) -> tuple[LaneHandler, int]:
        setting = self._setting
        await producer.start()
        # Only now: the start has settled the transaction of whoever held the partition before.
        position = await self._start_position()
        history: Sequence[Message] = ()
        if setting.history_messages:
            history = await setting.broker.read_tail(setting.topic, self.partition, position, setting.history_messages)
        handler = await setting.factory.open(self.partition, history)
        log.info("lane open", extra={**self._context, "offset": position, "history": len(history)})
        return handler, position

    async def _start_position(self) -> int:
        topic, partition, own = self._setting.topic, self.partition, self._committed_offset
        committed = await self._source.committed(partition)
        if own is not None and (committed is None or committed < own):
            raise TransientError(
                f"the committed offset of {topic}[{partition}] reads {committed}, behind our own {own}"
            )
        first, end = await self._source.bounds(partition)
        if committed is None:
            return first
        if committed > end:
            raise ConfigurationError(
                f"group {self._setting.group} is at offset {committed} of {topic}[{partition}], which ends at {end}: "
                "the topic was truncated or made anew; reset the offsets of the group to go on"
            )
        if committed < first:
            log.error(
                "records were deleted by retention before they were handled",
                extra={**self._context, "first_lost": committed, "last_lost": first - 1},
            )
        return max(committed, first)

    def _committed(self, next_offset: int) -> None:
        self._committed_offset = next_offset
        self._failures = 0
        self._refusals.forget_below(next_offset)

    async def _closed(self, code: str, reason: str, pause_s: float) -> None:
        if self._draining.is_set():
            return
        log.warning(
            "lane closed, opens anew", extra={**self._context, "code": code, "reason": reason, "pause_s": pause_s}
        )
        self._check.failing(reason)
        self._setting.metrics.rebuilt(code)
        await pause(self._setting.clock, pause_s, self._draining)

    @property
    def _context(self) -> dict[str, Any]:
        return {"stage": self._setting.stage, "topic": self._setting.topic, "partition": self.partition}
