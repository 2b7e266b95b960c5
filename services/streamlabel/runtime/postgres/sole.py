"""One of all replicas does the work; the others stand by and take over within seconds."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import asyncpg

from streamlabel.errors import TransientError
from streamlabel.runtime.backoff import Backoff
from streamlabel.runtime.clock import Clock
from streamlabel.runtime.health import Health
from streamlabel.runtime.postgres.database import Database
from streamlabel.runtime.process import Component
from streamlabel.runtime.tasks import set_within

log = logging.getLogger(__name__)

_TRY_INTERVAL_S = 1.0
_TRY = "SELECT pg_try_advisory_lock(hashtext($1), hashtext($2)) AS won"
_STILL_HELD = """
SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND granted) AS held
"""


class SoleComponent:
    """Lets a component live while this process holds an advisory lock of the database, made anew for each term.

    The lock dies with its connection, so a process that is gone holds nobody up. One that has lost the connection without
    knowing it yet may overlap with its successor for a moment: whoever is made here must bear that (the outbox publisher
    does: its transactional producer is fenced by the successor's).
    """

    def __init__(
        self,
        database: Database,
        make: Callable[[], Component],
        *,
        name: str,
        health: Health,
        clock: Clock,
        backoff: Backoff,
    ) -> None:
        self.name = name
        self._database = database
        self._make = make
        self._check = health.check(f"{name} turn")
        self._clock = clock
        self._backoff = backoff
        self._stopped = asyncio.Event()

    async def start(self) -> None:
        """Nothing to prepare: a replica that stands by is ready too."""
        self._check.ok()

    async def run(self) -> None:
        """Try for the lock until stopped; while it is held, run the component."""
        attempt = 0
        while not self._stopped.is_set():
            try:
                await self._one_term()
                attempt = 0
            except TransientError as error:
                attempt += 1
                log.warning("turn interrupted: %s", error, extra={"component": self.name, "attempt": attempt})
                await set_within(self._stopped, self._backoff.delay_s(attempt))

    async def stop(self) -> None:
        """Let the component finish, and give the lock away."""
        self._stopped.set()

    async def _one_term(self) -> None:
        connection = await self._database.connect()
        try:
            with self._database.failures():
                while not await connection.fetchval(_TRY, self.name, self._database.schema):
                    if self._stopped.is_set():
                        return
                    await set_within(self._stopped, _TRY_INTERVAL_S)
            log.info("turn begins", extra={"component": self.name})
            await self._live(connection)
        finally:
            connection.terminate()
            log.info("turn over", extra={"component": self.name})

    async def _live(self, connection: asyncpg.Connection) -> None:
        """The component's whole life; a lost lock, its own failure or a stop end it."""
        component = self._make()
        await component.start()
        life = asyncio.create_task(component.run(), name=component.name)
        watch = asyncio.create_task(self._watch(connection), name=f"{self.name} turn")
        try:
            await asyncio.wait({life, watch}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await component.stop()
            watch.cancel()
            await asyncio.wait({life, watch})
        if not life.cancelled() and (error := life.exception()) is not None:
            raise error
        if not watch.cancelled() and (error := watch.exception()) is not None:
            raise error

    async def _watch(self, connection: asyncpg.Connection) -> None:
        with self._database.failures():
            while not self._stopped.is_set():
                await set_within(self._stopped, _TRY_INTERVAL_S)
                if not await connection.fetchval(_STILL_HELD):
                    raise TransientError("the database has let go of the lock")
