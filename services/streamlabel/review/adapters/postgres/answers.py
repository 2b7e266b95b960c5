"""Keeping answers, and sending their labels on their way, by compare and set: nothing is locked while Python decides."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import asyncpg

from streamlabel.core.desk import AnnotationStatus
from streamlabel.core.identity import RecordKey
from streamlabel.review.adapters.postgres.database import Database
from streamlabel.review.adapters.postgres.headers import unpack_headers
from streamlabel.review.ports import Finding, Question, Settlement
from streamlabel.review.rules.answers import KeptAnnotation, Lineage, Standing, TaskState
from streamlabel.v1 import decision_pb2
from streamlabel.wire import decisions, labels
from streamlabel.wire.headers import ingested_at

STATE_NUMBER: Mapping[TaskState, int] = MappingProxyType(
    {TaskState.READY: 0, TaskState.LEASED: 1, TaskState.ANSWERED: 2}
)
STATE_OF_NUMBER: Mapping[int, TaskState] = MappingProxyType({number: state for state, number in STATE_NUMBER.items()})
STATUS_NUMBER: Mapping[AnnotationStatus, int] = MappingProxyType(
    {AnnotationStatus.ACCEPTED: 1, AnnotationStatus.SUPERSEDED: 3}
)
STATUS_OF_NUMBER: Mapping[int, AnnotationStatus] = MappingProxyType(
    {number: status for status, number in STATUS_NUMBER.items()}
)

_LOOK = """
SELECT
    task.ticket, state, task.fencing_token, lease_until, task.revision,
    state = 1 AND lease_until > clock_timestamp() AS lease_holds,
    coalesce(extract(epoch FROM clock_timestamp() - leased_at), 0)::double precision AS held_s,
    clock_timestamp() AS seen_at,
    task.project, record_id, decision, content_hash, model_name, model_version, event_at, headers,
    annotation.ticket AS kept_ticket, annotation.class_name AS kept_class_name, annotation.status AS kept_status
FROM unnest($2::text[], $3::bigint[]) WITH ORDINALITY AS asked (annotation_id, ticket, place)
LEFT JOIN task ON task.ticket = asked.ticket
LEFT JOIN annotation ON annotation.annotator = $1 AND annotation.annotation_id = asked.annotation_id
ORDER BY place
"""

# The row lock is taken on what the task is now; where that is not what was found, the row drops out and nothing of that
# answer is written. The insert is the second guard: of two equal submits at once only one gets past it.
_SETTLE = """
WITH given AS (
    SELECT * FROM unnest(
        $3::bigint[], $4::smallint[], $5::integer[], $6::timestamptz[], $7::integer[],
        $8::text[], $9::text[], $10::smallint[], $11::bigint[], $12::bytea[]
    ) AS columns_given (
        ticket, state, fencing_token, lease_until, revision,
        annotation_id, class_name, status, think_time_ms, label
    )
), locked AS MATERIALIZED (
    SELECT given.*, task.project, record_id, partition_no, headers
    FROM given JOIN task ON task.ticket = given.ticket
    WHERE task.state = given.state AND task.fencing_token = given.fencing_token AND task.revision = given.revision
        AND task.lease_until IS NOT DISTINCT FROM given.lease_until
    ORDER BY task.ticket
    FOR UPDATE OF task
), numbered AS MATERIALIZED (
    SELECT *, CASE WHEN label IS NULL THEN NULL ELSE nextval('outbox_no') END AS outbox_no,
        CASE WHEN label IS NULL THEN NULL ELSE revision + 1 END AS new_revision
    FROM locked
), kept AS (
    INSERT INTO annotation (
        annotator, annotation_id, ticket, project, fencing_token, class_name, status, think_time_ms, revision, outbox_no
    )
    SELECT $1, annotation_id, ticket, project, fencing_token, class_name, status, think_time_ms, new_revision, outbox_no
    FROM numbered
    ON CONFLICT (annotator, annotation_id) DO NOTHING
    RETURNING annotation_id
), accepted AS MATERIALIZED (
    SELECT numbered.* FROM numbered JOIN kept USING (annotation_id) WHERE label IS NOT NULL
), answered AS (
    UPDATE task SET
        state = 2, votes = votes + 1, revision = new_revision,
        lease_owner = NULL, leased_at = NULL, lease_until = NULL
    FROM accepted WHERE task.ticket = accepted.ticket
), sent AS (
    INSERT INTO outbox (outbox_no, topic, partition_no, key, value, headers, project, revision)
    SELECT outbox_no, $2, partition_no, convert_to(project || '/' || record_id, 'UTF8'), label,
        headers, project, new_revision
    FROM accepted
)
SELECT annotation_id FROM kept
"""


class PostgresAnswers:
    """Keeps the promises of `ports.Answers`; `on_label` is called after labels were sent on their way."""

    def __init__(self, database: Database, *, labels_topic: str, on_label: Callable[[], None]) -> None:
        self._database = database
        self._labels_topic = labels_topic
        self._on_label = on_label

    async def look(self, annotator: str, questions: Sequence[Question]) -> Sequence[Finding]:
        """One statement, one snapshot."""
        ids = [question.annotation_id for question in questions]
        tickets = [question.ticket for question in questions]
        return [_finding(row) for row in await self._database.fetch(_LOOK, annotator, ids, tickets)]

    async def settle(self, annotator: str, settlements: Sequence[Settlement]) -> frozenset[str]:
        """One statement, one transaction."""
        columns: list[list[Any]] = list(map(list, zip(*map(_row, settlements), strict=True)))
        rows = await self._database.fetch(_SETTLE, annotator, self._labels_topic, *columns)
        kept = frozenset(row["annotation_id"] for row in rows)
        if any(each.verdict.label and each.annotation.annotation_id in kept for each in settlements):
            self._on_label()
        return kept


def _row(settlement: Settlement) -> tuple[Any, ...]:
    standing, annotation, verdict = settlement.standing, settlement.annotation, settlement.verdict
    return (
        standing.ticket,
        STATE_NUMBER[standing.state],
        standing.fencing_token,
        standing.lease_until,
        standing.revision,
        annotation.annotation_id,
        annotation.class_name,
        STATUS_NUMBER[verdict.status],
        annotation.think_time_ms,
        labels.encode(verdict.label) if verdict.label else None,
    )


def _finding(row: asyncpg.Record) -> Finding:
    kept = None
    if row["kept_ticket"] is not None:
        kept = KeptAnnotation(
            ticket=row["kept_ticket"],
            class_name=row["kept_class_name"],
            status=STATUS_OF_NUMBER[row["kept_status"]],
        )
    return Finding(standing=_standing(row) if row["ticket"] is not None else None, kept=kept)


def _standing(row: asyncpg.Record) -> Standing:
    return Standing(
        ticket=row["ticket"],
        state=STATE_OF_NUMBER[row["state"]],
        fencing_token=row["fencing_token"],
        lease_holds=row["lease_holds"],
        lease_until=row["lease_until"],
        revision=row["revision"],
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
