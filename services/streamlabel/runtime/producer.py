"""Writing without transactions, for callers who want to know of each record whether the brokers have it.

One writer per partition sends what has gathered since its last batch; so a quiet partition waits for nobody and a busy
one makes large batches, each caller answered when all in-sync replicas have its records.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from streamlabel.errors import InvalidMessageError, TransientError
from streamlabel.runtime.backoff import Backoff
from streamlabel.runtime.broker import Appender, Broker, BrokerUnavailableError, FencedError, MessageTooLargeError
from streamlabel.runtime.clock import Clock, SystemClock
from streamlabel.runtime.health import Health
from streamlabel.runtime.messages import Emit, RawRecord
from streamlabel.runtime.tasks import end, pause
from streamlabel.runtime.transaction import OUTPUT_TOO_LARGE

log = logging.getLogger(__name__)

_RETRY_AFTER_S = 0.5
_RECORD_OVERHEAD_BYTES = 64


@dataclass(slots=True, kw_only=True)
class _Parcel:
    """The records of one caller for one partition."""

    records: list[RawRecord]
    due_s: float
    done: asyncio.Future[list[Exception | None] | None]


@dataclass(slots=True)
class _Lane:
    """What waits for one partition, and who writes it."""

    parcels: deque[_Parcel] = field(default_factory=deque)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    writer: asyncio.Task[None] | None = None


class IdempotentProducer:
    """Appends records to the partitions that the caller chose; a component of a process.

    Records of one partition keep the order of the calls. A record whose answer is a TransientError may have been written
    or not: the caller sends it again and readers tell the two apart by key and content.
    """

    def __init__(
        self,
        *,
        name: str,
        broker: Broker,
        health: Health,
        max_in_flight_bytes: int = 64 * 1024 * 1024,
        max_batch_records: int = 2_000,
        linger_s: float = 0.0,
        delivery_timeout_s: float = 20.0,
        clock: Clock | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        self.name = name
        self._broker = broker
        self._check = health.check(name)
        self._max_in_flight_bytes = max_in_flight_bytes
        self._max_batch_records = max_batch_records
        self._linger_s = linger_s
        self._delivery_timeout_s = delivery_timeout_s
        self._clock = clock or SystemClock()
        self._backoff = backoff or Backoff()
        self._in_flight_bytes = 0
        self._lanes: dict[tuple[str, int], _Lane] = {}
        self._appender: Appender | None = None
        self._usable = asyncio.Event()
        self._spent = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._stopping = asyncio.Event()
        self._failure: asyncio.Future[None] | None = None

    @property
    def in_flight_bytes(self) -> int:
        """Bytes accepted and not yet answered."""
        return self._in_flight_bytes

    async def send(self, items: Sequence[tuple[int, Emit]]) -> list[Exception | None]:
        """Write (partition, record) pairs; for each, None once the brokers have it, or why not.

        Raises TransientError with `retry_after_s`, and nothing is written, if too many bytes are in flight already.
        """
        size = sum(_RECORD_OVERHEAD_BYTES + len(emit.key) + len(emit.value) for _, emit in items)
        if self._in_flight_bytes and self._in_flight_bytes + size > self._max_in_flight_bytes:
            raise TransientError(
                f"{self._in_flight_bytes} bytes wait for Kafka already, at most {self._max_in_flight_bytes} may",
                retry_after_s=_RETRY_AFTER_S,
            )
        if self._stopping.is_set():
            raise TransientError("the process is stopping", retry_after_s=_RETRY_AFTER_S)
        self._in_flight_bytes += size
        self._idle.clear()
        try:
            return await self._deliver(items)
        finally:
            self._in_flight_bytes -= size
            if not self._in_flight_bytes:
                self._idle.set()

    async def start(self) -> None:
        """Nothing to prepare: records wait, within their delivery timeout, until `run` has reached Kafka."""

    async def run(self) -> None:
        """Keep a working producer until stopped."""
        attempt = 0
        self._failure = asyncio.get_running_loop().create_future()
        try:
            while not self._stopping.is_set():
                appender = self._broker.appender()
                try:
                    await appender.start()
                    attempt = 0
                    self._spent.clear()
                    self._appender = appender
                    self._usable.set()
                    self._check.ok()
                    await self._until_spent()
                except TransientError as error:
                    attempt += 1
                    self._check.failing(str(error))
                    delay_s = self._backoff.delay_s(attempt, at_least_s=error.retry_after_s)
                    log.warning("cannot reach Kafka, will try again", extra={"reason": str(error), "pause_s": delay_s})
                    await pause(self._clock, delay_s, self._stopping)
                finally:
                    self._usable.clear()
                    self._appender = None
                    await appender.stop()
        finally:
            # Also where it failed: what waits is answered, and nothing more is taken, for nobody writes any longer.
            self._stopping.set()
            await end([lane.writer for lane in self._lanes.values() if lane.writer is not None])
            for parcel in (parcel for lane in self._lanes.values() for parcel in lane.parcels):
                _answer(parcel, [_again(BrokerUnavailableError("the producer has ended"))] * len(parcel.records))
            self._failure.cancel()
            self._check.close()

    async def stop(self) -> None:
        """Take nothing more, answer what is in flight, then end `run`."""
        self._stopping.set()
        await self._idle.wait()
        self._spent.set()

    async def _until_spent(self) -> None:
        assert self._failure is not None
        spent = asyncio.create_task(self._spent.wait())
        try:
            waiting: set[asyncio.Future[None] | asyncio.Task[bool]] = {spent, self._failure}
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if self._failure.done():
                self._failure.result()
        finally:
            await end([spent])

    async def _deliver(self, items: Sequence[tuple[int, Emit]]) -> list[Exception | None]:
        by_target: dict[tuple[str, int], list[int]] = {}
        for index, (partition, emit) in enumerate(items):
            by_target.setdefault((emit.topic, partition), []).append(index)
        due_s = self._clock.monotonic_s() + self._delivery_timeout_s
        parcels = []
        for target, indices in by_target.items():
            emits = [items[index][1] for index in indices]
            records: list[RawRecord] = [(emit.key, emit.value, emit.headers) for emit in emits]
            parcel = _Parcel(records=records, due_s=due_s, done=asyncio.get_running_loop().create_future())
            self._enqueue(target, parcel)
            parcels.append((indices, parcel))
        answers: list[Exception | None] = [None] * len(items)
        for indices, parcel in parcels:
            own = await parcel.done
            if own is not None:
                for index, answer in zip(indices, own, strict=True):
                    answers[index] = answer
        return answers

    def _enqueue(self, target: tuple[str, int], parcel: _Parcel) -> None:
        lane = self._lanes.setdefault(target, _Lane())
        lane.parcels.append(parcel)
        lane.arrived.set()
        if lane.writer is None:
            lane.writer = asyncio.create_task(self._write(target, lane), name=f"writer of {target[0]}[{target[1]}]")
            lane.writer.add_done_callback(self._writer_ended)

    async def _write(self, target: tuple[str, int], lane: _Lane) -> None:
        while True:
            while not lane.parcels:
                lane.arrived.clear()
                await lane.arrived.wait()
            if self._linger_s > 0:
                await self._clock.sleep(self._linger_s)
            parcels = self._gather(lane)
            try:
                await self._append(target, parcels)
            except MessageTooLargeError as error:
                self._discard_appender()
                self._answer_too_large(parcels, error)
            except (TransientError, FencedError) as error:
                self._discard_appender()
                for parcel in parcels:
                    _answer(parcel, [_again(error)] * len(parcel.records))
            except BaseException as error:
                for parcel in parcels:
                    _answer(parcel, [_again(error)] * len(parcel.records))
                raise
            else:
                for parcel in parcels:
                    _answer(parcel, None)

    def _discard_appender(self) -> None:
        """A failed write leaves a gap in its sequence numbers: the brokers would refuse whatever came after."""
        self._usable.clear()
        self._spent.set()

    def _gather(self, lane: _Lane) -> list[_Parcel]:
        parcels = [lane.parcels.popleft()]
        count = len(parcels[0].records)
        while lane.parcels and count + len(lane.parcels[0].records) <= self._max_batch_records:
            parcels.append(lane.parcels.popleft())
            count += len(parcels[-1].records)
        return parcels

    async def _append(self, target: tuple[str, int], parcels: Sequence[_Parcel]) -> None:
        records = [record for parcel in parcels for record in parcel.records]
        try:
            async with asyncio.timeout(max(0.0, parcels[0].due_s - self._clock.monotonic_s())):
                await self._usable.wait()
                if self._appender is None:
                    raise BrokerUnavailableError("the producer is being replaced")
                await self._appender.send(*target, records)
        except TimeoutError as error:
            raise BrokerUnavailableError(f"not acknowledged within {self._delivery_timeout_s:g} s") from error

    def _answer_too_large(self, parcels: Sequence[_Parcel], error: MessageTooLargeError) -> None:
        """The guilty record is invalid; the others of its batch may be in Kafka or not."""
        first = 0
        for parcel in parcels:
            answers: list[Exception | None] = [_again(error)] * len(parcel.records)
            if error.index is not None and first <= error.index < first + len(answers):
                answers[error.index - first] = InvalidMessageError(OUTPUT_TOO_LARGE, str(error))
            first += len(answers)
            _answer(parcel, answers)

    def _writer_ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None and self._failure is not None and not self._failure.done():
            self._failure.set_exception(error)


def _answer(parcel: _Parcel, answers: list[Exception | None] | None) -> None:
    if not parcel.done.done():  # The caller may have gone.
        parcel.done.set_result(answers)


def _again(error: BaseException) -> TransientError:
    return TransientError(str(error) or repr(error), retry_after_s=_RETRY_AFTER_S)
