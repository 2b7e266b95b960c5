"""Claiming, extending, releasing and expiring leases. All times are the database's."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate

import asyncpg

from streamlabel.core.decision import Purpose
from streamlabel.core.desk import LostReason
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

# Begun tasks are few, and lie apart, so that the claims above need not look at votes and skips. What is one's own vote to have is
# asked of the task's row itself: the lock is taken on what it is now, so that a vote that comes in between counts. What one has
# skipped oneself is taken only where nobody else has taken it for so long ({rested}).
_OPEN_TO = """state = {state} AND project = ANY ($1::text[]) AND array_position(voters, {annotator}) IS NULL
        AND (array_position(skipped_by, {annotator}) IS NULL OR skipped_at < clock_timestamp() - {rested}::interval)"""
# Votes go before all; what was merely skipped goes before ready tasks of its purpose, and behind those of a more urgent one.
_IN_TURN = """ AND (votes > 0 OR purpose_rank <= coalesce((
        SELECT min(best) FROM unnest($1::text[]) AS wanted (name) CROSS JOIN LATERAL (
            SELECT purpose_rank AS best FROM task WHERE state = 0 AND project = wanted.name
            ORDER BY purpose_rank, priority DESC, ticket LIMIT 1
        ) AS ready
    ), 32767))"""
_OPEN = """
SELECT annotator FROM unnest($2::text[]) AS asked (annotator)
CROSS JOIN LATERAL (SELECT FROM task WHERE {open_to} LIMIT 1) AS found
"""
_CLAIM_OPEN = """
WITH picked AS MATERIALIZED (
    SELECT ticket FROM task
    WHERE {open_to}
    ORDER BY purpose_rank, priority DESC, ticket
    LIMIT $3
    FOR UPDATE SKIP LOCKED
), leased AS (
    UPDATE task SET
        state = 1, fencing_token = fencing_token + 1, lease_owner = $2,
        leased_at = clock_timestamp(), lease_until = clock_timestamp() + $4::interval
    WHERE ticket = ANY (ARRAY (SELECT ticket FROM picked))
    RETURNING ticket, fencing_token, lease_until, purpose_rank, priority,
        CASE WHEN contested_from IS NOT NULL THEN voted_classes END AS voted_classes
)
SELECT ticket, fencing_token, lease_until, message, voted_classes {message}
ORDER BY purpose_rank, priority DESC, ticket
"""
_MAY_VOTE = _OPEN.format(open_to=_OPEN_TO.format(state=3, annotator="asked.annotator", rested="$3") + _IN_TURN)
_CLAIM_BEGUN, _CLAIM_ESCALATED = (
    _CLAIM_OPEN.format(
        open_to=_OPEN_TO.format(state=state, annotator="$2", rested="$5") + in_turn, message=MESSAGE_OF_LEASED
    )
    for state, in_turn in ((3, _IN_TURN), (4, ""))
)

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

# What was set aside is so again, what has votes or was skipped is begun. So many are called for it that one of them has done neither.
WHERE_FREE = "CASE WHEN escalated_for IS NOT NULL THEN 4 WHEN votes = 0 AND skipped_by IS NULL THEN 0 ELSE 3 END"
CALLED = "1 + votes + coalesce(cardinality(skipped_by), 0)"
_COUNT_FREED = f"""
counts AS (
    SELECT project, purpose_rank, count(*) AS freed, sum({CALLED}) FILTER (WHERE state <> 4) AS called,
        count(*) FILTER (WHERE is_new) AS set_aside
    FROM freed GROUP BY project, purpose_rank
)
SELECT project, purpose_rank, freed, set_aside,
    CASE WHEN called > 0 THEN pg_notify({{channel}}, project || ':' || called) END
FROM counts
"""
_RELEASE = (
    _HELD
    + f"""
, freed AS (
    UPDATE task SET state = {WHERE_FREE}, lease_owner = NULL, leased_at = NULL, lease_until = NULL
    WHERE ticket = ANY (ARRAY (SELECT ticket FROM held))
    RETURNING project, purpose_rank, votes, skipped_by, state, false AS is_new
), """
    + _COUNT_FREED.format(channel="$3")
)
# A lease that runs out is an attempt; after so many the task is set aside ($2).
_EXPIRE = f"""
WITH held AS MATERIALIZED (
    SELECT ticket, fencing_token, lease_owner, escalated_for IS NULL AND attempts + 1 >= $2 AS is_new
    FROM task WHERE state = 1 AND lease_until <= clock_timestamp()
    ORDER BY ticket LIMIT 1000
    FOR UPDATE SKIP LOCKED
), noted AS (
    INSERT INTO expiry (ticket, fencing_token, annotator, escalated_for)
    SELECT ticket, fencing_token, lease_owner, CASE WHEN is_new THEN 2 END FROM held
    ON CONFLICT DO NOTHING
), freed AS (
    UPDATE task SET
        state = CASE WHEN is_new THEN 4 ELSE {WHERE_FREE} END, attempts = attempts + 1,
        escalated_for = CASE WHEN is_new THEN 2 ELSE escalated_for END,
        lease_owner = NULL, leased_at = NULL, lease_until = NULL
    FROM held WHERE task.ticket = ANY (ARRAY (SELECT ticket FROM held)) AND task.ticket = held.ticket
    RETURNING project, purpose_rank, votes, skipped_by, state, is_new
), """ + _COUNT_FREED.format(channel="$1")
# Why leases do not hold.
_FATES = """
SELECT given.ticket, given.fencing_token,
    CASE
        WHEN task.ticket IS NULL OR given.fencing_token < asked_from THEN 'withdrawn'
        WHEN state = 2 THEN 'answered'
        WHEN task.fencing_token <> given.fencing_token THEN 'taken'
        ELSE 'expired'
    END AS fate
FROM unnest($1::bigint[], $2::integer[]) AS given (ticket, fencing_token)
LEFT JOIN LATERAL (SELECT ticket, state, fencing_token, asked_from FROM task WHERE ticket = given.ticket LIMIT 1) AS task ON true
"""


_MOST_GATHERINGS = 1000
# While somebody could vote on no begun task, such are looked for at most this often for them: a look is a statement more.
_LOOK_INTERVAL_S = 0.2
_LOOK_SHARE = 0.05
_DEAR_LOOK_S = 0.02
# Who has nothing else to do is kept from looking only where looks are so dear that the waiting alone would keep the database busy.
_DEAREST_LOOK_S = 0.25
_MOST_RESTING = 10_000
# What one has skipped oneself never counts as rested, until one has nothing else.
_FOR_EVER = timedelta(days=36_500)

OnEscalated = Callable[[str, Purpose, int], None]


@dataclass(frozen=True, slots=True)
class _Wish:
    """One annotator's part of a claim."""

    annotator: str
    max_tasks: int


class PostgresLeases:
    """Keeps the promises of `ports.Leases`."""

    def __init__(
        self,
        database: Database,
        *,
        max_attempts: int = 5,
        rest_s: float = 60.0,
        on_escalated: OnEscalated | None = None,
    ) -> None:
        self._database = database
        self._max_attempts = max_attempts
        self._rest = timedelta(seconds=rest_s)
        self._on_escalated = on_escalated
        self._counters: dict[tuple[tuple[str, ...], float], _Counter] = {}

    async def claim(
        self, annotator: str, projects: Sequence[str], max_tasks: int, lease_s: float, *, escalated: bool = False
    ) -> Sequence[Claim]:
        """One statement, shared with those who ask for the same projects now: what it returns is nobody else's."""
        if escalated:
            lease_for = timedelta(seconds=lease_s)
            rows = await self._database.fetch(
                _CLAIM_ESCALATED, list(projects), annotator, max_tasks, lease_for, self._rest
            )
            return [claim_of(row) for row in rows]
        key = (tuple(projects), lease_s)
        if key not in self._counters:
            if (
                len(self._counters) >= _MOST_GATHERINGS
            ):  # Projects come and go; asks in hand keep their gathering alive.
                self._counters.clear()
            self._counters[key] = _Counter(self._database, *key, self._rest)
        return await self._counters[key].asks.ask(_Wish(annotator, max_tasks))

    async def extend(
        self, grants: Sequence[Grant], lease_s: float
    ) -> Mapping[Grant, tuple[str, datetime] | LostReason]:
        """A heap-only update a lease: no index is touched. What became of the others is asked only where there are any."""
        rows = await self._database.fetch(_EXTEND, *_columns(grants), timedelta(seconds=lease_s))
        found: dict[Grant, tuple[str, datetime] | LostReason] = {
            _grant_of(row): (row["task_id"], row["lease_until"]) for row in rows
        }
        if lost := [grant for grant in grants if grant not in found]:
            for row in await self._database.fetch(_FATES, *_columns(lost)):
                found[_grant_of(row)] = LostReason(row["fate"])
        return found

    async def release(self, grants: Sequence[Grant]) -> Mapping[tuple[str, Purpose], int]:
        """Also rings the bell: somebody may be waiting for just these."""
        rows = await self._database.fetch(_RELEASE, *_columns(grants), ready_channel(self._database.schema))
        return {(row["project"], PURPOSE_OF_RANK[row["purpose_rank"]]): row["freed"] for row in rows}

    async def expire(self) -> Mapping[str, int]:
        """Free what ran out of its lease, at most 1,000 tasks, or set it aside; returns how many of each project."""
        rows = await self._database.fetch(_EXPIRE, ready_channel(self._database.schema), self._max_attempts)
        freed: Counter[str] = Counter()
        for row in rows:
            freed[row["project"]] += row["freed"]
            if row["set_aside"] and self._on_escalated is not None:
                self._on_escalated(row["project"], PURPOSE_OF_RANK[row["purpose_rank"]], row["set_aside"])
        return freed


class Looks:
    """Of whom it is worth to look whether they may have begun tasks: a look walks past all that they have voted on themselves.

    Who may have none just now is not looked for again for a moment; and the dearer the last look was, the longer it was the last, so
    that looking takes a small share of the time however many tasks wait for somebody else.
    """

    def __init__(self) -> None:
        self._until_s: dict[str, tuple[float, float]] = {}

    def due(self, annotators: Sequence[str], *, hungry: bool = False) -> frozenset[str]:
        """Those of them; where they have nothing else to do (`hungry`), all but those whose last look was very dear."""
        now_s = asyncio.get_running_loop().time()
        found = set()
        for name in annotators:
            until_s, took_s = self._until_s.get(name, (0.0, 0.0))
            if now_s >= until_s or (hungry and took_s < _DEAREST_LOOK_S):
                found.add(name)
        return frozenset(found)

    def looked(self, annotators: frozenset[str], may_vote: set[str], took_s: float) -> None:
        """One look for all of them took so long, and these may have some."""
        now_s = asyncio.get_running_loop().time()
        if len(self._until_s) > _MOST_RESTING:
            self._until_s.clear()
        for name in annotators:
            rest_s = took_s / _LOOK_SHARE if took_s > _DEAR_LOOK_S else 0.0
            if name not in may_vote:
                rest_s = max(rest_s, _LOOK_INTERVAL_S)
            self._until_s[name] = (now_s + rest_s, took_s)


class _Counter:
    """Where all stand who ask for tasks of the same projects."""

    def __init__(self, database: Database, projects: Sequence[str], lease_s: float, rest: timedelta) -> None:
        self.asks: Gathering[_Wish, Sequence[Claim]] = Gathering(self._claim, weight=lambda wish: wish.max_tasks)
        self._database = database
        self._projects = projects
        self._lease_for = timedelta(seconds=lease_s)
        self._rest = rest
        self._looks = Looks()
        self._looks_back = Looks()

    async def _claim(self, wishes: Sequence[_Wish]) -> Sequence[Sequence[Claim]]:
        """Begun tasks go first: a label that wants one more vote should not wait for the rest of the queue.

        They are looked for now and then, and whenever ready tasks do not suffice: nobody goes away while there is work for them. What
        one has skipped oneself comes again only when there is nothing else.
        """
        names = [wish.annotator for wish in wishes]
        looked = self._looks.due(names)
        claims = await self._begun(wishes, looked, self._looks)
        if missing := _missing(wishes, claims):
            for place, more in zip(missing, await self._ready([*missing.values()]), strict=True):
                claims[place] += more
        if missing := _missing(wishes, claims):
            hungry = self._looks.due([wish.annotator for wish in missing.values()], hungry=True) - looked
            for place, more in zip(missing, await self._begun([*missing.values()], hungry, self._looks), strict=True):
                claims[place] += more
        if missing := _missing(wishes, claims):
            back = self._looks_back.due([wish.annotator for wish in missing.values()])
            given = await self._begun([*missing.values()], back, self._looks_back, rest=self._rest)
            for place, more in zip(missing, given, strict=True):
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

    async def _begun(
        self, wishes: Sequence[_Wish], due: frozenset[str], looks: Looks, *, rest: timedelta = _FOR_EVER
    ) -> list[list[Claim]]:
        """One look for all of whom it is due; then a statement for each who may have any, as each may have others."""
        if not due:
            return [[] for _ in wishes]
        projects, began_s = list(self._projects), asyncio.get_running_loop().time()
        rows = await self._database.fetch(_MAY_VOTE, projects, sorted(due), rest)
        may_vote = {row["annotator"] for row in rows}
        looks.looked(due, may_vote, asyncio.get_running_loop().time() - began_s)
        claims: list[list[Claim]] = []
        for wish in wishes:
            given: Sequence[asyncpg.Record] = ()
            if wish.annotator in may_vote:
                given = await self._database.fetch(
                    _CLAIM_BEGUN, projects, wish.annotator, wish.max_tasks, self._lease_for, rest
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
        voted_classes=tuple(sorted(row.get("voted_classes") or ())),
    )


def _grant_of(row: asyncpg.Record) -> Grant:
    return Grant(ticket=row["ticket"], fencing_token=row["fencing_token"])


def _columns(grants: Sequence[Grant]) -> tuple[list[int], list[int]]:
    ordered = sorted(grants, key=lambda grant: grant.ticket)
    return [grant.ticket for grant in ordered], [grant.fencing_token for grant in ordered]
