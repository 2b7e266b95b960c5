"""What leaves the database: rows get their place in the order of publication only once they are committed.

A row number drawn on insert would not do: transactions commit in another order than they insert, and a row that becomes
visible below what is already published would never be. So rows lie unnumbered until the one publisher asks.
"""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

from streamlabel.runtime.dead_letter import DeadLetter
from streamlabel.runtime.handlers import OutboxRow
from streamlabel.runtime.postgres.database import Connection, Database
from streamlabel.runtime.postgres.headers import pack_headers, unpack_headers

_COLUMNS = "publish_seq, topic, partition_no, key, value, headers"
_NUMBERED = f"SELECT {_COLUMNS} FROM outbox WHERE publish_seq > $1 ORDER BY publish_seq LIMIT $2"
# Locks first, counts after: an undo that deletes one of these rows meanwhile leaves no hole in the numbers.
_NUMBER_MORE = f"""
WITH next AS MATERIALIZED (
    SELECT outbox_no FROM outbox WHERE publish_seq IS NULL ORDER BY outbox_no LIMIT $1 FOR UPDATE
), placed AS MATERIALIZED (
    SELECT outbox_no, row_number() OVER (ORDER BY outbox_no) AS place FROM next
), progress AS (
    UPDATE outbox_progress SET last_numbered = last_numbered + (SELECT count(*) FROM next)
    WHERE EXISTS (SELECT FROM next)
    RETURNING last_numbered - (SELECT count(*) FROM next) AS base
)
UPDATE outbox SET publish_seq = base + place FROM placed, progress
WHERE outbox.outbox_no = placed.outbox_no AND publish_seq IS NULL
RETURNING {_COLUMNS}
"""
# Only first labels count: a correction does not make another labelled record.
_PUBLISHED = """
WITH gone AS (
    DELETE FROM outbox WHERE publish_seq <= $1 RETURNING project, revision
), counted AS (
    INSERT INTO label_tally (project, labelled)
    SELECT project, count(*) FROM gone WHERE revision = 1 GROUP BY project ORDER BY project
    ON CONFLICT (project) DO UPDATE SET labelled = label_tally.labelled + excluded.labelled
)
UPDATE outbox_progress SET last_published = greatest(last_published, $1)
"""
_ADD_DEAD_LETTERS = """
INSERT INTO outbox (topic, partition_no, key, value, headers)
VALUES ($1, $2, $3, $4, $5)
"""


class PostgresOutbox:
    """Keeps the promises of `runtime.handlers.Outbox`; for one publisher at a time (two would do no harm, but no good)."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def pending(self, after: int, limit: int) -> Sequence[OutboxRow]:
        """What an earlier publisher numbered and did not see out comes first, then the rows that got a number now."""
        rows = list(await self._database.fetch(_NUMBERED, after, limit))
        if len(rows) < limit:
            rows += await self._database.fetch(_NUMBER_MORE, limit - len(rows))
        return sorted(map(_outbox_row, rows), key=lambda row: row.seq)

    async def published(self, up_to: int) -> None:
        """The rows go; the number and the count of labels stay."""
        await self._database.fetch(_PUBLISHED, up_to)

    async def last_published(self) -> int:
        """The number given to the latest `published`; 0 if there was none."""
        rows = await self._database.fetch("SELECT last_published FROM outbox_progress")
        return int(rows[0]["last_published"])


async def store_dead_letters(connection: Connection, letters: Sequence[DeadLetter]) -> None:
    """Send dead letters on their way, in the transaction that is open on `connection`."""
    rows = [
        (letter.topic, letter.partition, letter.key, letter.value, pack_headers(letter.headers)) for letter in letters
    ]
    await connection.executemany(_ADD_DEAD_LETTERS, rows)


def _outbox_row(row: asyncpg.Record) -> OutboxRow:
    return OutboxRow(
        seq=row["publish_seq"],
        topic=row["topic"],
        partition=row["partition_no"],
        key=row["key"],
        value=row["value"],
        headers=unpack_headers(row["headers"]),
    )
