"""What is known of tasks: one with its whole history, or many, a page at a time."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

from streamlabel.core.decision import Purpose
from streamlabel.core.history import (
    CurrentLease,
    TaskEvent,
    TaskEventKind,
    TaskHistory,
    TaskPage,
    TaskState,
    TaskSummary,
)
from streamlabel.core.identity import RecordKey
from streamlabel.review.adapters.postgres.answers import STATE_NUMBER, STATE_OF_NUMBER
from streamlabel.review.adapters.postgres.skips import ESCALATION_OF_NUMBER, SKIP_OF_NUMBER
from streamlabel.review.rules.order import PURPOSE_OF_RANK, PURPOSE_RANK
from streamlabel.runtime.postgres.database import Database
from streamlabel.v1 import decision_pb2
from streamlabel.wire import decisions, review_tasks

# The latest of these are told.
_MOST_EVENTS = 1000
# One page looks at so many tasks at most, so that a filter which few tasks pass never reads a whole queue at once.
_MOST_LOOKED_AT = 10_000

_SUMMARY = """
    ticket, project, record_id, state, purpose_rank, arrived_at, needed_votes, votes, revision, attempts,
    CASE WHEN state IN (1, 4) THEN escalated_for END AS escalated_for
"""
_FIND = f"""
SELECT {_SUMMARY}, decision, model_name, model_version, fencing_token, lease_owner, leased_at, lease_until, message,
    revision - repeats AS answered_as, label_class,
    lease_until > clock_timestamp() AS lease_holds
FROM (SELECT * FROM task WHERE project = $1 AND record_id = $2 LIMIT 1) AS task
JOIN LATERAL (SELECT message FROM task_payload WHERE ticket = task.ticket LIMIT 1) AS payload ON true
"""
# An answer is one event, the label that it made another, its retraction a third. What a single answer made is what it said; of
# what votes made, the latest is known.
_EVENTS = f"""
SELECT * FROM (
    SELECT answered_at AS at, 'answered' AS kind, annotator, class_name,
        fencing_token, 0 AS revision, NULL::smallint AS reason, NULL::smallint AS escalated_for, '' AS note, think_time_ms
    FROM annotation WHERE ticket = $1 AND status = 1
    UNION ALL
    SELECT answered_at, 'second_opinion', annotator, class_name, fencing_token, 0, NULL, NULL, '', think_time_ms
    FROM annotation WHERE ticket = $1 AND status = 3
    UNION ALL
    SELECT answered_at, 'labelled', '', CASE WHEN $2 = 1 AND vote_no IS NULL THEN class_name WHEN revision = $3 THEN $4 ELSE '' END,
        fencing_token, revision, NULL, NULL, '', 0
    FROM annotation WHERE ticket = $1 AND status = 1 AND revision IS NOT NULL
    UNION ALL
    SELECT retracted_at, 'retracted', annotator, class_name, fencing_token, 0, NULL, NULL, '', 0
    FROM annotation WHERE ticket = $1 AND status = 1 AND retracted_at IS NOT NULL
    UNION ALL
    SELECT skipped_at, 'skipped', annotator, '', fencing_token, 0, reason, NULL, note, 0
    FROM skip WHERE ticket = $1 AND reason IS NOT NULL
    UNION ALL
    SELECT skipped_at, 'escalated', CASE WHEN reason IS NULL THEN annotator ELSE '' END, '', fencing_token, 0, NULL,
        escalated_for, CASE WHEN reason IS NULL THEN note ELSE '' END, 0
    FROM skip WHERE ticket = $1 AND escalated_for IS NOT NULL
    UNION ALL
    SELECT answered_at, 'escalated', '', '', fencing_token, 0, NULL, 4, '', 0
    FROM annotation WHERE ticket = $1 AND status = 1 AND left_open
    UNION ALL
    SELECT expired_at, 'expired', annotator, '', fencing_token, 0, NULL, NULL, '', 0 FROM expiry WHERE ticket = $1
    UNION ALL
    SELECT expired_at, 'escalated', '', '', fencing_token, 0, NULL, escalated_for, '', 0
    FROM expiry WHERE ticket = $1 AND escalated_for IS NOT NULL
    UNION ALL
    SELECT requeued_at, 'requeued', '', '', 0, 0, NULL, NULL, '', 0 FROM requeue WHERE ticket = $1
) AS event
ORDER BY at DESC
LIMIT {_MOST_EVENTS}
"""
# By ticket, in bounded work: of the many, so many are looked at; of the few that an index of their own holds, all.
_PAGE = f"""
WITH seen AS MATERIALIZED (
    SELECT {_SUMMARY} FROM task WHERE ticket > $3 {{few}} ORDER BY ticket LIMIT {_MOST_LOOKED_AT}
)
SELECT *, (SELECT max(ticket) FROM seen) AS last_seen, (SELECT count(*) FROM seen) AS looked_at FROM (
    SELECT * FROM seen
    WHERE project = $1 AND ($4::smallint IS NULL OR state = $4) AND ($5::smallint IS NULL OR purpose_rank = $5)
    ORDER BY ticket LIMIT $2
) AS wanted
RIGHT JOIN (SELECT 1) AS one ON true
ORDER BY ticket
"""
_PAGE_OF = {
    state: _PAGE.format(few=f"AND state = {STATE_NUMBER[state]}")
    for state in (TaskState.LEASED, TaskState.BEGUN, TaskState.ESCALATED)
}
_ANY_PAGE = _PAGE.format(few="")
# Of one moment: what a person did, then what came of it.
_ORDER = {kind: place for place, kind in enumerate(TaskEventKind)}


class PostgresTaskRecords:
    """Keeps the promises of `aside_ports.TaskRecords`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, key: RecordKey) -> TaskHistory | None:
        """Two statements: an event that comes in between may be told of a task that does not know of it yet."""
        rows = await self._database.fetch(_FIND, key.project, key.record_id)
        if not rows:
            return None
        row = rows[0]
        task = _summary(row)
        latest = (row["answered_as"], row["label_class"] or "")
        told = await self._database.fetch(_EVENTS, task.ticket, task.needed_votes, *latest)
        shown = review_tasks.decode(row["message"])
        arrived = TaskEvent(at=task.arrived_at, kind=TaskEventKind.ARRIVED)
        return TaskHistory(
            task=task,
            decision=decisions.from_message(decision_pb2.Decision.FromString(row["decision"])),
            suggestion=shown.suggestion,
            model_name=row["model_name"],
            model_version=row["model_version"],
            lease=_lease(row) if row["lease_holds"] else None,
            events=tuple(sorted((arrived, *map(_event, told)), key=lambda event: (event.at, _ORDER[event.kind]))),
        )

    async def page(
        self, project: str, state: TaskState | None, purpose: Purpose | None, size: int, after_ticket: int
    ) -> tuple[TaskPage, int]:
        """One statement."""
        rows: Sequence[asyncpg.Record] = await self._database.fetch(
            _PAGE_OF.get(state, _ANY_PAGE) if state is not None else _ANY_PAGE,
            project,
            size,
            after_ticket,
            STATE_NUMBER[state] if state is not None else None,
            PURPOSE_RANK[purpose] if purpose is not None else None,
        )
        tasks = tuple(_summary(row) for row in rows if row["ticket"] is not None)
        if len(tasks) == size:
            return TaskPage(tasks=tasks), tasks[-1].ticket
        return TaskPage(tasks=tasks), rows[0]["last_seen"] if rows[0]["looked_at"] == _MOST_LOOKED_AT else 0


def _summary(row: asyncpg.Record) -> TaskSummary:
    reason = row["escalated_for"]
    return TaskSummary(
        key=RecordKey(project=row["project"], record_id=row["record_id"]),
        ticket=row["ticket"],
        state=STATE_OF_NUMBER[row["state"]],
        purpose=PURPOSE_OF_RANK[row["purpose_rank"]],
        arrived_at=row["arrived_at"],
        needed_votes=row["needed_votes"],
        votes=row["votes"],
        revision=row["revision"],
        attempts=row["attempts"],
        escalation=ESCALATION_OF_NUMBER[reason] if reason is not None else None,
    )


def _lease(row: asyncpg.Record) -> CurrentLease:
    return CurrentLease(
        annotator=row["lease_owner"],
        leased_at=row["leased_at"],
        expires_at=row["lease_until"],
        fencing_token=row["fencing_token"],
    )


def _event(row: asyncpg.Record) -> TaskEvent:
    return TaskEvent(
        at=row["at"],
        kind=TaskEventKind(row["kind"]),
        annotator=row["annotator"],
        class_name=row["class_name"],
        fencing_token=row["fencing_token"],
        revision=row["revision"],
        skip_reason=SKIP_OF_NUMBER[row["reason"]] if row["reason"] is not None else None,
        escalation=ESCALATION_OF_NUMBER[row["escalated_for"]] if row["escalated_for"] is not None else None,
        note=row["note"],
        think_time_ms=row["think_time_ms"],
    )
