"""Tasks that people do not answer: ended leases, what was set aside, and who is there to be asked instead."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import MappingProxyType

import asyncpg

from streamlabel.core.history import EscalationReason, SkipReason
from streamlabel.review.adapters.postgres.answers import STATE_NUMBER, STATE_OF_NUMBER
from streamlabel.review.adapters.postgres.bell import ready_channel
from streamlabel.review.adapters.postgres.leases import CALLED
from streamlabel.review.aside_ports import Ending
from streamlabel.review.rules.aside import Unanswered
from streamlabel.review.rules.order import PURPOSE_OF_RANK
from streamlabel.review.rules.tokens import Grant
from streamlabel.runtime.postgres.database import Database

SKIP_NUMBER: Mapping[SkipReason, int] = MappingProxyType(
    {
        SkipReason.CANNOT_TELL: 1,
        SkipReason.BROKEN_RECORD: 2,
        SkipReason.NOT_MY_FIELD: 3,
        SkipReason.OTHER: 4,
    }
)
SKIP_OF_NUMBER: Mapping[int, SkipReason] = MappingProxyType({number: reason for reason, number in SKIP_NUMBER.items()})
ESCALATION_NUMBER: Mapping[EscalationReason, int] = MappingProxyType(
    {
        EscalationReason.SKIPPED: 1,
        EscalationReason.ATTEMPTS: 2,
        EscalationReason.BY_PERSON: 3,
        EscalationReason.CONTESTED: 4,
    }
)
ESCALATION_OF_NUMBER: Mapping[int, EscalationReason] = MappingProxyType(
    {number: reason for reason, number in ESCALATION_NUMBER.items()}
)

# Whoever has a task in hand is there, or came to the counter a minute ago at most.
_LOOK = """
SELECT project, purpose_rank, state, fencing_token, skipped_by, attempts,
    fencing_token = $2 AND (state IN (0, 3) OR (state = 1 AND lease_owner = $3)) AS holds,
    skip.ticket IS NOT NULL AS was_skipped,
    CASE WHEN skip.ticket IS NOT NULL THEN skip.escalated_for WHEN state IN (1, 4) THEN task.escalated_for END AS escalated_for,
    ARRAY (
        SELECT lease_owner FROM task AS held
        WHERE held.state = 1 AND held.project = task.project AND held.lease_until > clock_timestamp()
        UNION
        SELECT annotator FROM attendance
        WHERE project IN ('', task.project) AND seen_at > clock_timestamp() - interval '1 minute'
    ) AS there
FROM (SELECT * FROM task WHERE ticket = $1 LIMIT 1) AS task
LEFT JOIN LATERAL (
    SELECT ticket, escalated_for FROM skip WHERE ticket = $1 AND fencing_token = $2 AND annotator = $3 LIMIT 1
) AS skip ON true
"""
_PUT_BACK = f"""
WITH locked AS MATERIALIZED (
    SELECT ticket FROM task
    WHERE ticket = $1 AND fencing_token = $2 AND (state IN (0, 3) OR (state = 1 AND lease_owner = $3)) AND state = $4
        AND attempts = $5 AND coalesce(cardinality(skipped_by), 0) = $6
    FOR UPDATE
), kept AS (
    INSERT INTO skip (ticket, fencing_token, annotator, reason, note, escalated_for)
    SELECT ticket, $2, $3, $7, $8, $9 FROM locked
    ON CONFLICT (ticket, fencing_token) DO NOTHING
    RETURNING ticket
), freed AS (
    UPDATE task SET
        state = CASE WHEN $9::smallint IS NULL THEN 3 ELSE 4 END, escalated_for = $9, attempts = attempts + 1,
        skipped_by = CASE WHEN $7::smallint IS NULL THEN skipped_by ELSE array_append(array_remove(skipped_by, $3), $3) END,
        skipped_at = clock_timestamp(),
        lease_owner = NULL, leased_at = NULL, lease_until = NULL
    WHERE ticket = ANY (ARRAY (SELECT ticket FROM kept))
    RETURNING project, state, {CALLED} AS called
)
SELECT CASE WHEN state = 3 THEN pg_notify($10, project || ':' || called) END FROM freed
"""
_REQUEUE_ROWS = 1000
# What is contested has its votes, and would be contested again.
_REQUEUE = f"""
WITH held AS MATERIALIZED (
    SELECT ticket FROM task
    WHERE state = 4 AND project = $1 AND escalated_for IS NOT NULL AND escalated_for <> 4
    ORDER BY ticket LIMIT {_REQUEUE_ROWS}
    FOR UPDATE SKIP LOCKED
), noted AS (
    INSERT INTO requeue (ticket) SELECT ticket FROM held
), freed AS (
    UPDATE task SET
        state = CASE WHEN votes = 0 THEN 0 ELSE 3 END,
        skipped_by = NULL, skipped_at = NULL, attempts = 0, escalated_for = NULL
    WHERE ticket = ANY (ARRAY (SELECT ticket FROM held))
    RETURNING 1 + votes AS called
)
SELECT count(*) AS requeued, CASE WHEN count(*) > 0 THEN pg_notify($2, $1::text || ':' || sum(called)) END FROM freed
"""
_CAME = """
INSERT INTO attendance (annotator, project, seen_at) VALUES ($1, $2, clock_timestamp())
ON CONFLICT (annotator, project) DO UPDATE SET seen_at = excluded.seen_at
"""
_CAME_EVERY_S = 15.0
_MOST_NOTED = 10_000


class PostgresSkips:
    """Keeps the promises of `aside_ports.Skips`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def look(self, annotator: str, grant: Grant) -> Unanswered | None:
        """One snapshot."""
        rows = await self._database.fetch(_LOOK, grant.ticket, grant.fencing_token, annotator)
        return _unanswered(rows[0]) if rows else None

    async def put_back(self, annotator: str, grant: Grant, found: Unanswered, end: Ending) -> bool:
        """One statement, one transaction."""
        rows = await self._database.fetch(
            _PUT_BACK,
            grant.ticket,
            grant.fencing_token,
            annotator,
            STATE_NUMBER[found.state],
            found.attempts,
            len(found.skipped_by),
            SKIP_NUMBER[end.reason] if end.reason is not None else None,
            end.note,
            ESCALATION_NUMBER[end.escalation] if end.escalation is not None else None,
            ready_channel(self._database.schema),
        )
        return bool(rows)

    async def requeue(self, project: str) -> int:
        """A thousand tasks a transaction."""
        requeued = 0
        while True:
            [row] = await self._database.fetch(_REQUEUE, project, ready_channel(self._database.schema))
            count: int = row["requeued"]
            requeued += count
            if count < _REQUEUE_ROWS:
                return requeued


class PostgresAttendance:
    """Keeps the promises of `aside_ports.Attendance`: of each person one row is written every quarter of a minute."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._noted_at_s: dict[tuple[str, str], float] = {}

    async def came(self, annotator: str, project: str) -> None:
        """Mostly a look into memory."""
        now_s = time.monotonic()
        if now_s - self._noted_at_s.get((annotator, project), -_CAME_EVERY_S) < _CAME_EVERY_S:
            return
        if len(self._noted_at_s) >= _MOST_NOTED:
            self._noted_at_s.clear()
        self._noted_at_s[annotator, project] = now_s
        await self._database.fetch(_CAME, annotator, project)


def _unanswered(row: asyncpg.Record) -> Unanswered:
    reason = row["escalated_for"]
    return Unanswered(
        project=row["project"],
        purpose=PURPOSE_OF_RANK[row["purpose_rank"]],
        state=STATE_OF_NUMBER[row["state"]],
        fencing_token=row["fencing_token"],
        holds=row["holds"],
        was_skipped=row["was_skipped"],
        skipped_by=tuple(row["skipped_by"] or ()),
        attempts=row["attempts"],
        there=frozenset(row["there"]),
        escalation=ESCALATION_OF_NUMBER[reason] if reason is not None else None,
    )
