"""From a database to Kafka, each row exactly once: the sequence of what is out is committed with the rows themselves.

The publisher's transaction carries the rows and, as the offset of a consumer group made for it, the sequence of the last
one. After any crash the group's offset says what is out; the database keeps the number too, because Kafka forgets the
offsets of an idle group after a while, and the larger of the two is the truth.

    standby ──start the producer (fences the publisher before, settles its transaction)──▶ read the group's offset
    ──▶ publish, publish, … ──fenced: a newer publisher is at work──▶ standby, until rows wait that nobody publishes
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence

from streamlabel.errors import TransientError
from streamlabel.runtime.backoff import Backoff
from streamlabel.runtime.broker import Broker, FencedError, LaneProducer, MessageTooLargeError
from streamlabel.runtime.clock import Clock, SystemClock
from streamlabel.runtime.dead_letter import OMITTED_BYTES, REASON
from streamlabel.runtime.handlers import Outbox, OutboxRow
from streamlabel.runtime.health import Health
from streamlabel.runtime.messages import RawRecord
from streamlabel.runtime.stage_metrics import Instruments
from streamlabel.runtime.tasks import result_before

log = logging.getLogger(__name__)

_LARGEST_SHARED_BATCH_BYTES = 512 * 1024


class OutboxPublisher:
    """Publishes the rows of `outbox` in their order; a component of a process.

    `publisher_id` is the transactional id and the group; partition 0 of `topic`, which must exist, carries the sequence.
    Several processes may run one: the latest to start publishes, the others stand by and take over when rows have waited
    for `takeover_after_s` without any of them being published.
    """

    def __init__(
        self,
        *,
        name: str,
        publisher_id: str,
        topic: str,
        outbox: Outbox,
        broker: Broker,
        metrics: Instruments,
        health: Health,
        max_rows: int = 500,
        poll_interval_s: float = 1.0,
        takeover_after_s: float = 10.0,
        clock: Clock | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        self.name = name
        self._publisher_id = publisher_id
        self._topic = topic
        self._outbox = outbox
        self._broker = broker
        self._published_total = metrics["streamlabel_outbox_published_total"]
        self._check = health.check(name)
        self._max_rows = max_rows
        self._poll_interval_s = poll_interval_s
        self._takeover_after_s = takeover_after_s
        self._clock = clock or SystemClock()
        self._backoff = backoff or Backoff()
        self._wake = asyncio.Event()
        self._stopping = asyncio.Event()
        self._batch_bytes = _LARGEST_SHARED_BATCH_BYTES
        self._shortened: set[int] = set()
        self._failures = 0
        self._last = 0

    def wake(self) -> None:
        """Rows were committed just now: publish at once instead of at the next poll."""
        self._wake.set()

    async def start(self) -> None:
        """Nothing to prepare: `run` waits for Kafka and the database as long as it takes."""

    async def run(self) -> None:
        """Publish until stopped."""
        while not self._stopping.is_set():
            try:
                await self._publish()
            except FencedError:
                log.info("another publisher has taken over, standing by", extra={"publisher": self._publisher_id})
                await self._stand_by()
            except MessageTooLargeError as error:
                if error.index is None:
                    self._batch_bytes = max(1, self._batch_bytes // 4)
                else:
                    await self._trouble(str(error), None)
            except TransientError as error:
                await self._trouble(str(error), error.retry_after_s)
        self._check.close()

    async def stop(self) -> None:
        """Publish what is committed by now, then end `run`; the caller bounds how long that may take."""
        self._stopping.set()
        self._wake.set()

    async def _publish(self) -> None:
        producer = self._broker.producer(self._publisher_id, batch_bytes=self._batch_bytes)
        try:
            await producer.start()
            self._last = await self._recover()
            self._check.ok()
            while True:
                self._wake.clear()
                stopping = self._stopping.is_set()
                rows = await self._outbox.pending(self._last, self._max_rows)
                if rows:
                    await self._transact(producer, rows)
                elif stopping:
                    return
                else:
                    await self._wait(self._poll_interval_s)
        finally:
            try:
                with contextlib.suppress(TransientError, FencedError):
                    await producer.abort()
            finally:
                await producer.stop()

    async def _recover(self) -> int:
        """The sequence of the last row that is out. Only after the producer's start: before, it may be stale."""
        in_kafka = await self._broker.committed(self._publisher_id, self._topic, 0)
        in_database = await self._outbox.last_published()
        if in_kafka is not None and in_kafka > in_database:
            await self._outbox.published(in_kafka)
            return in_kafka
        return in_database

    async def _transact(self, producer: LaneProducer, rows: Sequence[OutboxRow]) -> None:
        by_target: dict[tuple[str, int], list[OutboxRow]] = {}
        for row in rows:
            by_target.setdefault((row.topic, row.partition), []).append(row)
        await producer.begin()
        for (topic, partition), own in by_target.items():
            try:
                await producer.send(topic, partition, [self._record(row) for row in own])
            except MessageTooLargeError as error:
                if error.index is not None:
                    self._too_large(own[error.index])
                raise
        last = rows[-1].seq
        await producer.send_offsets(self._publisher_id, {(self._topic, 0): last})
        await producer.commit()
        self._last = last
        self._failures = 0
        self._shortened = {seq for seq in self._shortened if seq > last}
        self._published_total.inc(len(rows))
        await self._outbox.published(last)

    def _record(self, row: OutboxRow) -> RawRecord:
        if row.seq in self._shortened:
            return row.key, b"", (*row.headers, (OMITTED_BYTES, b"%d" % len(row.value or b"")))
        return row.key, row.value, row.headers

    def _too_large(self, row: OutboxRow) -> None:
        """A dead letter goes without its value, which its origin still has; anything else may not be lost and blocks."""
        if any(name == REASON for name, _ in row.headers) and row.seq not in self._shortened:
            self._shortened.add(row.seq)
            return
        log.error(
            "an outbox row is larger than its topic takes: raise max.message.bytes of the topic",
            extra={"publisher": self._publisher_id, "seq": row.seq, "topic": row.topic, "bytes": len(row.value or b"")},
        )

    async def _stand_by(self) -> None:
        """Return when rows have waited for a while and none of them was published meanwhile."""
        since_s, seen = self._clock.monotonic_s(), -1
        while not self._stopping.is_set():
            self._wake.clear()
            try:
                published = await self._outbox.last_published()
                waiting = await self._outbox.pending(published, 1)
            except TransientError as error:
                await self._trouble(str(error), error.retry_after_s)
                continue
            self._failures = 0
            self._check.ok()
            if published != seen or not waiting:
                since_s, seen = self._clock.monotonic_s(), published
            elif self._clock.monotonic_s() - since_s >= self._takeover_after_s:
                return
            await self._wait(min(self._poll_interval_s, self._takeover_after_s))

    async def _trouble(self, reason: str, retry_after_s: float | None) -> None:
        self._failures += 1
        delay_s = self._backoff.delay_s(self._failures, at_least_s=retry_after_s)
        self._check.failing(reason)
        log.warning(
            "cannot publish, will try again",
            extra={"publisher": self._publisher_id, "reason": reason, "pause_s": delay_s},
        )
        await result_before(self._clock.sleep(delay_s), self._stopping)

    async def _wait(self, seconds: float) -> None:
        await result_before(self._clock.sleep(seconds), self._wake)
