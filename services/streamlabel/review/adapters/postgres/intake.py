"""The way in: tasks and the offset behind them, in one transaction."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from streamlabel.core.identity import RecordKey
from streamlabel.core.review import ReviewTask
from streamlabel.errors import InvalidMessageError
from streamlabel.review.adapters.postgres.again import take_again
from streamlabel.review.adapters.postgres.bell import ready_channel
from streamlabel.review.adapters.postgres.outbox import store_dead_letters
from streamlabel.review.ports import Projects
from streamlabel.review.rules.admission import admit, conflicting
from streamlabel.review.rules.order import PURPOSE_RANK
from streamlabel.runtime.dead_letter import dead_letter
from streamlabel.runtime.handlers import Loss, StaleOffsetError, StoredOffset
from streamlabel.runtime.log_mark import mark_of
from streamlabel.runtime.messages import Message
from streamlabel.runtime.postgres.database import Connection, Database
from streamlabel.runtime.postgres.headers import pack_headers
from streamlabel.wire import decisions, review_tasks
from streamlabel.wire.headers import carried

log = logging.getLogger(__name__)

# The fence. The lock it takes also keeps a second consumer of the partition waiting until this transaction is over.
_BEGIN_OFFSET = """
INSERT INTO input_offset (topic, partition_no, next_offset, mark) VALUES ($1, $2, $3, $4)
ON CONFLICT (topic, partition_no) DO NOTHING RETURNING next_offset
"""
_MOVE_OFFSET = """
UPDATE input_offset SET next_offset = $3, mark = $4 WHERE topic = $1 AND partition_no = $2 AND next_offset = $5
RETURNING next_offset
"""
# A batch is joined with itself here; row by row, as everywhere else, that would be quadratic.
_JOIN_BY_HASH = "SET LOCAL enable_hashjoin = on"
_INSERT_TASKS = """
WITH given AS MATERIALIZED (
    SELECT * FROM unnest(
        $2::text[], $3::text[], $4::bytea[], $5::smallint[], $6::float8[], $7::smallint[], $8::bytea[],
        $9::text[], $10::bigint[], $11::timestamptz[], $12::bytea[], $13::bytea[]
    ) WITH ORDINALITY AS columns_given (
        project, record_id, content_hash, purpose_rank, priority, needed_votes, decision,
        model_name, model_version, event_at, headers, message, place
    )
), inserted AS (
    INSERT INTO task (
        partition_no, project, record_id, content_hash, purpose_rank, priority, needed_votes, decision,
        model_name, model_version, event_at, headers
    )
    SELECT $1, project, record_id, content_hash, purpose_rank, priority, needed_votes, decision,
        model_name, model_version, event_at, headers
    FROM given ORDER BY place
    ON CONFLICT (project, record_id) DO NOTHING
    RETURNING ticket, project, record_id
), payloads AS (
    INSERT INTO task_payload (ticket, message)
    SELECT ticket, message FROM inserted JOIN given USING (project, record_id)
)
SELECT project, record_id FROM inserted
"""
_NOTIFY = (
    "SELECT pg_notify($1, project || ':' || ready) FROM unnest($2::text[], $3::bigint[]) AS counts (project, ready)"
)

CountDeadLetter = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """What the sink needs to know of its surroundings; `refresh_projects` reads the table of projects to its present end."""

    topic: str
    labels_topic: str
    stage: str
    group: str
    projects: Projects
    refresh_projects: Callable[[], Awaitable[None]]
    on_outbox: Callable[[], None]
    count_dead_letter: CountDeadLetter


class TaskIntake:
    """Keeps the promises of `runtime.handlers.OffsetSink`: a record is in the queue once, however often it comes."""

    def __init__(self, database: Database, intake: Intake) -> None:
        self._database = database
        self._intake = intake

    async def offsets(self, partitions: Sequence[int]) -> Mapping[int, StoredOffset]:
        """As the database has them."""
        rows = await self._database.fetch(
            "SELECT partition_no, next_offset, mark FROM input_offset WHERE topic = $1 AND partition_no = ANY ($2::integer[])",
            self._intake.topic,
            list(partitions),
        )
        return {row["partition_no"]: StoredOffset(row["next_offset"], row["mark"] or "") for row in rows}

    async def lost(self, loss: Loss) -> str:
        """Only the offset moves: a task that comes again is the one that there is, so that a log may be read from its beginning."""
        async with self._database.transaction() as connection:
            await self._move_offset(connection, loss.partition, loss.stored_offset, loss.goes_on_at, mark=None)
        return (
            "no task comes twice by that, but records whose tasks are lost are asked of nobody: send them again "
            "(`streamlabel records send`)"
        )

    async def apply(
        self, partition: int, batch: Sequence[Message], expected_offset: int | None, next_offset: int
    ) -> None:
        """The fence, the tasks, labels that are published again, the dead letters: all or nothing."""
        sorted_out = await self._sort_out(batch)
        repeated = 0
        async with self._database.transaction() as connection:
            await self._move_offset(
                connection, partition, expected_offset, next_offset, mark=mark_of(batch[-1]) if batch else None
            )
            if sorted_out.tasks:
                repeated = await self._insert(connection, partition, sorted_out)
            letters = [
                dead_letter(message, error, stage=self._intake.stage, group=self._intake.group)
                for message, error in sorted_out.refused
            ]
            if letters:
                await store_dead_letters(connection, letters)
        for message, error in sorted_out.refused:
            self._intake.count_dead_letter(error.reason)
            place = {"partition": message.partition, "offset": message.offset}
            log.warning("task set aside: %s", error, extra=place)
        if sorted_out.refused or repeated:
            self._intake.on_outbox()

    async def _move_offset(
        self,
        connection: Connection,
        partition: int,
        expected_offset: int | None,
        next_offset: int,
        *,
        mark: str | None,
    ) -> None:
        place = (self._intake.topic, partition, next_offset, mark)
        if expected_offset is None:
            moved = await connection.fetchval(_BEGIN_OFFSET, *place)
        else:
            moved = await connection.fetchval(_MOVE_OFFSET, *place, expected_offset)
        if moved is None:
            raise StaleOffsetError(f"the offset of partition {partition} is no longer {expected_offset}")

    async def _sort_out(self, batch: Sequence[Message]) -> _SortedOut:
        """Decode and admit; a project that is not known is looked for once more, in the table as it is now."""
        found = _SortedOut({}, [], [])
        decoded: list[tuple[Message, ReviewTask]] = []
        for message in batch:
            try:
                decoded.append((message, review_tasks.decode(message.value)))
            except InvalidMessageError as error:
                found.refused.append((message, error))
        if any(self._intake.projects.get(task.key.project) is None for _, task in decoded):
            await self._intake.refresh_projects()
        for message, task in decoded:
            try:
                admit(task, message.key, self._intake.projects.get(task.key.project))
                found.add(message, task)
            except InvalidMessageError as error:
                found.refused.append((message, error))
        return found

    async def _insert(self, connection: Connection, partition: int, found: _SortedOut) -> int:
        """Insert what is new, and let what is there already come again; how many labels that publishes anew."""
        await connection.execute(_JOIN_BY_HASH)
        rows = [_row(message, task) for message, task in found.tasks.values()]
        inserted = {
            (row["project"], row["record_id"])
            for row in await connection.fetch(_INSERT_TASKS, partition, *map(list, zip(*rows, strict=True)))
        }
        called = Counter(project for project, _ in inserted)
        arrivals = [each for key, each in found.tasks.items() if (key.project, key.record_id) not in inserted]
        arrivals += found.again
        published = 0
        if arrivals:
            intake = self._intake
            again = await take_again(connection, arrivals, projects=intake.projects, labels_topic=intake.labels_topic)
            found.refused.extend(again.refused)
            called.update(again.called)
            published = again.labels
        if called:
            channel = ready_channel(self._database.schema)
            await connection.execute(_NOTIFY, channel, list(called.keys()), list(called.values()))
        return published


@dataclass(frozen=True, slots=True)
class _SortedOut:
    """A batch taken apart: the first task of each record, those that follow, and the messages that become dead letters."""

    tasks: dict[RecordKey, tuple[Message, ReviewTask]]
    again: list[tuple[Message, ReviewTask]]
    refused: list[tuple[Message, InvalidMessageError]]

    def add(self, message: Message, task: ReviewTask) -> None:
        """Take a task in; one about a record that is in this batch already comes again, or is refused."""
        _, first = self.tasks.setdefault(task.key, (message, task))
        if first.record.content_hash != task.record.content_hash:
            raise conflicting(task)
        if first is not task:
            self.again.append((message, task))


def _row(message: Message, task: ReviewTask) -> tuple[Any, ...]:
    purpose = task.decision.purpose
    if purpose is None:
        raise ValueError("a review task has a purpose")  # Decision refuses to be otherwise.
    return (
        task.key.project,
        task.key.record_id,
        task.record.content_hash,
        PURPOSE_RANK[purpose],
        task.priority,
        task.needed_votes,
        decisions.to_message(task.decision).SerializeToString(),
        task.model_name,
        task.model_version,
        task.record.event_at,
        pack_headers(carried(message.headers)),
        message.value,
    )
