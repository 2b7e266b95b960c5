"""What leaves the database, in the order in which it was kept."""

from __future__ import annotations

from collections.abc import Sequence

from streamlabel.runtime.handlers import OutboxRow
from streamlabel.runtime.postgres.database import Database
from streamlabel.runtime.postgres.headers import unpack_headers

_PENDING = "SELECT seq, topic, partition_no, key, value, headers FROM outbox WHERE seq > $1 ORDER BY seq LIMIT $2"
_PUBLISHED = """
WITH gone AS (DELETE FROM outbox WHERE seq <= $1)
UPDATE outbox_progress SET last_published = greatest(last_published, $1)
"""


class ShelfOutbox:
    """Keeps the promises of `runtime.handlers.Outbox`. Rows are numbered by the one who holds the term, in order of commit."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def pending(self, after: int, limit: int) -> Sequence[OutboxRow]:
        """The next rows."""
        return [
            OutboxRow(
                seq=row["seq"],
                topic=row["topic"],
                partition=row["partition_no"],
                key=row["key"],
                value=row["value"],
                headers=unpack_headers(row["headers"]),
            )
            for row in await self._database.fetch(_PENDING, after, limit)
        ]

    async def published(self, up_to: int) -> None:
        """The rows go, the number stays."""
        await self._database.fetch(_PUBLISHED, up_to)

    async def last_published(self) -> int:
        """The number given to the latest `published`; 0 if there was none."""
        rows = await self._database.fetch("SELECT last_published FROM outbox_progress")
        return int(rows[0]["last_published"])
