"""A caller's endless records, taken in batches and answered in order, with a bounded number under way."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, Self, TypeVar

from streamlabel.core.submission import RecordResult
from streamlabel.ingest.ports import Arrival, Door, Taken
from streamlabel.ingest.rules.admission import Offer, Refusal

Tag = TypeVar("Tag")


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineLimits:
    """`window_records` is how many records of one caller may be unanswered; the caller is not read from beyond it."""

    batch_max_records: int = 1_000
    batch_max_bytes: int = 1024 * 1024
    batches_in_flight: int = 4
    window_records: int = 8_000


class Pipeline(Generic[Tag]):
    """Put records in with a tag each; their results come out in the same order. Ended by `end`; leaving the context drops the rest.

    Batches form by themselves: what arrives while `batches_in_flight` are under way goes together.
    """

    def __init__(self, door: Door, arrival: Arrival, limits: PipelineLimits) -> None:
        self._door = door
        self._arrival = arrival
        self._limits = limits
        self._inbox: deque[tuple[Tag, Offer | Refusal]] = deque()
        self._arrived = asyncio.Event()
        self._room = asyncio.Event()
        self._unanswered = 0
        self._ended = False
        self._slots = asyncio.Semaphore(limits.batches_in_flight)
        self._flying: asyncio.Queue[tuple[list[Tag], Taken] | None] = asyncio.Queue()
        self._pumping: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._pumping = asyncio.create_task(self._pump(), name="ingest pipeline")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pumping is not None:
            self._pumping.cancel()
            await asyncio.wait({self._pumping})

    async def put(self, tag: Tag, offer: Offer | Refusal) -> None:
        """Hand in one record; waits while the window is full. After `end` it is dropped, unanswered."""
        while self._unanswered >= self._limits.window_records and not self._ended:
            self._room.clear()
            await self._room.wait()
        if self._ended:
            return
        self._unanswered += 1
        self._inbox.append((tag, offer))
        self._arrived.set()

    def end(self) -> None:
        """Nothing more comes; the answers end once all that came is answered."""
        self._ended = True
        self._arrived.set()
        self._room.set()

    async def answers(self) -> AsyncIterator[list[tuple[Tag, RecordResult]]]:
        """The results, batch by batch, in the order of `put`."""
        while (flown := await self._next()) is not None:
            tags, taken = flown
            results = await taken.results()
            self._slots.release()
            self._unanswered -= len(tags)
            self._room.set()
            yield list(zip(tags, results, strict=True))

    async def _next(self) -> tuple[list[Tag], Taken] | None:
        flown = await self._flying.get()
        if flown is None and self._pumping is not None:
            await self._pumping  # Raises what ended it, if it did not end well.
        return flown

    async def _pump(self) -> None:
        try:
            while True:
                await self._arrived.wait()
                if not self._inbox:
                    if self._ended:
                        return
                    self._arrived.clear()
                    continue
                await self._slots.acquire()
                tags, offers = self._cut()
                taken = await self._door.take(offers, self._arrival, wait_for_room=True)
                self._flying.put_nowait((tags, taken))
        finally:
            self._flying.put_nowait(None)

    def _cut(self) -> tuple[list[Tag], list[Offer | Refusal]]:
        tags: list[Tag] = []
        offers: list[Offer | Refusal] = []
        size_bytes = 0
        while self._inbox and len(tags) < self._limits.batch_max_records:
            tag, offer = self._inbox[0]
            size_bytes += offer.size_bytes if isinstance(offer, Offer) else 0
            if tags and size_bytes > self._limits.batch_max_bytes:
                break
            self._inbox.popleft()
            tags.append(tag)
            offers.append(offer)
        return tags, offers
