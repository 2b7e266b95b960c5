"""`WorkSession`: one person's (or bot's) loop over tasks, with leases kept alive behind it."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from streamlabel.client.refusal import CallRefusedError
from streamlabel.core.desk import (
    AnnotationResult,
    AnnotationStatus,
    ExtendedLeases,
    LeasedTask,
    LostReason,
    UndoneAnnotation,
)
from streamlabel.core.history import SkipReason
from streamlabel.core.review import Annotation
from streamlabel.errors import TransientError

log = logging.getLogger(__name__)

_POLL_S = 20.0
# A lease outlives two heartbeats that are lost.
_BEATS_PER_LEASE = 3
_SHORTEST_BEAT_S = 0.05
_RELEASE_TIMEOUT_S = 5.0


class Desk(Protocol):
    """What a session needs of the client."""

    async def lease(
        self, annotator: str, *, project: str = "", max_tasks: int = 1, wait_s: float = 0.0, escalated: bool = False
    ) -> list[LeasedTask]: ...

    async def extend(self, annotator: str, lease_tokens: Sequence[str]) -> ExtendedLeases: ...

    async def submit(self, annotator: str, annotations: Sequence[Annotation]) -> list[AnnotationResult]: ...

    async def release(self, annotator: str, lease_tokens: Sequence[str]) -> int: ...

    async def undo(self, annotator: str, annotation_id: str) -> UndoneAnnotation: ...

    async def skip(self, annotator: str, lease_token: str, reason: SkipReason, note: str = "") -> bool: ...

    async def escalate(self, annotator: str, lease_token: str, note: str = "") -> None: ...


@dataclass(slots=True)
class _Held:
    """A task in hand, and since when it is being looked at."""

    leased: LeasedTask
    shown_at_s: float | None = None


class WorkSession:
    """Iterate to get tasks; `answer`, `skip`, `escalate` or `undo` them. Leaving the session gives back whatever is left.

    A task whose lease was lost while it waited here is dropped: `lost` counts them by reason, and the log says it. One that is being
    looked at may still be answered, unless it was withdrawn, and the result's status tells whether somebody else was faster.
    """

    def __init__(
        self,
        desk: Desk,
        project: str,
        annotator: str,
        *,
        prefetch: int = 1,
        idle_timeout_s: float | None = None,
        escalated: bool = False,
    ) -> None:
        if prefetch < 1:
            raise ValueError(f"prefetch must be at least 1, not {prefetch}")
        self._desk = desk
        self._project = project
        self._annotator = annotator
        self._prefetch = prefetch
        self._idle_timeout_s = idle_timeout_s
        self._escalated = escalated
        self._held: dict[str, _Held] = {}
        self._waiting: deque[str] = deque()
        self._last_annotation_id: str | None = None
        self._has_work = asyncio.Event()
        self._heart: asyncio.Task[None] | None = None
        self.results: dict[AnnotationStatus, int] = dict.fromkeys(AnnotationStatus, 0)
        self.lost: dict[LostReason, int] = dict.fromkeys(LostReason, 0)

    async def __aenter__(self) -> Self:
        self._heart = asyncio.create_task(self._beat(), name=f"heartbeat of {self._annotator}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._heart is not None:
            self._heart.cancel()
            await asyncio.wait({self._heart})
        tokens = list(self._held)
        self._held.clear()
        if tokens:
            try:
                async with asyncio.timeout(_RELEASE_TIMEOUT_S):
                    await self._desk.release(self._annotator, tokens)
            except (TransientError, TimeoutError):
                pass  # The leases run out by themselves.

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> LeasedTask:
        began_s = time.monotonic()
        while True:
            self._check_heart()
            while self._waiting:
                held = self._held.get(self._waiting.popleft())
                if held is not None:
                    held.shown_at_s = time.monotonic()
                    return held.leased
            left_s = _POLL_S
            if self._idle_timeout_s is not None:
                left_s = self._idle_timeout_s - (time.monotonic() - began_s)
                if left_s < 0:
                    raise StopAsyncIteration
            await self._fetch(min(left_s, _POLL_S))

    async def answer(self, leased: LeasedTask, class_name: str) -> AnnotationResult:
        """Hand in an answer; the time since the task came out of the loop goes with it. Repeated safely until it is received."""
        self._check_heart()
        held = self._held.get(leased.lease.lease_token)
        shown_at_s = held.shown_at_s if held is not None else None
        think_s = time.monotonic() - shown_at_s if shown_at_s is not None else 0.0
        annotation = Annotation(
            annotation_id=uuid.uuid4().hex,
            lease_token=leased.lease.lease_token,
            class_name=class_name,
            think_time_ms=min(round(think_s * 1000), 2**32 - 1),
        )
        [result] = await self._desk.submit(self._annotator, [annotation])
        self.results[result.status] += 1
        if result.status is AnnotationStatus.REJECTED:
            return result  # The task is still in hand: it may be answered with a class that exists.
        self._held.pop(leased.lease.lease_token, None)
        if result.status is AnnotationStatus.ACCEPTED:
            self._last_annotation_id = annotation.annotation_id
        return result

    async def skip(self, leased: LeasedTask, reason: SkipReason = SkipReason.OTHER, note: str = "") -> bool:
        """Leave a task to somebody else, with the reason; True where it was set aside, as enough people have done so.

        False also where its lease is gone: then it is somebody else's already.
        """
        self._held.pop(leased.lease.lease_token, None)
        try:
            return await self._desk.skip(self._annotator, leased.lease.lease_token, reason, note)
        except CallRefusedError as error:
            _raise_unless_gone(error)
            return False

    async def escalate(self, leased: LeasedTask, note: str = "") -> None:
        """Set a task aside for those who ask for such tasks; nothing where its lease is gone."""
        self._held.pop(leased.lease.lease_token, None)
        try:
            await self._desk.escalate(self._annotator, leased.lease.lease_token, note)
        except CallRefusedError as error:
            _raise_unless_gone(error)

    async def give_back(self, leased: LeasedTask) -> None:
        """Give a task back as if it had not been seen. It is free at once, for this session too."""
        self._held.pop(leased.lease.lease_token, None)
        await self._desk.release(self._annotator, [leased.lease.lease_token])

    async def undo(self) -> UndoneAnnotation | None:
        """Take back the latest accepted answer of this session: its task comes next in the loop. None where there is none."""
        annotation_id, self._last_annotation_id = self._last_annotation_id, None
        if annotation_id is None:
            return None
        undone = await self._desk.undo(self._annotator, annotation_id)
        self._hold([undone.leased], first=True)
        return undone

    async def _fetch(self, wait_s: float) -> None:
        tasks = await self._desk.lease(
            self._annotator,
            project=self._project,
            max_tasks=self._prefetch,
            wait_s=max(0.0, wait_s),
            escalated=self._escalated,
        )
        self._hold(tasks)

    def _hold(self, tasks: Sequence[LeasedTask], *, first: bool = False) -> None:
        for leased in tasks:
            token = leased.lease.lease_token
            self._held[token] = _Held(leased)
            if first:
                self._waiting.appendleft(token)
            else:
                self._waiting.append(token)
        if self._held:
            self._has_work.set()

    async def _beat(self) -> None:
        """Extend every lease in hand several times within its life."""
        while True:
            if not self._held:
                self._has_work.clear()
                await self._has_work.wait()
            shortest_s = min(held.leased.lease.lasts_s for held in self._held.values())
            await asyncio.sleep(max(_SHORTEST_BEAT_S, shortest_s / _BEATS_PER_LEASE))
            if tokens := list(self._held):
                try:
                    extended = await self._desk.extend(self._annotator, tokens)
                except TransientError:
                    continue
                self._drop(extended)

    def _drop(self, extended: ExtendedLeases) -> None:
        reasons = {each.lease_token: each.reason for each in extended.lost}
        for token in extended.lost_lease_tokens:
            held = self._held.pop(token, None)
            if held is not None:
                reason = reasons.get(token, LostReason.EXPIRED)
                self.lost[reason] += 1
                log.info("task %s is dropped: %s", held.leased.lease.task, _WHY_LOST[reason])

    def _check_heart(self) -> None:
        if self._heart is None:
            raise RuntimeError("a work session is used inside of `async with`")
        if self._heart.done():
            self._heart.result()


_WHY_LOST = {
    LostReason.EXPIRED: "its lease ran out",
    LostReason.TAKEN: "its lease ran out, and somebody else has it",
    LostReason.ANSWERED: "it has its label",
    LostReason.WITHDRAWN: "no answer is wanted any more",
    LostReason.UNKNOWN: "the service knows no such lease",
}


def _raise_unless_gone(error: CallRefusedError) -> None:
    if error.code != "FAILED_PRECONDITION":
        raise error
