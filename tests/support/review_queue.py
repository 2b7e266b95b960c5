"""A review desk on a real PostgreSQL, without Kafka: tasks go in as messages, labels are read from the outbox."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from streamlabel.core.decision import Decision, DecisionReason, Purpose, Route
from streamlabel.core.desk import AnnotationStatus
from streamlabel.core.history import EscalationReason, SkipReason
from streamlabel.core.identity import RecordKey
from streamlabel.core.label import Label
from streamlabel.core.project import Project
from streamlabel.core.record import Record, TextPayload
from streamlabel.core.review import ReviewTask, Suggestion
from streamlabel.review.adapters.grpc_service import ReviewServicer
from streamlabel.review.adapters.guard import VisibleProjects
from streamlabel.review.adapters.postgres.answers import PostgresAnswers
from streamlabel.review.adapters.postgres.bell import PostgresBell
from streamlabel.review.adapters.postgres.board import PostgresBoard
from streamlabel.review.adapters.postgres.crowds import PostgresCrowds
from streamlabel.review.adapters.postgres.figures import PostgresFigures
from streamlabel.review.adapters.postgres.intake import Intake, TaskIntake
from streamlabel.review.adapters.postgres.leases import PostgresLeases
from streamlabel.review.adapters.postgres.outbox import PostgresOutbox
from streamlabel.review.adapters.postgres.past_answers import PostgresPastAnswers
from streamlabel.review.adapters.postgres.records import PostgresTaskRecords
from streamlabel.review.adapters.postgres.schema import schema_settings, seal_key
from streamlabel.review.adapters.postgres.skips import PostgresAttendance, PostgresSkips
from streamlabel.review.aside import AsideDesk, TaskArchive
from streamlabel.review.handler import DeskLimits, ReviewDesk
from streamlabel.review.rules.aside import AsideLimits
from streamlabel.review.rules.tokens import TokenSeal
from streamlabel.runtime.backoff import Backoff
from streamlabel.runtime.clock import SystemClock
from streamlabel.runtime.health import Health
from streamlabel.runtime.messages import Headers, Message
from streamlabel.runtime.postgres.database import Database
from streamlabel.wire import labels, review_tasks
from streamlabel.wire.headers import ingest_headers
from streamlabel.wire.records import content_hash
from support.nouns import text_project

TASKS_TOPIC = "test.review-tasks.v1"
LABELS_TOPIC = "test.labels.v1"
GROUP = "test-review"


def task(
    record_id: str,
    *,
    project: str = "mail",
    text: str = "hello",
    purpose: Purpose = Purpose.TRAIN,
    priority: float = 0.5,
    blind: bool = False,
    needed_votes: int = 1,
) -> ReviewTask:
    """A task about a text."""
    payload = TextPayload(text)
    return ReviewTask(
        record=Record(
            key=RecordKey(project=project, record_id=record_id), payload=payload, content_hash=content_hash(payload, {})
        ),
        decision=Decision(
            route=Route.REVIEW, reason=DecisionReason.SCORE_BELOW_THRESHOLD, purpose=purpose, threshold=0.9, score=0.4
        ),
        project_version=1,
        suggestion=None if blind else Suggestion(class_name="spam", probability=0.4),
        priority=priority,
        needed_votes=needed_votes,
        blind=blind,
        model_name="m",
        model_version=1,
    )


def message(value: ReviewTask | bytes, offset: int, *, partition: int = 0, headers: Headers | None = None) -> Message:
    """The task, or whatever bytes, as they lie on the topic."""
    is_task = isinstance(value, ReviewTask)
    return Message(
        topic=TASKS_TOPIC,
        partition=partition,
        offset=offset,
        key=value.key.encode() if isinstance(value, ReviewTask) else b"mail/foreign",
        value=review_tasks.encode(value) if isinstance(value, ReviewTask) else value,
        headers=headers if headers is not None else (ingest_headers(1_700_000_000_000) if is_task else ()),
        timestamp_ms=0,
    )


class KnownProjects:
    """Projects without a topic."""

    def __init__(self, *projects: Project) -> None:
        self.by_name = {project.name: project for project in projects}

    def get(self, name: str) -> Project | None:
        return self.by_name.get(name)

    def all(self) -> Sequence[Project]:
        return sorted(self.by_name.values(), key=lambda project: project.name)


@dataclass
class Tally:
    """An observer that remembers."""

    granted: dict[str, int] = field(default_factory=dict)
    answers: list[tuple[str, Purpose, AnnotationStatus, float]] = field(default_factory=list)
    labelled_in: list[str] = field(default_factory=list)
    back: list[tuple[str, Purpose, int]] = field(default_factory=list)
    skips: list[tuple[str, Purpose, SkipReason]] = field(default_factory=list)
    set_aside: list[tuple[str, Purpose, EscalationReason]] = field(default_factory=list)

    def skipped(self, project: str, purpose: Purpose, reason: SkipReason) -> None:
        self.skips.append((project, purpose, reason))

    def escalated(self, project: str, purpose: Purpose, reason: EscalationReason, count: int = 1) -> None:
        self.set_aside += [(project, purpose, reason)] * count

    def given_back(self, project: str, purpose: Purpose, count: int) -> None:
        self.back.append((project, purpose, count))

    def leased(self, project: str, count: int) -> None:
        self.granted[project] = self.granted.get(project, 0) + count

    def answered(self, project: str, purpose: Purpose, status: AnnotationStatus, took_s: float) -> None:
        self.answers.append((project, purpose, status, took_s))

    def labelled(self, project: str) -> None:
        self.labelled_in.append(project)


@dataclass
class ReviewQueue:
    """Everything of the review service that is not Kafka, gRPC or HTTP."""

    database: Database
    desk: ReviewDesk
    aside: AsideDesk
    archive: TaskArchive
    leases: PostgresLeases
    intake: TaskIntake
    outbox: PostgresOutbox
    board: PostgresBoard
    crowds: PostgresCrowds
    projects: KnownProjects
    tally: Tally
    stopping: asyncio.Event
    dead: list[str]
    next_offset: int = 0
    wakes: int = 0
    refresh: Callable[[], Awaitable[None]] = field(default=lambda: asyncio.sleep(0))

    async def feed(self, *values: ReviewTask | bytes, partition: int = 0) -> None:
        """Deliver tasks in one batch."""
        batch = [message(value, self.next_offset + i, partition=partition) for i, value in enumerate(values)]
        stored = (await self.intake.offsets([partition])).get(partition)
        expected = None if stored is None else stored.next_offset
        self.next_offset += len(values)
        await self.intake.apply(partition, batch, expected, self.next_offset)

    async def published(self) -> list[Label]:
        """The labels that a publisher would see now, in its order; they count as published after this."""
        last = await self.outbox.last_published()
        rows = await self.outbox.pending(last, 1_000_000)
        if rows:
            await self.outbox.published(rows[-1].seq)
        return [labels.decode(row.value or b"") for row in rows if row.topic == LABELS_TOPIC]

    def servicer(self) -> ReviewServicer:
        """The desk as gRPC and the page call it."""
        return ReviewServicer(self.desk, self.aside, self.archive)

    async def scalar(self, sql: str, *arguments: object) -> object:
        """The one value that a statement gives."""
        return (await self.database.fetch(sql, *arguments))[0][0]


def database_of(dsn: str, *, schema: str = "review", pool_max: int = 10, **more: float) -> Database:
    """A database component, not started."""
    settings = schema_settings(dsn=dsn, schema=schema, pool_max=pool_max, **more)
    return Database(settings, health=Health(), clock=SystemClock(), backoff=Backoff(base_s=0.05, cap_s=0.2))


@asynccontextmanager
async def review_queue(
    dsn: str,
    *,
    lease_s: float = 60.0,
    projects: Sequence[Project] = (),
    pool_max: int = 10,
    labels_topic: str = LABELS_TOPIC,
    aside: AsideLimits | None = None,
    rest_s: float = 60.0,
    **limits: float,
) -> AsyncIterator[ReviewQueue]:
    """A desk on the database at `dsn`; two of them on one database are two replicas."""
    known = KnownProjects(*(projects or [text_project("mail"), text_project("news")]))
    database = database_of(dsn, pool_max=pool_max)
    await database.start()
    stopping = asyncio.Event()
    dead: list[str] = []
    tally = Tally()
    queue: ReviewQueue

    def woken() -> None:
        queue.wakes += 1

    async def refresh() -> None:
        await queue.refresh()

    aside = aside or AsideLimits()
    leases = PostgresLeases(
        database,
        max_attempts=aside.attempts,
        rest_s=rest_s,
        on_escalated=lambda project, purpose, count: tally.escalated(
            project, purpose, EscalationReason.ATTEMPTS, count
        ),
    )
    seal = TokenSeal(await seal_key(database))
    board = PostgresBoard(database, clock=SystemClock(), max_age_s=0.0)
    crowds = PostgresCrowds(database)
    bell = PostgresBell(database, stopping=stopping, clock=SystemClock(), backoff=Backoff(base_s=0.05, cap_s=0.2))
    intake = Intake(
        topic=TASKS_TOPIC,
        labels_topic=labels_topic,
        stage="review",
        group=GROUP,
        projects=known,
        refresh_projects=refresh,
        on_outbox=woken,
        count_dead_letter=dead.append,
    )
    desk = ReviewDesk(
        projects=VisibleProjects(known),
        leases=leases,
        answers=PostgresAnswers(database, labels_topic=labels_topic, on_label=woken),
        past_answers=PostgresPastAnswers(database),
        bell=bell,
        board=board,
        figures=PostgresFigures(database, clock=SystemClock(), max_age_s=0.0),
        crowds=crowds,
        attendance=PostgresAttendance(database),
        observer=tally,
        seal=seal,
        limits=DeskLimits(lease_s=lease_s, **limits),  # type: ignore[arg-type]
    )
    queue = ReviewQueue(
        database=database,
        desk=desk,
        aside=AsideDesk(projects=known, skips=PostgresSkips(database), observer=tally, seal=seal, limits=aside),
        archive=TaskArchive(projects=known, records=PostgresTaskRecords(database)),
        leases=leases,
        intake=TaskIntake(database, intake),
        outbox=PostgresOutbox(database),
        board=board,
        crowds=crowds,
        projects=known,
        tally=tally,
        stopping=stopping,
        dead=dead,
    )
    ringing = asyncio.create_task(bell.run())
    try:
        yield queue
    finally:
        stopping.set()
        await ringing
        await database.stop()
