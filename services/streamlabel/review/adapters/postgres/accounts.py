"""Annotators and their tokens; a change and what the audit log says of it are one transaction."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

from streamlabel.core.access import Account, Annotator, AnnotatorState, Appointment, TokenFacts
from streamlabel.review.access_ports import Deed, StoredToken
from streamlabel.review.adapters.postgres.audit import append
from streamlabel.runtime.postgres.database import Database

_PUT = """
INSERT INTO annotator (name, roles) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET roles = excluded.roles
"""
_SET_STATE = "UPDATE annotator SET paused = $2 WHERE name = $1 RETURNING 1"
_REMOVE = "DELETE FROM annotator WHERE name = $1 RETURNING 1"
_ADD_TOKEN = """
INSERT INTO access_token (token_id, annotator, name, digest)
SELECT $1, annotator.name, $3, $4 FROM annotator WHERE annotator.name = $2
RETURNING token_id, annotator, name, created_at, last_used_at, revoked_at
"""
_REVOKE = """
UPDATE access_token SET revoked_at = clock_timestamp()
WHERE annotator = $1 AND ($2 = '' OR token_id = $2) AND revoked_at IS NULL
RETURNING 1
"""
_FIND = """
SELECT token_id, digest, revoked_at IS NOT NULL AS is_revoked, annotator.name, roles, paused,
    digest = $2 AND revoked_at IS NULL
        AND (last_used_at IS NULL OR last_used_at < clock_timestamp() - interval '1 hour') AS is_worth_a_note
FROM access_token JOIN annotator ON annotator.name = access_token.annotator
WHERE token_id = $1
"""
# To the hour: when somebody works is their own business, and a busy row would be written a thousand times.
_NOTE_USE = "UPDATE access_token SET last_used_at = date_trunc('hour', clock_timestamp()) WHERE token_id = $1"
_ANNOTATORS = "SELECT name, roles, paused FROM annotator WHERE $1 = '' OR name = $1 ORDER BY name"
_TOKENS = """
SELECT token_id, annotator, name, created_at, last_used_at, revoked_at FROM access_token
WHERE $1 = '' OR annotator = $1
ORDER BY created_at, token_id
"""


class PostgresAccounts:
    """Keeps `access_ports.AnnotatorBook`, `Directory` and `TokenBook`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, annotator: Annotator, deed: Deed) -> None:
        async with self._database.transaction() as connection:
            await connection.execute(_PUT, annotator.name, [str(each) for each in annotator.appointments])
            await append(connection, deed)

    async def set_state(self, name: str, state: AnnotatorState, deed: Deed) -> bool:
        return await self._changed(_SET_STATE, (name, state is AnnotatorState.PAUSED), deed) > 0

    async def remove(self, name: str, deed: Deed) -> bool:
        return await self._changed(_REMOVE, (name,), deed) > 0

    async def add(self, token_id: str, annotator: str, name: str, digest: bytes, deed: Deed) -> TokenFacts | None:
        async with self._database.transaction() as connection:
            row = await connection.fetchrow(_ADD_TOKEN, token_id, annotator, name, digest)
            if row is None:
                return None
            await append(connection, deed)
        return TokenFacts(**dict(row))

    async def revoke(self, annotator: str, token_id: str, deed: Deed) -> int:
        return await self._changed(_REVOKE, (annotator, token_id), deed)

    async def find(self, token_id: str, digest: bytes) -> StoredToken | None:
        rows = await self._database.fetch(_FIND, token_id, digest)
        if not rows:
            return None
        [row] = rows
        if row["is_worth_a_note"]:
            await self._database.fetch(_NOTE_USE, token_id)
        return StoredToken(
            token_id=row["token_id"],
            digest=bytes(row["digest"]),
            is_revoked=row["is_revoked"],
            annotator=_annotator(row),
        )

    async def accounts(self, name: str = "") -> Sequence[Account]:
        tokens: dict[str, list[TokenFacts]] = {}
        for row in await self._database.fetch(_TOKENS, name):
            tokens.setdefault(row["annotator"], []).append(TokenFacts(**dict(row)))
        return [
            Account(annotator=_annotator(row), tokens=tuple(tokens.get(row["name"], ())))
            for row in await self._database.fetch(_ANNOTATORS, name)
        ]

    async def _changed(self, sql: str, arguments: tuple[object, ...], deed: Deed) -> int:
        """How many rows changed; a deed that changed nothing is none."""
        async with self._database.transaction() as connection:
            rows = await connection.fetch(sql, *arguments)
            if rows:
                await append(connection, deed)
        return len(rows)


def _annotator(row: asyncpg.Record) -> Annotator:
    return Annotator(
        name=row["name"],
        appointments=tuple(map(Appointment.parse, row["roles"])),
        state=AnnotatorState.PAUSED if row["paused"] else AnnotatorState.ACTIVE,
    )
