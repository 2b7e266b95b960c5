"""Keeping answers, and sending their labels on their way, by compare and set: nothing is locked while Python decides."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from types import MappingProxyType
from typing import Any

import asyncpg

from streamlabel.core.desk import AnnotationStatus
from streamlabel.core.identity import RecordKey
from streamlabel.core.label import Vote
from streamlabel.review.adapters.postgres.bell import ready_channel
from streamlabel.review.adapters.postgres.gathering import Gathering
from streamlabel.review.ports import Finding, Question, Settlement
from streamlabel.review.rules.answers import KeptAnnotation, Lineage, Standing, TaskState
from streamlabel.runtime.postgres.database import Database
from streamlabel.runtime.postgres.headers import unpack_headers
from streamlabel.v1 import decision_pb2
from streamlabel.wire import decisions, labels
from streamlabel.wire.headers import ingested_at

STATE_NUMBER: Mapping[TaskState, int] = MappingProxyType(
    {TaskState.READY: 0, TaskState.LEASED: 1, TaskState.ANSWERED: 2, TaskState.BEGUN: 3, TaskState.ESCALATED: 4}
)
STATE_OF_NUMBER: Mapping[int, TaskState] = MappingProxyType({number: state for state, number in STATE_NUMBER.items()})
STATUS_NUMBER: Mapping[AnnotationStatus, int] = MappingProxyType(
    {AnnotationStatus.ACCEPTED: 1, AnnotationStatus.SUPERSEDED: 3}
)
STATUS_OF_NUMBER: Mapping[int, AnnotationStatus] = MappingProxyType(
    {number: status for status, number in STATUS_NUMBER.items()}
)

# What `standing_of` reads, besides `lease_holds`.
STANDING_COLUMNS = """
    task.ticket, state, task.fencing_token, lease_until, task.revision,
    coalesce(extract(epoch FROM clock_timestamp() - leased_at), 0)::double precision AS held_s,
    clock_timestamp() AS seen_at,
    needed_votes, voters, voted_classes, decision_no, asked_from, contested_from,
    task.project, record_id, decision, content_hash, model_name, model_version, event_at, headers
"""
_LOOK = f"""
SELECT {STANDING_COLUMNS},
    state = 1 AND lease_until > clock_timestamp() AND lease_owner <> asked.annotator AS lease_holds,
    annotation.ticket AS kept_ticket, annotation.class_name AS kept_class_name, annotation.status AS kept_status
FROM unnest($1::text[], $2::text[], $3::bigint[]) WITH ORDINALITY AS asked (annotator, annotation_id, ticket, place)
LEFT JOIN LATERAL (SELECT * FROM task WHERE ticket = asked.ticket LIMIT 1) AS task ON true
LEFT JOIN LATERAL (
    SELECT * FROM annotation WHERE annotator = asked.annotator AND annotation_id = asked.annotation_id LIMIT 1
) AS annotation ON true
ORDER BY place
"""

# The row lock is taken on what the task is now; where that is not what was found, the row drops out and nothing of that
# answer is written. The insert is the second guard: of two equal submits at once only one gets past it.
_SETTLE_ANY = """
WITH given AS (
    SELECT * FROM unnest(
        $2::bigint[], $3::smallint[], $4::integer[], $5::timestamptz[], $6::integer[], $7::integer[], $8::integer[],
        $9::text[], $10::text[], $11::text[], $12::smallint[], $13::bigint[], $14::bytea[], $15::integer[],
        $16::text[], $17::float8[], $18::boolean[], $19::boolean[]
    ) AS columns_given (
        ticket, state, fencing_token, lease_until, revision, voter_count, decision_no,
        annotator, annotation_id, class_name, status, think_time_ms, label, taxonomy, label_class, label_posterior,
        leaves_open, decides
    )
), locked AS MATERIALIZED (
    SELECT given.*, project, record_id, partition_no, headers
    FROM given CROSS JOIN LATERAL (
        SELECT project, record_id, partition_no, headers FROM task
        WHERE ticket = given.ticket AND state = given.state AND fencing_token = given.fencing_token
            AND revision = given.revision AND lease_until IS NOT DISTINCT FROM given.lease_until
            AND coalesce(cardinality(voters), 0) = given.voter_count AND decision_no = given.decision_no
        LIMIT 1 FOR UPDATE
    ) AS task
), numbered AS MATERIALIZED (
    SELECT *, CASE WHEN label IS NULL THEN NULL ELSE nextval('outbox_no') END AS outbox_no,
        CASE WHEN label IS NULL THEN NULL ELSE revision + 1 END AS new_revision
    FROM locked
), kept AS (
    INSERT INTO annotation (
        annotator, annotation_id, ticket, project, fencing_token, class_name, status, think_time_ms, revision,
        outbox_no{vote}
    )
    SELECT annotator, annotation_id, ticket, project, fencing_token, class_name, status, think_time_ms, new_revision,
        outbox_no{of_vote}
    FROM numbered
    ON CONFLICT (annotator, annotation_id) DO NOTHING
    RETURNING ticket
), accepted AS MATERIALIZED (
    SELECT numbered.* FROM numbered JOIN kept USING (ticket) WHERE status = 1
), answered AS ({answered}
), sent AS (
    INSERT INTO outbox (outbox_no, topic, partition_no, key, value, headers, project, revision)
    SELECT outbox_no, $1, partition_no, convert_to(project || '/' || record_id, 'UTF8'), label,
        headers, project, new_revision
    FROM accepted WHERE label IS NOT NULL
)
"""
_SETTLE = (
    _SETTLE_ANY.format(
        vote="",
        of_vote="",
        answered="""
    UPDATE task SET
        state = 2, votes = votes + 1, revision = task.revision + 1, repeats = 0, taxonomy_version = taxonomy,
        voters = NULL, voted_classes = NULL, label_no = NULL, contested_from = NULL,
        escalated_for = NULL, attempts = 0, lease_owner = NULL, leased_at = NULL, lease_until = NULL
    FROM accepted
    WHERE task.ticket = ANY (ARRAY (SELECT ticket FROM accepted)) AND task.ticket = accepted.ticket""",
    )
    + "SELECT ticket FROM kept"
)
# Of votes, and of what decides where they leave a task open. Whoever waits is called where another vote is wanted, and so many that
# one of them has not voted.
_SETTLE_VOTES = (
    _SETTLE_ANY.format(
        vote=", vote_no, taxonomy_version, left_open",
        of_vote=", CASE WHEN status = 1 AND NOT decides THEN nextval('vote_no') END, taxonomy, leaves_open",
        answered="""
    UPDATE task SET
        state = CASE WHEN label IS NOT NULL THEN 2 WHEN leaves_open THEN 4 ELSE 3 END,
        votes = task.votes + CASE WHEN decides THEN 0 ELSE 1 END,
        revision = coalesce(new_revision, task.revision), label_no = accepted.outbox_no,
        repeats = 0, taxonomy_version = CASE WHEN label IS NOT NULL THEN taxonomy END,
        label_class = accepted.label_class, label_posterior = accepted.label_posterior,
        voters = CASE WHEN decides THEN voters ELSE array_append(voters, annotator) END,
        voted_classes = CASE WHEN decides THEN voted_classes ELSE array_append(voted_classes, class_name) END,
        contested_from = CASE WHEN leaves_open THEN task.fencing_token + 1 WHEN decides THEN contested_from END,
        escalated_for = CASE WHEN leaves_open THEN 4 END, attempts = 0, lease_owner = NULL, leased_at = NULL, lease_until = NULL
    FROM accepted
    WHERE task.ticket = ANY (ARRAY (SELECT ticket FROM accepted)) AND task.ticket = accepted.ticket
    RETURNING task.ticket, task.project, task.state, task.votes + coalesce(cardinality(skipped_by), 0) AS done""",
    )
    + """
SELECT ticket, CASE WHEN state = 3 THEN pg_notify($20, project || ':' || (done + 1)) END
FROM kept LEFT JOIN answered USING (ticket)
"""
)

_WON_AT = """
SELECT asked.ticket, answered_at FROM unnest($2::bigint[]) AS asked (ticket)
CROSS JOIN LATERAL (SELECT FROM task WHERE ticket = asked.ticket AND state = 2 LIMIT 1) AS task
CROSS JOIN LATERAL (
    SELECT max(answered_at) AS answered_at FROM annotation
    WHERE ticket = asked.ticket AND status = 1 AND retracted_at IS NULL AND annotator <> $1
) AS won
WHERE answered_at IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class _Asked:
    """One annotator's questions."""

    annotator: str
    questions: Sequence[Question]


@dataclass(frozen=True, slots=True)
class _Settled:
    """One annotator's settlements."""

    annotator: str
    settlements: Sequence[Settlement]


class PostgresAnswers:
    """Keeps the promises of `ports.Answers`; `on_label` is called after labels were sent on their way."""

    def __init__(self, database: Database, *, labels_topic: str, on_label: Callable[[], None]) -> None:
        self._database = database
        self._labels_topic = labels_topic
        self._on_label = on_label
        self._looks: Gathering[_Asked, Sequence[Finding]] = Gathering(
            self._look_all, weight=lambda asked: len(asked.questions)
        )
        self._settlements: Gathering[_Settled, frozenset[str]] = Gathering(
            self._settle_all, weight=lambda settled: len(settled.settlements)
        )

    async def look(self, annotator: str, questions: Sequence[Question]) -> Sequence[Finding]:
        """One statement, one snapshot; shared with others who look now."""
        return await self._looks.ask(_Asked(annotator, questions))

    async def settle(self, annotator: str, settlements: Sequence[Settlement]) -> frozenset[str]:
        """One statement, one transaction; shared with others who settle now. Votes have a statement of their own."""
        return await self._settlements.ask(_Settled(annotator, settlements))

    async def won_at(self, annotator: str, tickets: Sequence[int]) -> Mapping[int, datetime]:
        """Asked only for answers that came too late."""
        rows = await self._database.fetch(_WON_AT, annotator, list(tickets))
        return {row["ticket"]: row["answered_at"] for row in rows}

    async def _look_all(self, group: Sequence[_Asked]) -> Sequence[Sequence[Finding]]:
        asked = [(one.annotator, question) for one in group for question in one.questions]
        rows = await self._database.fetch(
            _LOOK,
            [annotator for annotator, _ in asked],
            [question.annotation_id for _, question in asked],
            [question.ticket for _, question in asked],
        )
        findings = iter([_finding(row) for row in rows])
        return [list(islice(findings, len(one.questions))) for one in group]

    async def _settle_all(self, group: Sequence[_Settled]) -> Sequence[frozenset[str]]:
        # Of several settlements of a task the first goes; the others were judged by a standing that is now past. Rows are
        # locked in the order of their tickets: nobody waits in a circle.
        chosen: dict[int, tuple[str, Settlement]] = {}
        for one in group:
            for settlement in one.settlements:
                chosen.setdefault(settlement.standing.ticket, (one.annotator, settlement))
        ordered = [chosen[ticket] for ticket in sorted(chosen)]
        alone = [_row(*each) for each in ordered if not _is_of_votes(each[1])]
        votes = [_row(*each) for each in ordered if _is_of_votes(each[1])]
        done = await self._write(_SETTLE, alone) if alone else set()
        if votes:
            done |= await self._write(_SETTLE_VOTES, votes, ready_channel(self._database.schema))
        kept = {id(settlement) for ticket, (_, settlement) in chosen.items() if ticket in done}
        if any(chosen[ticket][1].verdict.label for ticket in done):
            self._on_label()
        return [
            frozenset(each.annotation.annotation_id for each in one.settlements if id(each) in kept) for one in group
        ]

    async def _write(self, sql: str, rows: Sequence[tuple[Any, ...]], *more: object) -> set[int]:
        """The tickets whose answers were kept."""
        columns = map(list, zip(*rows, strict=True))
        return {row["ticket"] for row in await self._database.fetch(sql, self._labels_topic, *columns, *more)}


def _row(annotator: str, settlement: Settlement) -> tuple[Any, ...]:
    standing, annotation, verdict = settlement.standing, settlement.annotation, settlement.verdict
    return (
        standing.ticket,
        STATE_NUMBER[standing.state],
        standing.fencing_token,
        standing.lease_until,
        standing.revision,
        len(standing.votes),
        standing.decision_no,
        annotator,
        annotation.annotation_id,
        annotation.class_name,
        STATUS_NUMBER[verdict.status],
        annotation.think_time_ms,
        labels.encode(verdict.label) if verdict.label else None,
        verdict.taxonomy_version,
        verdict.label.class_name if verdict.label else None,
        verdict.label.posterior if verdict.label else None,
        verdict.leaves_open,
        verdict.decides,
    )


def _is_of_votes(settlement: Settlement) -> bool:
    return settlement.verdict.is_vote or settlement.verdict.decides


def _finding(row: asyncpg.Record) -> Finding:
    kept = None
    if row["kept_ticket"] is not None:
        kept = KeptAnnotation(
            ticket=row["kept_ticket"],
            class_name=row["kept_class_name"],
            status=STATUS_OF_NUMBER[row["kept_status"]],
        )
    return Finding(standing=standing_of(row) if row["ticket"] is not None else None, kept=kept)


def standing_of(row: asyncpg.Record) -> Standing:
    """How the task in a row with `STANDING_COLUMNS` and `lease_holds` stands."""
    return Standing(
        ticket=row["ticket"],
        state=STATE_OF_NUMBER[row["state"]],
        fencing_token=row["fencing_token"],
        lease_holds=row["lease_holds"],
        lease_until=row["lease_until"],
        revision=row["revision"],
        needed_votes=row["needed_votes"],
        votes=tuple(
            Vote(annotator=voter, class_name=class_name)
            for voter, class_name in zip(row["voters"] or (), row["voted_classes"] or (), strict=True)
        ),
        decision_no=row["decision_no"],
        asked_from=row["asked_from"],
        contested_from=row["contested_from"],
        seen_at=row["seen_at"],
        held_s=row["held_s"],
        lineage=Lineage(
            key=RecordKey(project=row["project"], record_id=row["record_id"]),
            decision=decisions.from_message(decision_pb2.Decision.FromString(row["decision"])),
            content_hash=row["content_hash"],
            model_name=row["model_name"],
            model_version=row["model_version"],
            event_at=row["event_at"],
            ingested_at=ingested_at(unpack_headers(row["headers"])),
        ),
    )
