"""Claiming, extending, releasing and expiring leases. All times are the database's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import asyncpg

from streamlabel.review.adapters.postgres.bell import ready_channel
from streamlabel.review.adapters.postgres.database import Database
from streamlabel.review.ports import Claim
from streamlabel.review.rules.tokens import Grant
from streamlabel.wire import review_tasks

# What every statement that hands out a task returns of it.
CLAIM_COLUMNS = "ticket, fencing_token, lease_until, message"

_CLAIM = """
WITH picked AS MATERIALIZED (
    SELECT ticket FROM task
    WHERE state = 0 AND {which}
    ORDER BY purpose_rank, priority DESC, ticket
    LIMIT $3
    FOR UPDATE SKIP LOCKED
), leased AS (
    UPDATE task SET
        state = 1, fencing_token = fencing_token + 1, lease_owner = $2,
        leased_at = clock_timestamp(), lease_until = clock_timestamp() + $4::interval
    FROM picked WHERE task.ticket = picked.ticket
    RETURNING task.ticket, fencing_token, lease_until, purpose_rank, priority
)
SELECT ticket, fencing_token, lease_until, message FROM leased JOIN task_payload USING (ticket)
ORDER BY purpose_rank, priority DESC, ticket
"""
_CLAIM_IN_PROJECT = _CLAIM.format(which="project = $1")
_CLAIM_ANYWHERE = _CLAIM.format(which="project = ANY ($1::text[])")

# Rows are locked in the order of their tickets wherever several are: nobody waits in a circle.
_HELD = """
WITH held AS MATERIALIZED (
    SELECT task.ticket FROM unnest($1::bigint[], $2::integer[]) AS given (ticket, fencing_token)
    JOIN task ON task.ticket = given.ticket AND task.fencing_token = given.fencing_token
    WHERE state = 1 AND lease_until > clock_timestamp()
    ORDER BY task.ticket
    FOR UPDATE OF task
)
"""
_EXTEND = (
    _HELD
    + """
UPDATE task SET lease_until = clock_timestamp() + $3::interval FROM held WHERE task.ticket = held.ticket
RETURNING task.ticket, fencing_token, project || '/' || record_id AS task_id, lease_until
"""
)

_FREE = """
, freed AS (
    UPDATE task SET state = 0, lease_owner = NULL, leased_at = NULL, lease_until = NULL
    FROM held WHERE task.ticket = held.ticket
    RETURNING project
), counts AS (
    SELECT project, count(*) AS freed FROM freed GROUP BY project
)
SELECT project, freed, pg_notify($3, project || ':' || freed) FROM counts
"""
_RELEASE = _HELD + _FREE
_EXPIRE = """
WITH held AS MATERIALIZED (
    SELECT ticket FROM task WHERE state = 1 AND lease_until <= clock_timestamp()
    ORDER BY ticket LIMIT 1000
    FOR UPDATE SKIP LOCKED
)
""" + _FREE.replace("$3", "$1")


class PostgresLeases:
    """Keeps the promises of `ports.Leases`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, annotator: str, projects: Sequence[str], max_tasks: int, lease_s: float) -> Sequence[Claim]:
        """One statement: what it returns is nobody else's, whatever happens next."""
        one = len(projects) == 1
        rows = await self._database.fetch(
            _CLAIM_IN_PROJECT if one else _CLAIM_ANYWHERE,
            projects[0] if one else list(projects),
            annotator,
            max_tasks,
            timedelta(seconds=lease_s),
        )
        return [claim_of(row) for row in rows]

    async def extend(self, grants: Sequence[Grant], lease_s: float) -> Mapping[Grant, tuple[str, datetime]]:
        """A heap-only update a lease: no index is touched."""
        rows = await self._database.fetch(_EXTEND, *_columns(grants), timedelta(seconds=lease_s))
        return {_grant_of(row): (row["task_id"], row["lease_until"]) for row in rows}

    async def release(self, grants: Sequence[Grant]) -> int:
        """Also rings the bell: somebody may be waiting for just these."""
        rows = await self._database.fetch(_RELEASE, *_columns(grants), ready_channel(self._database.schema))
        return sum(row["freed"] for row in rows)

    async def expire(self) -> Mapping[str, int]:
        """Make ready what ran out of its lease, at most 1,000 tasks; returns how many of each project."""
        rows = await self._database.fetch(_EXPIRE, ready_channel(self._database.schema))
        return {row["project"]: row["freed"] for row in rows}


def claim_of(row: asyncpg.Record) -> Claim:
    """The claim in a row of CLAIM_COLUMNS."""
    message: bytes = row["message"]
    return Claim(
        grant=_grant_of(row),
        expires_at=row["lease_until"],
        task=review_tasks.decode(message),
        size_bytes=len(message),
    )


def _grant_of(row: asyncpg.Record) -> Grant:
    return Grant(ticket=row["ticket"], fencing_token=row["fencing_token"])


def _columns(grants: Sequence[Grant]) -> tuple[list[int], list[int]]:
    return [grant.ticket for grant in grants], [grant.fencing_token for grant in grants]
