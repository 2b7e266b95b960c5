"""Claiming, extending, releasing and expiring leases. All times are the database's."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate

import asyncpg

from streamlabel.core.decision import Purpose
from streamlabel.review.adapters.postgres.bell import ready_channel
from streamlabel.review.adapters.postgres.gathering import Gathering
from streamlabel.review.ports import Claim
from streamlabel.review.rules.order import PURPOSE_OF_RANK
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

# Begun tasks are few, and lie apart, so that the claims above need not look at votes. What is one's own vote to have is asked of the
# task's row itself: the lock is taken on what it is now, so that a vote that comes in between counts.
_BEGUN_FOR = "state = 3 AND project = ANY ($1::text[]) AND array_position(voters, {annotator}) IS NULL"
_MAY_VOTE = f"""
SELECT annotator FROM unnest($2::text[]) AS asked (annotator)
CROSS JOIN LATERAL (SELECT FROM task WHERE {_BEGUN_FOR.format(annotator="asked.annotator")} LIMIT 1) AS begun
"""
_CLAIM_BEGUN = f"""
WITH picked AS MATERIALIZED (
    SELECT ticket FROM task
    WHERE {_BEGUN_FOR.format(annotator="$2")}
    ORDER BY purpose_rank, priority DESC, ticket
    LIMIT $3
    FOR UPDATE SKIP LOCKED
), leased AS (
    UPDATE task SET
        state = 1, fencing_token = fencing_token + 1, lease_owner = $2,
        leased_at = clock_timestamp(), lease_until = clock_timestamp() + $4::interval
    WHERE ticket = ANY (ARRAY (SELECT ticket FROM picked))
    RETURNING ticket, fencing_token, lease_until, purpose_rank, priority
)
SELECT ticket, fencing_token, lease_until, message {MESSAGE_OF_LEASED}
ORDER BY purpose_rank, priority DESC, ticket
"""

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

# What has votes is begun again. So many are called for it that one of them has not voted.
_FREE = """
, freed AS (
    UPDATE task SET
        state = CASE WHEN votes = 0 THEN 0 ELSE 3 END, lease_owner = NULL, leased_at = NULL, lease_until = NULL
    WHERE ticket = ANY (ARRAY (SELECT ticket FROM held))
    RETURNING project, purpose_rank, votes
), counts AS (
    SELECT project, purpose_rank, count(*) AS freed, sum(1 + votes) AS called FROM freed GROUP BY project, purpose_rank
)
SELECT project, purpose_rank, freed, pg_notify($3, project || ':' || called) FROM counts
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
# While none of those who ask could vote on a begun task, begun tasks are looked for at most this often: a look is a statement more.
_LOOK_INTERVAL_S = 0.2


@dataclass(frozen=True, slots=True)
class _Wish:
    """One annotator's part of a claim."""

    annotator: str
    max_tasks: int


class PostgresLeases:
    """Keeps the promises of `ports.Leases`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._counters: dict[tuple[tuple[str, ...], float], _Counter] = {}

    async def claim(self, annotator: str, projects: Sequence[str], max_tasks: int, lease_s: float) -> Sequence[Claim]:
        """One statement, shared with those who ask for the same projects now: what it returns is nobody else's."""
        key = (tuple(projects), lease_s)
        if key not in self._counters:
            if (
                len(self._counters) >= _MOST_GATHERINGS
            ):  # Projects come and go; asks in hand keep their gathering alive.
                self._counters.clear()
            self._counters[key] = _Counter(self._database, *key)
        return await self._counters[key].asks.ask(_Wish(annotator, max_tasks))

    async def extend(self, grants: Sequence[Grant], lease_s: float) -> Mapping[Grant, tuple[str, datetime]]:
        """A heap-only update a lease: no index is touched."""
        rows = await self._database.fetch(_EXTEND, *_columns(grants), timedelta(seconds=lease_s))
        return {_grant_of(row): (row["task_id"], row["lease_until"]) for row in rows}

    async def release(self, grants: Sequence[Grant]) -> Mapping[tuple[str, Purpose], int]:
        """Also rings the bell: somebody may be waiting for just these."""
        rows = await self._database.fetch(_RELEASE, *_columns(grants), ready_channel(self._database.schema))
        return {(row["project"], PURPOSE_OF_RANK[row["purpose_rank"]]): row["freed"] for row in rows}

    async def expire(self) -> Mapping[str, int]:
        """Make ready what ran out of its lease, at most 1,000 tasks; returns how many of each project."""
        rows = await self._database.fetch(_EXPIRE, ready_channel(self._database.schema))
        freed: Counter[str] = Counter()
        for row in rows:
            freed[row["project"]] += row["freed"]
        return freed


class _Counter:
    """Where all stand who ask for tasks of the same projects."""

    def __init__(self, database: Database, projects: Sequence[str], lease_s: float) -> None:
        self.asks: Gathering[_Wish, Sequence[Claim]] = Gathering(self._claim, weight=lambda wish: wish.max_tasks)
        self._database = database
        self._projects = projects
        self._lease_for = timedelta(seconds=lease_s)
        self._look_at_s = 0.0

    async def _claim(self, wishes: Sequence[_Wish]) -> Sequence[Sequence[Claim]]:
        """Begun tasks go first: a label that wants one more vote should not wait for the rest of the queue.

        They are looked for now and then, and whenever ready tasks do not suffice: nobody goes away while there is work for them.
        """
        looked = asyncio.get_running_loop().time() >= self._look_at_s
        claims = await self._begun(wishes) if looked else [[] for _ in wishes]
        if missing := _missing(wishes, claims):
            for place, more in zip(missing, await self._ready([*missing.values()]), strict=True):
                claims[place] += more
        if not looked and (missing := _missing(wishes, claims)):
            for place, more in zip(missing, await self._begun([*missing.values()]), strict=True):
                claims[place] += more
        return claims

    async def _ready(self, wishes: Sequence[_Wish]) -> Sequence[Sequence[Claim]]:
        upto = list(accumulate(wish.max_tasks for wish in wishes))
        after = [0, *upto[:-1]]
        one = len(self._projects) == 1
        rows = await self._database.fetch(
            _CLAIM_IN_PROJECT if one else _CLAIM_ANYWHERE,
            self._projects[0] if one else list(self._projects),
            [wish.annotator for wish in wishes],
            after,
            upto,
            upto[-1],
            self._lease_for,
        )
        return [
            [claim_of(row) for row in rows if low < row["place"] <= high] for low, high in zip(after, upto, strict=True)
        ]

    async def _begun(self, wishes: Sequence[_Wish]) -> list[list[Claim]]:
        """One look for all; then a statement for each who may vote, as each may vote on other tasks."""
        projects = list(self._projects)
        rows = await self._database.fetch(_MAY_VOTE, projects, [wish.annotator for wish in wishes])
        self._look_at_s = 0.0 if rows else asyncio.get_running_loop().time() + _LOOK_INTERVAL_S
        may_vote = {row["annotator"] for row in rows}
        claims: list[list[Claim]] = []
        for wish in wishes:
            given: Sequence[asyncpg.Record] = ()
            if wish.annotator in may_vote:
                given = await self._database.fetch(
                    _CLAIM_BEGUN, projects, wish.annotator, wish.max_tasks, self._lease_for
                )
            claims.append([claim_of(row) for row in given])
        return claims


def _missing(wishes: Sequence[_Wish], claims: Sequence[Sequence[Claim]]) -> dict[int, _Wish]:
    """What is still wanted, by the place of the wish."""
    return {
        place: _Wish(wish.annotator, wish.max_tasks - len(given))
        for place, (wish, given) in enumerate(zip(wishes, claims, strict=True))
        if len(given) < wish.max_tasks
    }


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
