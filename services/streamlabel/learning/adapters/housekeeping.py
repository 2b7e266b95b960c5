"""What is kept for a while only: the course of gates, and gates by which decisions can be made again."""

from __future__ import annotations

import asyncio
import logging

from streamlabel.errors import TransientError
from streamlabel.runtime.postgres.database import Database
from streamlabel.runtime.tasks import set_within

log = logging.getLogger(__name__)

_EVERY_S = 3600.0
_OLD_POINTS = "DELETE FROM point WHERE at < clock_timestamp() - make_interval(days => $1)"
# A gate decides until the next one comes, and is old so many days after that.
_OLD_GATES = """
DELETE FROM gate WHERE EXISTS (
    SELECT FROM gate AS later WHERE later.project = gate.project AND later.gate_number > gate.gate_number
        AND later.published_at < clock_timestamp() - make_interval(days => $1)
)
"""
_LOOSE_SCORERS = "DELETE FROM scorer WHERE NOT EXISTS (SELECT FROM gate WHERE scorer_digest = digest)"


class Forgetting:
    """A component of a term: lets go, every hour, of what is older than so many days. Transitions and audits stay for ever."""

    def __init__(self, database: Database, *, days: int) -> None:
        self.name = "learning housekeeping"
        self._database = database
        self._days = days
        self._stopped = asyncio.Event()

    async def start(self) -> None:
        """Nothing to prepare."""

    async def run(self) -> None:
        """Until stopped; while the database is away nothing goes."""
        while not self._stopped.is_set():
            try:
                await self.forget()
            except TransientError as error:
                log.warning("old points and gates stay for now: %s", error)
            await set_within(self._stopped, _EVERY_S)

    async def stop(self) -> None:
        """After the round in hand."""
        self._stopped.set()

    async def forget(self) -> None:
        """One round."""
        await self._database.fetch(_OLD_POINTS, self._days)
        await self._database.fetch(_OLD_GATES, self._days)
        await self._database.fetch(_LOOSE_SCORERS)
