"""Claiming, extending, releasing and expiring leases. All times are the database's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import accumulate

import asyncpg

from streamlabel.review.adapters.postgres.bell import ready_channel
from streamlabel.review.adapters.postgres.gathering import Gathering
from streamlabel.review.ports import Claim
from streamlabel.review.rules.tokens import Grant
from streamlabel.runtime.postgres.database import Database
from streamlabel.wire import review_tasks

# `ANY (ARRAY (SELECT …))` and `LATERAL … LIMIT 1` leave the planner no choice but the primary key, whatever its statistics say.
MESSAGE_OF_LEASED = """
FROM leased CROSS JOIN LATERAL (SELECT message FROM task_payload WHERE ticket = leased.ticket LIMIT 1) AS payload
"""
# Whoever asked first gets the most urgent tasks: `upto` counts the tasks of all up to and including this annotator.
_CLAIM = """
WITH wanted AS MATERIALIZED (
    SELECT * FROM unnest($2::text[], $3::integer[], $4::integer[]) AS asked (annotator, after, upto)
), picked AS MATERIALIZED (
    SELECT ticket, purpose_rank, priority FROM task
    WHERE state = 0 AND {which}
    ORDER BY purpose_rank, priority DESC, ticket
    LIMIT $5
    FOR UPDATE SKIP LOCKED
), placed AS MATERIALIZED (
    SELECT ticket AS placed_ticket, row_number() OVER (ORDER BY purpose_rank, priority DESC, ticket) AS place FROM picked
), leased AS (
    UPDATE task SET
        state = 1, fencing_token = fencing_token + 1, lease_owner = annotator,
        leased_at = clock_timestamp(), lease_until = clock_timestamp() + $6::interval
    FROM placed JOIN wanted ON place > after AND place <= upto
    WHERE ticket = ANY (ARRAY (SELECT placed_ticket FROM placed)) AND ticket = placed_ticket
    RETURNING ticket, fencing_token, lease_until, place
)
SELECT ticket, fencing_token, lease_until, message, place {message}
ORDER BY place
"""
_CLAIM_IN_PROJECT = _CLAIM.format(which="project = $1", message=MESSAGE_OF_LEASED)
# `ticket > 0` admits the index across projects: see the migration.
_CLAIM_ANYWHERE = _CLAIM.format(which="ticket > 0 AND project = ANY ($1::text[])", message=MESSAGE_OF_LEASED)

# Rows are locked in the order of their tickets wherever several are: nobody waits in a circle.
_HELD = """
WITH held AS MATERIALIZED (
    SELECT locked.ticket FROM unnest($1::bigint[], $2::integer[]) AS given (ticket, fencing_token)
    CROSS JOIN LATERAL (
        SELECT ticket FROM task
        WHERE ticket = given.ticket AND fencing_token = given.fencing_token
            AND state = 1 AND lease_until > clock_timestamp()
        LIMIT 1 FOR UPDATE
    ) AS locked
)
"""
_EXTEND = (
    _HELD
    + """
UPDATE task SET lease_until = clock_timestamp() + $3::interval WHERE ticket = ANY (ARRAY (SELECT ticket FROM held))
RETURNING ticket, fencing_token, project || '/' || record_id AS task_id, lease_until
"""
)

_FREE = """
, freed AS (
    UPDATE task SET state = 0, lease_owner = NULL, leased_at = NULL, lease_until = NULL
    WHERE ticket = ANY (ARRAY (SELECT ticket FROM held))
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


_MOST_GATHERINGS = 1000


@dataclass(frozen=True, slots=True)
class _Wish:
    """One annotator's part of a claim."""

    annotator: str
    max_tasks: int


class PostgresLeases:
    """Keeps the promises of `ports.Leases`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._claims: dict[tuple[tuple[str, ...], float], Gathering[_Wish, Sequence[Claim]]] = {}

    async def claim(self, annotator: str, projects: Sequence[str], max_tasks: int, lease_s: float) -> Sequence[Claim]:
        """One statement, shared with those who ask for the same projects now: what it returns is nobody else's."""
        key = (tuple(projects), lease_s)
        if key not in self._claims:
            if len(self._claims) >= _MOST_GATHERINGS:  # Projects come and go; asks in hand keep their gathering alive.
                self._claims.clear()
            self._claims[key] = Gathering(partial(self._claim_all, *key), weight=lambda wish: wish.max_tasks)
        return await self._claims[key].ask(_Wish(annotator, max_tasks))

    async def _claim_all(
        self, projects: tuple[str, ...], lease_s: float, wishes: Sequence[_Wish]
    ) -> Sequence[Sequence[Claim]]:
        upto = list(accumulate(wish.max_tasks for wish in wishes))
        after = [0, *upto[:-1]]
        one = len(projects) == 1
        rows = await self._database.fetch(
            _CLAIM_IN_PROJECT if one else _CLAIM_ANYWHERE,
            projects[0] if one else list(projects),
            [wish.annotator for wish in wishes],
            after,
            upto,
            upto[-1],
            timedelta(seconds=lease_s),
        )
        return [
            [claim_of(row) for row in rows if low < row["place"] <= high] for low, high in zip(after, upto, strict=True)
        ]

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
    """The claim in a row with `ticket`, `fencing_token`, `lease_until` and `message`."""
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
    ordered = sorted(grants, key=lambda grant: grant.ticket)
    return [grant.ticket for grant in ordered], [grant.fencing_token for grant in ordered]
