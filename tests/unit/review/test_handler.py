"""The desk on ports of paper: waiting for work, leaving in the middle, races that do not end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from streamlabel.consensus.crowd import Crowd
from streamlabel.core.decision import Purpose
from streamlabel.core.desk import AnnotationStatus, AnnotatorStats, QueueStats
from streamlabel.core.project import Project
from streamlabel.core.review import Annotation
from streamlabel.errors import TransientError
from streamlabel.review.handler import DeskLimits, ReviewDesk
from streamlabel.review.ports import Claim, Finding, Question, Refusal, RefusedError, Settlement
from streamlabel.review.rules.answers import Lineage, Standing, TaskState
from streamlabel.review.rules.tokens import Grant, TokenSeal
from support.nouns import text_project
from support.review_queue import KnownProjects, Tally, task

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SEAL = TokenSeal(b"k" * 32)


def claim(number: int, size_bytes: int = 10) -> Claim:
    grant = Grant(ticket=number, fencing_token=1)
    return Claim(grant=grant, expires_at=NOW, task=task(f"r{number}"), size_bytes=size_bytes)


@dataclass
class PaperLeases:
    ready: list[Claim] = field(default_factory=list)
    released: list[Grant] = field(default_factory=list)
    asked: int = 0
    gate: asyncio.Event | None = None
    away_for: str = ""

    async def claim(
        self, annotator: str, projects: Sequence[str], max_tasks: int, lease_s: float, *, escalated: bool = False
    ) -> Sequence[Claim]:
        self.asked += 1
        if self.gate:
            await self.gate.wait()
        if self.away_for == "claim":
            raise TransientError("the store is away")
        handed, self.ready = self.ready[:max_tasks], self.ready[max_tasks:]
        return handed

    async def extend(self, grants: Sequence[Grant], lease_s: float) -> Mapping[Grant, tuple[str, datetime]]:
        return {grant: ("mail/r1", NOW) for grant in grants if grant.ticket == 1}

    async def release(self, grants: Sequence[Grant]) -> int:
        if self.away_for == "release":
            raise TransientError("the store is away")
        self.released += grants
        return len(grants)


@dataclass
class RestlessAnswers:
    """A task that changes under every settlement, `restless` times."""

    restless: int
    looks: int = 0
    settled: list[Settlement] = field(default_factory=list)

    async def look(self, annotator: str, questions: Sequence[Question]) -> Sequence[Finding]:
        self.looks += 1
        value = task("r1")
        lineage = Lineage(
            key=value.key,
            decision=value.decision,
            content_hash=value.record.content_hash,
            model_name="m",
            model_version=1,
            event_at=None,
            ingested_at=None,
        )
        standing = Standing(
            ticket=1,
            state=TaskState.READY,
            fencing_token=1,
            lease_holds=False,
            lease_until=None,
            revision=0,
            lineage=lineage,
            seen_at=NOW,
            held_s=4.5,
        )
        return [Finding(standing=replace(standing, ticket=each.ticket), kept=None) for each in questions]

    async def settle(self, annotator: str, settlements: Sequence[Settlement]) -> frozenset[str]:
        if self.restless:
            self.restless -= 1
            return frozenset()
        self.settled += settlements
        return frozenset(each.annotation.annotation_id for each in settlements)


class PaperBell:
    def __init__(self) -> None:
        self.is_silenced = False
        self.rung = asyncio.Event()
        self.listening: list[str] = []

    @contextmanager
    def listen(self, project: str) -> Iterator[PaperBell]:
        self.listening.append(project)
        try:
            yield self
        finally:
            self.listening.remove(project)

    async def wait(self, timeout_s: float) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                await self.rung.wait()
        except TimeoutError:
            pass
        self.rung.clear()


class Strangers:
    def of(self, project: Project) -> Crowd | None:
        return None


class NoFigures:
    async def of(self, project: str, within_s: float) -> Sequence[AnnotatorStats]:
        return [AnnotatorStats(annotator="ann", answers=round(within_s))]


class NobodyCounts:
    async def came(self, annotator: str, project: str) -> None:
        return


class NoBoard:
    async def queues(self) -> Sequence[QueueStats]:
        return [QueueStats(project="mail", open_tasks=3), QueueStats(project="gone", open_tasks=1)]


@dataclass
class Room:
    leases: PaperLeases = field(default_factory=PaperLeases)
    answers: RestlessAnswers = field(default_factory=lambda: RestlessAnswers(0))
    bell: PaperBell = field(default_factory=PaperBell)
    tally: Tally = field(default_factory=Tally)
    projects: KnownProjects = field(default_factory=lambda: KnownProjects(text_project("mail"), text_project("news")))

    def desk(self, **limits: Any) -> ReviewDesk:
        return ReviewDesk(
            projects=self.projects,
            crowds=Strangers(),
            leases=self.leases,
            answers=self.answers,
            past_answers=None,  # type: ignore[arg-type]
            bell=self.bell,
            board=NoBoard(),
            figures=NoFigures(),
            attendance=NobodyCounts(),
            observer=self.tally,
            seal=SEAL,
            limits=DeskLimits(**limits),
        )


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(2):
        while not condition():
            await asyncio.sleep(0.001)


async def test_it_asks_once_where_nobody_wants_to_wait() -> None:
    room = Room()
    assert await room.desk().lease("ann") == []
    assert room.leases.asked == 1
    assert room.bell.listening == []


async def test_the_bell_ends_the_wait() -> None:
    room = Room()
    waiting = asyncio.create_task(room.desk(recheck_s=20).lease("ann", project="mail", wait_s=20))
    await until(lambda: room.leases.asked == 1)
    room.leases.ready.append(claim(1))
    room.bell.rung.set()
    async with asyncio.timeout(1):
        [leased] = await waiting
    assert SEAL.read(leased.lease.lease_token, "ann") == Grant(ticket=1, fencing_token=1)
    assert leased.lease.lasts_s == 60
    assert room.tally.granted == {"mail": 1}


async def test_a_mute_bell_only_makes_it_slower() -> None:
    room = Room()
    waiting = asyncio.create_task(room.desk(recheck_s=0.02).lease("ann", wait_s=20))
    await until(lambda: room.leases.asked == 3)
    room.leases.ready.append(claim(1))
    async with asyncio.timeout(1):
        assert len(await waiting) == 1


async def test_a_ring_between_the_look_and_the_wait_is_heard() -> None:
    room = Room()
    room.leases.gate = asyncio.Event()
    waiting = asyncio.create_task(room.desk(recheck_s=20).lease("ann", wait_s=20))
    await until(lambda: room.leases.asked == 1)
    room.bell.rung.set()
    room.leases.gate.set()
    await until(lambda: room.leases.asked == 2)
    waiting.cancel()


async def test_without_projects_nobody_is_asked() -> None:
    room = Room(projects=KnownProjects())
    assert await room.desk(recheck_s=0.01).lease("ann", wait_s=0.03) == []
    assert room.leases.asked == 0


async def test_a_process_that_stops_hands_nothing_out_and_lets_nobody_wait() -> None:
    room = Room(leases=PaperLeases(ready=[claim(1)]))
    room.bell.is_silenced = True
    async with asyncio.timeout(1):
        assert await room.desk().lease("ann", wait_s=20) == []
    assert room.leases.asked == 0


async def test_a_caller_that_leaves_during_the_claim_gives_its_tasks_back() -> None:
    room = Room(leases=PaperLeases(ready=[claim(1), claim(2)], gate=asyncio.Event()))
    leaving = asyncio.create_task(room.desk().lease("ann", max_tasks=2))
    await until(lambda: room.leases.asked == 1)
    leaving.cancel()
    await asyncio.sleep(0)
    assert room.leases.gate is not None
    room.leases.gate.set()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert [grant.ticket for grant in room.leases.released] == [1, 2]


@pytest.mark.parametrize("fails", ["claim", "release"])
async def test_a_store_that_goes_away_meanwhile_does_not_undo_the_leaving(fails: str) -> None:
    room = Room(leases=PaperLeases(ready=[claim(1)], gate=asyncio.Event(), away_for=fails))
    leaving = asyncio.create_task(room.desk().lease("ann"))
    await until(lambda: room.leases.asked == 1)
    leaving.cancel()
    await asyncio.sleep(0)
    assert room.leases.gate is not None
    room.leases.gate.set()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert leaving.cancelled()


async def test_a_store_that_is_away_is_told_to_those_who_stay() -> None:
    room = Room(leases=PaperLeases(away_for="claim"))
    with pytest.raises(TransientError, match="away"):
        await room.desk().lease("ann")


async def test_what_does_not_fit_goes_back_but_one_always_goes_out() -> None:
    room = Room(leases=PaperLeases(ready=[claim(1, 500), claim(2, 1), claim(3, 1)]))
    [only] = await room.desk(max_handed_bytes=100).lease("ann", max_tasks=3)
    assert only.task.key.record_id == "r1"
    assert [grant.ticket for grant in room.leases.released] == [2, 3]
    assert room.tally.granted == {"mail": 1}


async def test_what_fits_goes_out_though_the_rest_cannot_go_back_just_now() -> None:
    room = Room(leases=PaperLeases(ready=[claim(1, 60), claim(2, 60)], away_for="release"))
    [only] = await room.desk(max_handed_bytes=100).lease("ann", max_tasks=2)
    assert only.task.key.record_id == "r1"


def answer(annotation_id: str = "a", ticket: int = 1, think_time_ms: int = 0) -> Annotation:
    token = SEAL.mint(Grant(ticket=ticket, fencing_token=1), "ann")
    return Annotation(annotation_id=annotation_id, lease_token=token, class_name="spam", think_time_ms=think_time_ms)


async def test_a_lost_race_is_run_again_from_the_start() -> None:
    room = Room(answers=RestlessAnswers(3))
    [result] = await room.desk().submit("ann", [answer()])
    assert result.status is AnnotationStatus.ACCEPTED
    assert (room.answers.looks, len(room.answers.settled)) == (4, 1)
    assert room.tally.answers == [("mail", Purpose.TRAIN, AnnotationStatus.ACCEPTED, 4.5)]


async def test_a_race_without_end_is_a_passing_trouble() -> None:
    room = Room(answers=RestlessAnswers(10**6))
    with pytest.raises(TransientError):
        await room.desk().submit("ann", [answer()])


async def test_results_come_in_the_order_of_the_answers() -> None:
    room = Room()
    wrong = Annotation(annotation_id="w", lease_token="nonsense", class_name="spam")
    results = await room.desk().submit("ann", [answer("a", 1), wrong, answer("b", 2, 700), answer("c", 1)])
    assert [(result.annotation_id, result.status) for result in results] == [
        ("a", AnnotationStatus.ACCEPTED),
        ("w", AnnotationStatus.REJECTED),
        ("b", AnnotationStatus.ACCEPTED),
        ("c", AnnotationStatus.ACCEPTED),  # These answers do not remember; the real ones supersede it.
    ]
    assert room.answers.looks == 2, "the second answer to one task waits for the first"
    assert [took_s for _, _, _, took_s in room.tally.answers] == [4.5, 0.7, 4.5]


async def test_extended_and_lost() -> None:
    desk = Room().desk()
    held = SEAL.mint(Grant(ticket=1, fencing_token=1), "ann")
    lost = SEAL.mint(Grant(ticket=2, fencing_token=1), "ann")
    extended = await desk.extend("ann", [lost, held, "nonsense"])
    assert [lease.lease_token for lease in extended.leases] == [held]
    assert extended.lost_lease_tokens == (lost, "nonsense")


async def test_the_board_shows_existing_projects_only() -> None:
    room = Room()
    assert await room.desk().stats() == [QueueStats(project="mail", open_tasks=3), QueueStats(project="news")]
    assert await room.desk().stats("news") == [QueueStats(project="news")]


async def test_figures_are_of_a_week_where_nothing_else_is_said() -> None:
    desk = Room().desk()
    assert [each.answers for each in await desk.annotators("mail")] == [7 * 86_400]
    assert [each.answers for each in await desk.annotators("mail", 60)] == [60]
    for project, within_s, refusal in (
        ("", 0, Refusal.NOT_FOUND),
        ("nix", 0, Refusal.NOT_FOUND),
        ("mail", 91 * 86_400, Refusal.INVALID_ARGUMENT),
    ):
        with pytest.raises(RefusedError) as refused:
            await desk.annotators(project, within_s)
        assert refused.value.refusal is refusal
