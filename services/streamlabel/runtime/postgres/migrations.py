"""Brings the schema to the shape that this release wants: numbered SQL files, each applied once, in order, never edited after."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

import asyncpg

from streamlabel.errors import ConfigurationError

log = logging.getLogger(__name__)

_FILE_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
# Replicas that start together take turns; the number is arbitrary and only has to be the same everywhere.
_LOCK = 0x5374_6C62
_TIMEOUT_S = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One numbered SQL file."""

    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> bytes:
        """What tells an edited file from the one that was applied."""
        return hashlib.sha256(self.sql.encode()).digest()


def migrations(package: str) -> Sequence[Migration]:
    """The files of this release that lie in `package`, in order; raises ValueError where one is there twice or 1 is missing.

    A gap is no defect: branches that grow at once take numbers of their own, and each file is applied once, whenever it comes.
    """
    found = []
    for file in resources.files(package).iterdir():
        if match := _FILE_NAME.fullmatch(file.name):
            found.append(Migration(number=int(match[1]), name=match[2], sql=file.read_text(encoding="utf-8")))
    found.sort(key=lambda migration: migration.number)
    numbers = [migration.number for migration in found]
    if len({*numbers}) != len(numbers) or numbers[:1] not in ([], [1]):
        raise ValueError(f"migrations are not numbered from 1 on, each number once: {numbers}")
    return found


async def migrate(connection: asyncpg.Connection, schema: str, wanted: Sequence[Migration], schema_setting: str) -> int:
    """Apply in one transaction what `schema` lacks of `wanted`; returns how many that was. `schema_setting` is for messages.

    Raises ConfigurationError where the schema is of a later release, or an applied file was edited.
    """
    async with connection.transaction():
        # A migration of a large table may take its time; so may the replica that is at it already.
        await connection.execute("SET LOCAL statement_timeout = 0")
        await connection.execute("SELECT pg_advisory_xact_lock($1, hashtext($2))", _LOCK, schema, timeout=_TIMEOUT_S)
        await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {_quoted(schema)}")
        await connection.execute(f"SET LOCAL search_path TO {_quoted(schema)}")
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS migration (number integer PRIMARY KEY, name text NOT NULL, checksum bytea NOT NULL,"
            " applied_at timestamptz NOT NULL DEFAULT clock_timestamp())"
        )
        applied = {row["number"]: row for row in await connection.fetch("SELECT number, name, checksum FROM migration")}
        _check(schema, applied, wanted, schema_setting)
        missing = [migration for migration in wanted if migration.number not in applied]
        for migration in missing:
            await connection.execute(migration.sql, timeout=_TIMEOUT_S)
            await connection.execute(
                "INSERT INTO migration (number, name, checksum) VALUES ($1, $2, $3)",
                migration.number,
                migration.name,
                migration.checksum,
            )
            log.info(
                "schema migrated", extra={"schema": schema, "migration": f"{migration.number:04}_{migration.name}"}
            )
    return len(missing)


def _check(schema: str, applied: dict[int, asyncpg.Record], wanted: Sequence[Migration], schema_setting: str) -> None:
    known = {migration.number: migration for migration in wanted}
    for number, row in applied.items():
        if number not in known:
            raise ConfigurationError(
                f"schema {schema!r} has migration {number:04}_{row['name']} of a later release: start that release, or "
                f"another schema ({schema_setting})"
            )
        if known[number].checksum != row["checksum"]:
            raise ConfigurationError(
                f"migration {number:04}_{row['name']} of schema {schema!r} is not the file that was applied: "
                "an applied migration is never edited, its correction is a new one"
            )


def _quoted(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'
