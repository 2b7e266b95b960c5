"""The state of the queue, from a few index scans, asked at most every so often however many look at it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import asyncpg

from streamlabel.core.decision import Purpose
from streamlabel.core.desk import QueueStats
from streamlabel.review.rules.order import PURPOSE_OF_RANK
from streamlabel.runtime.clock import Clock
from streamlabel.runtime.postgres.database import Database

# Index-only: the depth of a million waiting tasks costs about a tenth of a second.
_READY = """
SELECT project, purpose_rank, count(*) AS tasks, min(arrived_at) AS oldest_at FROM task WHERE state = 0
GROUP BY project, purpose_rank
"""
# Those that somebody has skipped wait like any other; only votes make one that wants another person begun in the eyes of an operator.
_BEGUN = """
SELECT project, purpose_rank, count(*) AS tasks, count(*) FILTER (WHERE votes > 0) AS begun, min(arrived_at) AS oldest_at
FROM task WHERE state = 3
GROUP BY project, purpose_rank
"""
_ESCALATED = """
SELECT project, count(*) AS tasks, count(*) FILTER (WHERE escalated_for = 4) AS contested FROM task WHERE state = 4
GROUP BY project
"""
_LEASED = "SELECT project, count(*) AS tasks FROM task WHERE state = 1 GROUP BY project"
_LABELLED = """
SELECT project, sum(labelled)::bigint AS labelled FROM (
    SELECT project, labelled FROM label_tally
    UNION ALL
    SELECT project, count(*) FROM outbox WHERE revision = 1 GROUP BY project
) AS counts GROUP BY project
"""
_ANSWERS = """
SELECT project, count(*) AS answers FROM annotation WHERE answered_at > clock_timestamp() - interval '1 minute'
GROUP BY project
"""
_OUTBOX = "SELECT count(*) AS waiting, clock_timestamp() AS seen_at FROM outbox"
# Looking may take up to this share of the time.
_COST_SHARE = 0.05


@dataclass(slots=True)
class ProjectQueue:
    """The queue of one project; `begun` are those of the waiting that want another person's vote, `escalated` those set aside,
    and `contested` those of them that votes left open."""

    waiting: dict[Purpose, int] = field(default_factory=dict)
    begun: int = 0
    escalated: int = 0
    contested: int = 0
    oldest_at: datetime | None = None
    leased: int = 0
    labelled: int = 0
    answers_per_minute: float = 0.0

    def add(self, row: asyncpg.Record) -> None:
        """Count the tasks of one purpose that wait."""
        purpose = PURPOSE_OF_RANK[row["purpose_rank"]]
        self.waiting[purpose] = self.waiting.get(purpose, 0) + row["tasks"]
        self.oldest_at = min(filter(None, (self.oldest_at, row["oldest_at"])))


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardReading:
    """Everything, as it was at `seen_at` by the database's clock."""

    seen_at: datetime
    outbox_rows: int
    projects: Mapping[str, ProjectQueue]


class PostgresBoard:
    """Keeps the promises of `ports.QueueBoard`.

    A reading is shared by all who ask within `max_age_s`, and longer where it was dear to get; 0: each asks for itself.
    """

    def __init__(self, database: Database, *, clock: Clock, max_age_s: float) -> None:
        self._database = database
        self._clock = clock
        self._max_age_s = max_age_s
        self._reading: BoardReading | None = None
        self._fresh_until_s = 0.0
        self._turn = asyncio.Lock()

    async def queues(self) -> Sequence[QueueStats]:
        """One entry per project that ever had a task."""
        reading = await self.read()
        return [
            QueueStats(
                project=name,
                open_tasks=sum(queue.waiting.values()),
                begun_tasks=queue.begun,
                escalated_tasks=queue.escalated,
                contested_tasks=queue.contested,
                leased_tasks=queue.leased,
                answered_tasks=queue.labelled,
                oldest_at=queue.oldest_at,
                answers_per_minute=queue.answers_per_minute,
            )
            for name, queue in sorted(reading.projects.items())
        ]

    async def read(self) -> BoardReading:
        """A reading that is fresh enough; only one at a time asks the database."""
        async with self._turn:
            began_s = self._clock.monotonic_s()
            if self._reading is None or began_s >= self._fresh_until_s:
                self._reading = await self._ask()
                ended_s = self._clock.monotonic_s()
                if self._max_age_s:
                    self._fresh_until_s = ended_s + max(self._max_age_s, (ended_s - began_s) / _COST_SHARE)
            return self._reading

    async def _ask(self) -> BoardReading:
        projects: dict[str, ProjectQueue] = {}

        def queue(name: str) -> ProjectQueue:
            return projects.setdefault(name, ProjectQueue())

        for row in await self._database.fetch(_READY):
            queue(row["project"]).add(row)
        for row in await self._database.fetch(_BEGUN):
            queue(row["project"]).add(row)
            queue(row["project"]).begun += row["begun"]
        for row in await self._database.fetch(_ESCALATED):
            queue(row["project"]).escalated = row["tasks"]
            queue(row["project"]).contested = row["contested"]
        for row in await self._database.fetch(_LEASED):
            queue(row["project"]).leased = row["tasks"]
        for row in await self._database.fetch(_LABELLED):
            if row["project"] is not None:
                queue(row["project"]).labelled = row["labelled"]
        for row in await self._database.fetch(_ANSWERS):
            queue(row["project"]).answers_per_minute = float(row["answers"])
        outbox = (await self._database.fetch(_OUTBOX))[0]
        return BoardReading(seen_at=outbox["seen_at"], outbox_rows=outbox["waiting"], projects=projects)
