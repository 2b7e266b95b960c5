"""The audit log: each deed is the next link of a chain, written in the transaction of what was done."""

from __future__ import annotations

import json
from collections.abc import Sequence

from streamlabel.core.access import AuditEntry, audit_entry
from streamlabel.core.hash_chain import FIRST
from streamlabel.review.access_ports import Deed
from streamlabel.runtime.postgres.database import Connection, Database

# Links are made one after the other; the lock goes with the transaction.
_LOCK = "SELECT pg_advisory_xact_lock(hashtext('audit'), hashtext(current_schema()))"
_LAST = """
SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS at_ms, number, digest
FROM (VALUES (1)) AS one LEFT JOIN LATERAL (SELECT number, digest FROM audit ORDER BY number DESC LIMIT 1) AS last ON true
"""
_APPEND = """
INSERT INTO audit (number, at_ms, actor, action, subject, facts, previous, digest) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""
_READ = """
SELECT number, at_ms, actor, action, subject, facts, previous, digest FROM audit WHERE number > $1 ORDER BY number LIMIT $2
"""


async def append(connection: Connection, deed: Deed) -> None:
    """Write the deed in the transaction that `connection` is in, as its last act: others wait for its end."""
    await connection.execute(_LOCK)
    last = await connection.fetchrow(_LAST)
    assert last is not None
    entry = audit_entry(
        number=(last["number"] or 0) + 1,
        at_ms=last["at_ms"],
        actor=deed.actor,
        action=deed.action,
        subject=deed.subject,
        facts=json.dumps(dict(deed.facts), sort_keys=True, ensure_ascii=False),
        previous=bytes(last["digest"] or FIRST),
    )
    await connection.execute(
        _APPEND,
        entry.number,
        entry.at_ms,
        entry.actor,
        entry.action,
        entry.subject,
        entry.facts,
        entry.previous,
        entry.digest,
    )


class PostgresAudit:
    """Keeps `access_ports.AuditLog`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def append(self, deed: Deed) -> None:
        """Write the deed, in a transaction of its own."""
        async with self._database.transaction() as connection:
            await append(connection, deed)

    async def entries(self, after: int, limit: int) -> Sequence[AuditEntry]:
        """Up to `limit` entries with a number above `after`, in order."""
        return [AuditEntry(**dict(row)) for row in await self._database.fetch(_READ, after, limit)]
