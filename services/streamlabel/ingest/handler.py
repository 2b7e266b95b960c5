"""The one use case of the door: judge a batch, write what may enter, and tell the truth about each record.

    offer ──▶ refused ──▶ REJECTED
          ──▶ known here, same content ──▶ DUPLICATE          other content ──▶ REJECTED CONFLICTING_RECORD
          ──▶ in flight, perhaps for another caller ──▶ wait for its fate, then as above (or UNAVAILABLE)
          ──▶ written ──▶ acknowledged by the brokers ──▶ ACCEPTED          not ──▶ UNAVAILABLE: send it again

Nothing is called durable before the brokers have acknowledged it. What this process remembers is bounded and dies with it: the
next stage drops the duplicates that slip through here.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from streamlabel.core.project import Project
from streamlabel.core.submission import Reason, RecordResult, RecordStatus
from streamlabel.errors import InvalidMessageError, StreamlabelError, TransientError
from streamlabel.ingest.in_flight import Airborne, ByteBudget, Fate, Flight
from streamlabel.ingest.ports import Arrival, Projects, RecordLog, Stopwatch, Tally, TooMuchInFlightError
from streamlabel.ingest.rules.admission import (
    Limits,
    Offer,
    Refusal,
    conflict,
    refusal,
    unclear_project,
    unknown_project,
)
from streamlabel.ingest.rules.recent import RecentRecords

_RETRY_AFTER_S = 1.0
# Unknown projects of one batch that are compared with all known ones: each may cost milliseconds.
_MOST_HINTS = 3


@dataclass(frozen=True, slots=True)
class _Passenger:
    """A record whose result its flight decides; `is_first` tells the one that is written from those that repeat it."""

    record_id: str
    content_hash: bytes
    flown_hash: bytes
    flight: Flight
    seat: int
    is_first: bool


_Verdict = RecordResult | _Passenger
_ProjectOrWhyNot = Project | TransientError | Refusal


class _Judged:
    """A batch that was judged and whose writing has begun: a `Taken`."""

    def __init__(self, intake: Intake, arrival: Arrival, started_s: float) -> None:
        self.verdicts: list[_Verdict] = []
        self.projects: list[str] = []
        self._intake = intake
        self._arrival = arrival
        self._started_s = started_s

    async def results(self) -> list[RecordResult]:
        results = [
            verdict if isinstance(verdict, RecordResult) else await _landing(verdict) for verdict in self.verdicts
        ]
        self._intake.tell(self._arrival, self.projects, results, self._started_s)
        return results


class Intake:
    """A `Door`."""

    def __init__(
        self,
        *,
        projects: Projects,
        records: RecordLog,
        limits: Limits,
        recent: RecentRecords,
        tally: Tally,
        stopwatch: Stopwatch,
    ) -> None:
        self.limits = limits
        self.budget = ByteBudget(limits.in_flight_max_bytes)
        self._projects = projects
        self._records = records
        self._recent = recent
        self._tally = tally
        self._stopwatch = stopwatch
        self._airborne = Airborne()
        self._writing: set[asyncio.Task[None]] = set()
        self._defect: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def ingest(self, batch: Sequence[Offer | Refusal], arrival: Arrival) -> list[RecordResult]:
        return await (await self.take(batch, arrival)).results()

    async def take(self, batch: Sequence[Offer | Refusal], arrival: Arrival, *, wait_for_room: bool = False) -> _Judged:
        taken = _Judged(self, arrival, self._stopwatch.monotonic_s())
        projects = await self._known_projects(batch)
        # No await from here until all is aboard: of two callers with the same record, one must see the other's.
        flight, load = Flight(), list[Offer]()
        for offer in batch:
            taken.projects.append(offer.project if isinstance(offer, Offer) else "")
            taken.verdicts.append(self._judge(offer, projects, flight, load))
        if load:
            await self._take_off(flight, load, arrival, wait_for_room)
        return taken

    async def settle(self) -> None:
        """Returns when nothing is being written any more."""
        while self._writing:
            await asyncio.wait(set(self._writing))

    async def watch(self) -> None:
        """Waits for ever; raises what escapes from a write: that is a defect, and its caller has already left."""
        await asyncio.shield(self._defect)

    def tell(
        self, arrival: Arrival, projects: Sequence[str], results: Sequence[RecordResult], started_s: float
    ) -> None:
        """Counts an answered batch."""
        outcomes = Counter(zip(projects, (result.status for result in results), strict=True))
        self._tally.answered(arrival, outcomes, self._stopwatch.monotonic_s() - started_s)
        reasons = Counter(result.reason for result in results if result.status is RecordStatus.REJECTED)
        if reasons:
            self._tally.refused(reasons)

    async def _known_projects(self, batch: Sequence[Offer | Refusal]) -> Mapping[str, _ProjectOrWhyNot]:
        """Each project that the batch names, or why there is none: found out once for all its records."""
        names = list(dict.fromkeys(offer.project for offer in batch if isinstance(offer, Offer)))
        untold: TransientError | None = None
        try:
            # Perhaps one was applied a moment ago.
            await self._projects.look_for(names)
        except TransientError as error:
            untold = error
        found = {name: self._projects.get(name) or untold for name in names}
        missing = [name for name in names if found[name] is None]
        refused = {
            name: unknown_project(name, "", self._projects.names() if place < _MOST_HINTS else ())
            for place, name in enumerate(missing)
        }
        return {name: found[name] or refused[name] for name in names}

    def _judge(
        self,
        offer: Offer | Refusal,
        projects: Mapping[str, _ProjectOrWhyNot],
        flight: Flight,
        load: list[Offer],
    ) -> _Verdict:
        if isinstance(offer, Refusal):
            return _rejected(offer)
        project = projects[offer.project]
        if isinstance(project, TransientError):
            return _unavailable(offer.record_id, unclear_project(offer.project, project))
        if isinstance(project, Refusal):
            return _rejected(replace(project, record_id=offer.record_id))
        if (refused := refusal(offer, project, self.limits)) is not None:
            return _rejected(refused)
        known_hash = self._recent.content_of(offer.key)
        if known_hash is not None:
            return _repeated(offer.record_id, offer.content_hash, known_hash)
        flying = self._airborne.find(offer.key)
        if flying is not None:
            flown_hash, other, seat = flying
            return _Passenger(offer.record_id, offer.content_hash, flown_hash, other, seat, False)
        seat = len(load)
        load.append(offer)
        self._airborne.board(offer.key, offer.content_hash, flight, seat)
        return _Passenger(offer.record_id, offer.content_hash, offer.content_hash, flight, seat, True)

    async def _take_off(self, flight: Flight, load: list[Offer], arrival: Arrival, wait_for_room: bool) -> None:
        size_bytes = sum(offer.size_bytes for offer in load)
        try:
            if wait_for_room:
                await self.budget.take(size_bytes)
            elif not self.budget.try_take(size_bytes):
                raise TooMuchInFlightError(
                    f"{self.budget.used_bytes} bytes are in flight; {size_bytes} more pass the limit of "
                    f"{self.limits.in_flight_max_bytes}",
                    retry_after_s=_RETRY_AFTER_S,
                )
        except BaseException:
            # Others may have found these records in flight meanwhile; they are told that nothing came of it.
            self._land(flight, load, [TransientError("it was not written: no room")] * len(load))
            raise
        # A task of its own: a caller that hangs up must neither tear a write in two nor free bytes that are still out.
        writing = asyncio.create_task(self._write(flight, load, size_bytes, arrival), name="ingest write")
        self._writing.add(writing)
        writing.add_done_callback(self._on_written)

    async def _write(self, flight: Flight, load: list[Offer], size_bytes: int, arrival: Arrival) -> None:
        fates: Sequence[Fate] = [TransientError("the write was broken off")] * len(load)
        try:
            fates = await self._records.append(load, arrival)
        finally:
            self.budget.give_back(size_bytes)
            self._land(flight, load, fates)

    def _on_written(self, writing: asyncio.Task[None]) -> None:
        self._writing.discard(writing)
        if not writing.cancelled() and (error := writing.exception()) is not None and not self._defect.done():
            self._defect.set_exception(error)

    def _land(self, flight: Flight, load: Sequence[Offer], fates: Sequence[Fate]) -> None:
        for offer, fate in zip(load, fates, strict=True):
            self._airborne.landed(offer.key)
            if fate is None:
                self._recent.remember(offer.key, offer.content_hash)
        flight.fates.set_result(fates)


async def _landing(passenger: _Passenger) -> RecordResult:
    fate = await passenger.flight.fate(passenger.seat)
    if fate is not None:
        return _failed(passenger, fate)
    if passenger.is_first:
        return RecordResult(record_id=passenger.record_id, status=RecordStatus.ACCEPTED)
    return _repeated(passenger.record_id, passenger.content_hash, passenger.flown_hash)


def _failed(passenger: _Passenger, fate: StreamlabelError) -> RecordResult:
    if isinstance(fate, InvalidMessageError) and passenger.content_hash == passenger.flown_hash:
        return _rejected(Refusal(passenger.record_id, fate.reason, fate.detail))
    return _unavailable(passenger.record_id, str(fate))


def _unavailable(record_id: str, why: str) -> RecordResult:
    return RecordResult(
        record_id=record_id,
        status=RecordStatus.UNAVAILABLE,
        reason=Reason.BROKER_UNAVAILABLE,
        detail=f"not taken now, send it again: {why}",
    )


def _repeated(record_id: str, content_hash: bytes, known_hash: bytes) -> RecordResult:
    if content_hash == known_hash:
        return RecordResult(record_id=record_id, status=RecordStatus.DUPLICATE)
    return _rejected(conflict(record_id))


def _rejected(refused: Refusal) -> RecordResult:
    return RecordResult(
        record_id=refused.record_id, status=RecordStatus.REJECTED, reason=refused.reason, detail=refused.detail
    )
