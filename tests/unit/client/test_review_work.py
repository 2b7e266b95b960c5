"""A work session against a desk on paper: heartbeats, lost leases, undo, and nothing left behind."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from streamlabel.client.refusal import CallRefusedError
from streamlabel.client.review_work import WorkSession
from streamlabel.core.desk import (
    AnnotationResult,
    AnnotationStatus,
    ExtendedLeases,
    LeasedTask,
    LostLease,
    LostReason,
    UndoneAnnotation,
)
from streamlabel.core.history import SkipReason
from streamlabel.core.review import Annotation, Lease
from streamlabel.errors import TransientError
from support.review_queue import task

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def leased(number: int, lasts_s: float = 60.0) -> LeasedTask:
    value = task(f"r{number}")
    lease = Lease(task=value.key, lease_token=f"t{number}", fencing_token=1, expires_at=NOW, lasts_s=lasts_s)
    return LeasedTask(lease=lease, task=value)


@dataclass
class PaperDesk:
    waiting: list[LeasedTask]
    status: AnnotationStatus = AnnotationStatus.ACCEPTED
    lost: set[str] = field(default_factory=set)
    submitted: list[Annotation] = field(default_factory=list)
    extended: list[list[str]] = field(default_factory=list)
    released: list[str] = field(default_factory=list)
    broken: Exception | None = None
    refused: Exception | None = None
    skipped: list[tuple[str, SkipReason, str]] = field(default_factory=list)
    escalated: list[tuple[str, str]] = field(default_factory=list)

    async def lease(
        self, annotator: str, *, project: str = "", max_tasks: int = 1, wait_s: float = 0.0, escalated: bool = False
    ) -> list[LeasedTask]:
        if not self.waiting:
            await asyncio.sleep(wait_s)
        handed, self.waiting = self.waiting[:max_tasks], self.waiting[max_tasks:]
        return handed

    async def extend(self, annotator: str, lease_tokens: Sequence[str]) -> ExtendedLeases:
        self.extended.append(list(lease_tokens))
        if self.broken:
            raise self.broken
        lost = tuple(token for token in lease_tokens if token in self.lost)
        told = tuple(LostLease(lease_token=token, reason=LostReason.WITHDRAWN) for token in lost)
        return ExtendedLeases(leases=(), lost_lease_tokens=lost, lost=told)

    async def submit(self, annotator: str, annotations: Sequence[Annotation]) -> list[AnnotationResult]:
        self.submitted += annotations
        return [AnnotationResult(annotation_id=each.annotation_id, status=self.status) for each in annotations]

    async def release(self, annotator: str, lease_tokens: Sequence[str]) -> int:
        self.released += lease_tokens
        return len(lease_tokens)

    async def skip(self, annotator: str, lease_token: str, reason: SkipReason, note: str = "") -> bool:
        if self.refused:
            raise self.refused
        self.skipped.append((lease_token, reason, note))
        return False

    async def escalate(self, annotator: str, lease_token: str, note: str = "") -> None:
        if self.refused:
            raise self.refused
        self.escalated.append((lease_token, note))

    async def undo(self, annotator: str, annotation_id: str) -> UndoneAnnotation:
        assert annotation_id == self.submitted[-1].annotation_id
        again = leased(9)
        return UndoneAnnotation(leased=again, class_name=self.submitted[-1].class_name)


async def test_it_hands_out_what_it_leased_and_gives_back_what_is_left() -> None:
    desk = PaperDesk([leased(i) for i in range(5)])
    async with WorkSession(desk, "mail", "ann", prefetch=3) as session:
        first = await anext(session)
        await asyncio.sleep(0.03)
        assert (await session.answer(first, "spam")).status is AnnotationStatus.ACCEPTED
        assert not await session.skip(await anext(session), SkipReason.BROKEN_RECORD, "empty")
        await session.escalate(await anext(session), "ask the chief")
        await session.give_back(await anext(session))
    assert desk.skipped == [("t1", SkipReason.BROKEN_RECORD, "empty")]
    assert desk.escalated == [("t2", "ask the chief")]
    assert desk.released == ["t3", "t4"]
    [answer] = desk.submitted
    assert (answer.lease_token, answer.class_name) == ("t0", "spam")
    assert 25 <= answer.think_time_ms < 2_000
    assert session.results[AnnotationStatus.ACCEPTED] == 1


async def test_the_loop_ends_when_no_task_comes() -> None:
    desk = PaperDesk([leased(0)])
    seen = []
    async with WorkSession(desk, "mail", "ann", idle_timeout_s=0.05) as session:
        async for each in session:
            seen.append(each)
            await session.answer(each, "ham")
    assert [str(each.lease.task) for each in seen] == ["mail/r0"]
    assert desk.released == []


async def test_leases_are_kept_alive_and_lost_ones_are_not_handed_out(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="streamlabel.client")
    desk = PaperDesk([leased(i, lasts_s=0.3) for i in range(3)], lost={"t1"})
    async with WorkSession(desk, "mail", "ann", prefetch=3) as session:
        first = await anext(session)
        await asyncio.sleep(0.35)
        assert desk.extended[0] == ["t0", "t1", "t2"]
        assert len(desk.extended) >= 2
        assert (await anext(session)).lease.lease_token == "t2"
        await session.answer(first, "spam")
        await asyncio.sleep(0.15)
        assert desk.extended[-1] == ["t2"]
    assert desk.released == ["t2"]
    assert session.lost[LostReason.WITHDRAWN] == sum(session.lost.values()) == 1
    assert "task mail/r1 is dropped: no answer is wanted any more" in caplog.text


async def test_a_heartbeat_that_fails_in_passing_goes_on() -> None:
    desk = PaperDesk([leased(0, lasts_s=0.15)], broken=TransientError("away"))
    async with WorkSession(desk, "mail", "ann") as session:
        await anext(session)
        await asyncio.sleep(0.25)
        assert len(desk.extended) >= 3


async def test_a_heartbeat_that_fails_for_good_is_heard_of() -> None:
    desk = PaperDesk([leased(0, lasts_s=0.15)], broken=KeyError("defect"))
    async with WorkSession(desk, "mail", "ann") as session:
        task_in_hand = await anext(session)
        await asyncio.sleep(0.15)
        with pytest.raises(KeyError):
            await session.answer(task_in_hand, "spam")


async def test_a_refused_answer_leaves_the_task_in_hand() -> None:
    desk = PaperDesk([leased(0)], status=AnnotationStatus.REJECTED)
    async with WorkSession(desk, "mail", "ann") as session:
        in_hand = await anext(session)
        await session.answer(in_hand, "eggs")
        assert await session.undo() is None
    assert desk.released == ["t0"]


async def test_what_is_skipped_too_late_is_somebody_elses_already() -> None:
    desk = PaperDesk([leased(i) for i in range(3)])
    async with WorkSession(desk, "mail", "ann") as session:
        desk.refused = CallRefusedError("FAILED_PRECONDITION", "lease_token", "the lease is gone")
        assert not await session.skip(await anext(session))
        await session.escalate(await anext(session))
        desk.refused = CallRefusedError("INVALID_ARGUMENT", "note", "too long")
        with pytest.raises(CallRefusedError, match="too long"):
            await session.skip(await anext(session), SkipReason.OTHER, "x" * 501)
    assert desk.released == []


async def test_an_undone_task_comes_next() -> None:
    desk = PaperDesk([leased(i) for i in range(3)])
    async with WorkSession(desk, "mail", "ann", prefetch=3) as session:
        await session.answer(await anext(session), "spam")
        undone = await session.undo()
        assert undone is not None
        assert undone.class_name == "spam"
        assert (await anext(session)).lease.lease_token == "t9"
        assert (await anext(session)).lease.lease_token == "t1"
        assert await session.undo() is None


async def test_it_is_used_inside_of_async_with() -> None:
    session = WorkSession(PaperDesk([leased(0)]), "mail", "ann")
    with pytest.raises(RuntimeError, match="async with"):
        await anext(session)
    with pytest.raises(ValueError, match="prefetch"):
        WorkSession(PaperDesk([]), "mail", "ann", prefetch=0)
