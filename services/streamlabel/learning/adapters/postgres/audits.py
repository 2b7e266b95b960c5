"""Audits in PostgreSQL: each is the next link of their chain (`gate/audit_chain.py`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from streamlabel.core.hash_chain import FIRST, chain_digest
from streamlabel.gate.audit_chain import AuditHead, ChainedAudit
from streamlabel.learning.rules.events import UNKNOWN_CLASS
from streamlabel.learning.rules.standing import Audit
from streamlabel.learning.rules.subject import Subject
from streamlabel.runtime.postgres.database import Connection, Database

_BOOK = "SELECT book_no, model_version FROM book WHERE project = $1 AND ended_at IS NULL"
_KNOWN = """
SELECT record_id, decided_at, gate_number FROM audit WHERE project = $1 AND book_no = $2 AND record_id = ANY ($3::text[])
"""
_HEAD = "SELECT last_no, digest FROM audit_chain"
_MOVE_HEAD = "UPDATE audit_chain SET last_no = $1, digest = $2"
_ADD = """
INSERT INTO audit
    (project, book_no, record_id, model_version, decided_at, gate_number, lane_rate, predicted, answer, passable, audit_no, digest)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
"""
# A process of the release before may have gone on for a moment after the migration: before the first link, these are counted anew.
_COUNT_UNCHAINED = """
UPDATE audit_chain SET unchained = (SELECT count(*) FROM audit WHERE audit_no IS NULL) WHERE last_no = 0
"""


async def count_unchained(database: Database) -> None:
    """Notes how many audits lie before the chain, while it has not begun. Nobody else writes audits meanwhile."""
    await database.fetch(_COUNT_UNCHAINED)


async def audit_head(connection: Connection) -> AuditHead:
    """How far the chain goes now; whoever asks holds the term."""
    [row] = await connection.fetch(_HEAD)
    return AuditHead(last_no=row["last_no"], digest=bytes(row["digest"] or FIRST))


async def add_audits(connection: Connection, subject: Subject, audits: Sequence[Audit]) -> None:
    """Appends what is not there yet to the chain, as audits of the open book of the subject; whoever does it holds the term."""
    [book] = await connection.fetch(_BOOK, subject.project)
    rows = await connection.fetch(
        _KNOWN, subject.project, book["book_no"], sorted({audit.record_id for audit in audits})
    )
    known = {(row["record_id"], _ms(row["decided_at"]), row["gate_number"]) for row in rows}
    fresh: list[Audit] = []
    for audit in audits:
        place = (audit.record_id, audit.at_ms, audit.gate)
        if place not in known:
            known.add(place)
            fresh.append(audit)
    if not fresh:
        return
    links = list(_linked(await audit_head(connection), subject, book["book_no"], book["model_version"], fresh))
    await connection.executemany(_ADD, [_columns(link) for link in links])
    await connection.execute(_MOVE_HEAD, links[-1].number, links[-1].digest)


def _linked(
    head: AuditHead, subject: Subject, book_no: int, model_version: int, audits: Sequence[Audit]
) -> Iterator[ChainedAudit]:
    names, previous = subject.class_names, head.digest
    for number, audit in enumerate(audits, head.last_no + 1):
        link = ChainedAudit(
            number=number,
            project=subject.project,
            book_no=book_no,
            record_id=audit.record_id,
            model_version=model_version,
            decided_ms=int(audit.at_ms),
            gate_number=int(audit.gate),
            lane_rate=float(audit.rate),
            predicted=names[audit.predicted],
            answer=None if audit.answer == UNKNOWN_CLASS else names[audit.answer],
            passable=bool(audit.passable),
            digest=b"",
        )
        previous = chain_digest(previous, link.content())
        yield replace(link, digest=previous)


def _columns(link: ChainedAudit) -> tuple[Any, ...]:
    return (
        link.project,
        link.book_no,
        link.record_id,
        link.model_version,
        datetime.fromtimestamp(link.decided_ms / 1000, UTC),
        link.gate_number,
        link.lane_rate,
        link.predicted,
        link.answer,
        link.passable,
        link.number,
        link.digest,
    )


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
