"""What is known of gates, for people and programs that ask: read only, from any replica."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from streamlabel.gate.audit_chain import AuditHead, ChainedAudit
from streamlabel.gate.chain import FIRST, ChainedTransition
from streamlabel.gate.policy import GatePolicy
from streamlabel.runtime.postgres.database import Database
from streamlabel.wire.gates import join_gate

_PROJECTS = """
SELECT project, model_name, model_version, taxonomy_version, alpha, delta, double_blind_share, began_at, point.facts
FROM book LEFT JOIN LATERAL (
    SELECT facts FROM point WHERE point.project = book.project ORDER BY at DESC LIMIT 1
) AS point ON true
WHERE ended_at IS NULL ORDER BY project
"""
_FAULTS = """
SELECT project, since, reason, facts FROM fault
WHERE NOT EXISTS (SELECT FROM book WHERE book.project = fault.project AND ended_at IS NULL) ORDER BY project
"""
# So many points as a chart has room for, evenly from first to last.
_COURSE = """
WITH numbered AS (
    SELECT facts, at, row_number() OVER (ORDER BY at DESC) - 1 AS place, count(*) OVER () AS count
    FROM point WHERE project = $1 AND at >= $2
)
SELECT facts FROM numbered WHERE place % greatest(1, count / $3) = 0 ORDER BY at
"""
_CHAIN = """
SELECT transition_no, project, model_name, model_version, facts, previous, digest FROM transition
WHERE transition_no > $1 ORDER BY transition_no LIMIT $2
"""
_TRANSITIONS = """
SELECT transition_no, project, model_name, model_version, facts, previous, digest FROM transition
WHERE project = $1 ORDER BY transition_no DESC LIMIT $2
"""
_BOOKS = """
SELECT
    book_no, model_name, model_version, taxonomy_version, alpha, delta, double_blind_share, first_gate,
    began_at, ended_at, confirmed_until, suspects, latest.facts
FROM book LEFT JOIN LATERAL (
    SELECT facts FROM point WHERE point.project = book.project AND ended_at IS NULL ORDER BY at DESC LIMIT 1
) AS latest ON true
WHERE project = $1 ORDER BY book_no
"""
_KEPT_GATES = "SELECT min(gate_number) AS first, max(gate_number) AS last FROM gate WHERE project = $1"
_AUDITS = """
SELECT book_no, record_id, gate_number, model_version, decided_at, lane_rate, predicted, answer, passable FROM audit
WHERE project = $1 AND decided_at >= $2 AND decided_at < $3
ORDER BY decided_at, book_no, gate_number, record_id LIMIT $4
"""
_AUDITS_AFTER = _AUDITS.replace(
    "ORDER BY", "AND (decided_at, book_no, gate_number, record_id) > ($5, $6, $7, $8) ORDER BY"
)
_AUDIT_CHAIN = """
SELECT audit_no, project, book_no, record_id, model_version, decided_at, gate_number, lane_rate, predicted, answer, passable, digest
FROM audit WHERE audit_no > $1 ORDER BY audit_no LIMIT $2
"""
_AUDIT_HEAD = """
SELECT last_no, digest, unchained, (SELECT count(*) FROM audit WHERE audit_no IS NULL) AS unchained_now FROM audit_chain
"""
_GATE = """
SELECT gate.message, scorer.message AS scorer FROM gate JOIN scorer ON scorer.digest = gate.scorer_digest
WHERE project = $1 AND gate_number = $2
"""


# Where a calibration record stands among all: when it was decided, its book, the gate that drew it, and its id.
AuditPlace = tuple[datetime, int, int, str]


@dataclass(frozen=True, slots=True)
class GateRecords:
    """Asks the database; raises TransientError while it is away."""

    database: Database

    async def projects(self) -> Sequence[dict[str, Any]]:
        """Each certified project with the latest point of its gate (None before the first), and at which evidence it is revoked.

        One of which no gate is kept, for a fault of its book, has no point, and says why.
        """
        found = [
            {
                "project": row["project"],
                "model_name": row["model_name"],
                "model_version": row["model_version"],
                "taxonomy_version": row["taxonomy_version"],
                "alpha": row["alpha"],
                "delta": row["delta"],
                "double_blind_share": row["double_blind_share"],
                "alarm_limit": GatePolicy(alpha=row["alpha"], delta=row["delta"]).alarm_limit,
                "began_at_ms": _ms(row["began_at"]),
                "point": None if row["facts"] is None else json.loads(row["facts"]),
                "fault": None,
            }
            for row in await self.database.fetch(_PROJECTS)
        ]
        found += [_broken(row) for row in await self.database.fetch(_FAULTS)]
        return sorted(found, key=lambda each: str(each["project"]))

    async def course(self, project: str, since: datetime, most: int) -> Sequence[dict[str, Any]]:
        """Points of the project's gate from `since` on, in order; about `most` of them, or fewer."""
        return [json.loads(row["facts"]) for row in await self.database.fetch(_COURSE, project, since, most)]

    async def transitions(self, project: str, most: int) -> Sequence[ChainedTransition]:
        """The latest transitions of a project, latest first."""
        return [_link(row) for row in await self.database.fetch(_TRANSITIONS, project, most)]

    async def chain(self, after: int, most: int) -> Sequence[ChainedTransition]:
        """Transitions of all projects by number, from the one after `after` on."""
        return [_link(row) for row in await self.database.fetch(_CHAIN, after, most)]

    async def books(self, project: str) -> Sequence[dict[str, Any]]:
        """Every book that was ever kept for a project, in order: which gates rest on it, how far it confirmed their labels, and which
        of them are suspect."""
        return [
            {
                "book_no": row["book_no"],
                "model_name": row["model_name"],
                "model_version": row["model_version"],
                "taxonomy_version": row["taxonomy_version"],
                "alpha": row["alpha"],
                "delta": row["delta"],
                "double_blind_share": row["double_blind_share"],
                "first_gate": row["first_gate"],
                "began_at_ms": _ms(row["began_at"]),
                "ended_at_ms": _ms(row["ended_at"]),
                # Of one that is open the latest point knows more than the latest gate.
                "confirmed_until_ms": _ms(row["confirmed_until"])
                if row["facts"] is None
                else json.loads(row["facts"])["confirmed_until_ms"] or None,
                "suspects": [
                    {"from_ms": from_ms, "until_ms": until_ms} for from_ms, until_ms in json.loads(row["suspects"])
                ],
            }
            for row in await self.database.fetch(_BOOKS, project)
        ]

    async def kept_gates(self, project: str) -> dict[str, int] | None:
        """The numbers of the first and the last gate that are kept of a project, and all between; None where there is none."""
        [row] = await self.database.fetch(_KEPT_GATES, project)
        return None if row["last"] is None else {"first": row["first"], "last": row["last"]}

    async def audits(
        self, project: str, begin: datetime, end: datetime, after: AuditPlace | None, most: int
    ) -> Sequence[dict[str, Any]]:
        """Calibration records that were decided from `begin` on and before `end`, as they became evidence, in order; `most` of them at
        most, from the one that follows `after` on."""
        if after is None:
            return [dict(row) for row in await self.database.fetch(_AUDITS, project, begin, end, most)]
        return [dict(row) for row in await self.database.fetch(_AUDITS_AFTER, project, begin, end, most, *after)]

    async def audit_chain(self, after: int, most: int) -> Sequence[ChainedAudit]:
        """Audits of all projects by number, from the one after `after` on."""
        return [_audit(row) for row in await self.database.fetch(_AUDIT_CHAIN, after, most)]

    async def audit_head(self) -> tuple[AuditHead, int, int]:
        """How far the chain of audits goes, how many lay before it when it began, and how many there are of those now."""
        [row] = await self.database.fetch(_AUDIT_HEAD)
        head = AuditHead(last_no=row["last_no"], digest=bytes(row["digest"] or FIRST))
        return head, row["unchained"], row["unchained_now"]

    async def gate(self, project: str, number: int) -> bytes | None:
        """A gate as it was published, but for its times; None where there was none of that number."""
        rows = await self.database.fetch(_GATE, project, number)
        return join_gate(bytes(rows[0]["message"]), bytes(rows[0]["scorer"])) if rows else None


def _broken(row: Any) -> dict[str, Any]:
    asked = json.loads(row["facts"])
    told = ("model_name", "model_version", "taxonomy_version", "alpha", "delta", "double_blind_share")
    return {
        "project": row["project"],
        **{name: asked[name] for name in told},
        "alarm_limit": GatePolicy(alpha=asked["alpha"], delta=asked["delta"]).alarm_limit,
        "began_at_ms": _ms(row["since"]),
        "point": None,
        "fault": row["reason"],
    }


def _ms(moment: datetime | None) -> int | None:
    return None if moment is None else round(moment.timestamp() * 1000)


def _link(row: Any) -> ChainedTransition:
    return ChainedTransition(
        number=row["transition_no"],
        project=row["project"],
        model_name=row["model_name"],
        model_version=row["model_version"],
        facts=row["facts"],
        previous=bytes(row["previous"]),
        digest=bytes(row["digest"]),
    )


def _audit(row: Any) -> ChainedAudit:
    return ChainedAudit(
        number=row["audit_no"],
        project=row["project"],
        book_no=row["book_no"],
        record_id=row["record_id"],
        model_version=row["model_version"],
        decided_ms=round(row["decided_at"].timestamp() * 1000),
        gate_number=row["gate_number"],
        lane_rate=row["lane_rate"],
        predicted=row["predicted"],
        answer=row["answer"],
        passable=row["passable"],
        digest=bytes(row["digest"]),
    )
