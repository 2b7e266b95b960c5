"""Who waits for work hears of it at once, whichever replica it came through: PostgreSQL's NOTIFY, heard once a process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from streamlabel.errors import TransientError
from streamlabel.runtime.backoff import Backoff
from streamlabel.runtime.clock import Clock
from streamlabel.runtime.postgres.database import Connection, Database
from streamlabel.runtime.tasks import set_within

log = logging.getLogger(__name__)

_ALIVE_CHECK_S = 5.0


def ready_channel(schema: str) -> str:
    """Where tasks that become ready are announced, as `<project>:<how many>`; channels belong to the whole database."""
    return f"streamlabel_{schema}_ready"


class PostgresBell:
    """Keeps the promises of `ports.Bell`; a component.

    A ring for n tasks calls n of those who wait, the longest waiting first: one task does not wake two hundred people. A
    lost connection makes the bell mute until it is back; who waits has to look by itself now and then.
    """

    def __init__(self, database: Database, *, stopping: asyncio.Event, clock: Clock, backoff: Backoff) -> None:
        self.name = "bell"
        self._database = database
        self._stopping = stopping
        self._clock = clock
        self._backoff = backoff
        self._calls: dict[_Call, None] = {}

    @property
    def is_silenced(self) -> bool:
        """Nobody should wait any more: this process stops."""
        return self._stopping.is_set()

    @contextmanager
    def listen(self, project: str) -> Iterator[_Call]:
        """Hears of tasks of `project` (empty: any) that become ready after this call."""
        call = _Call(project)
        self._calls[call] = None
        try:
            yield call
        finally:
            del self._calls[call]
            if call.rung.is_set():  # Called, and left without looking: the next one may have it.
                self.ring(call.rung_for, 1)

    def ring(self, project: str, count: int) -> None:
        """Call up to `count` who wait for this project."""
        for call in self._calls:
            if count <= 0:
                return
            if not call.rung.is_set() and call.project in ("", project):
                call.rung_for = project
                call.rung.set()
                count -= 1

    async def start(self) -> None:
        """Nothing to prepare."""

    async def run(self) -> None:
        """Listen until the process stops, on a connection that is made anew when it breaks; then call everybody."""
        attempt = 0
        while not self._stopping.is_set():
            try:
                await self._listen()
                attempt = 0
            except TransientError as error:
                attempt += 1
                log.warning("bell is mute: %s", error, extra={"attempt": attempt})
                await set_within(self._stopping, self._backoff.delay_s(attempt))
        for call in list(self._calls):
            call.rung.set()

    async def stop(self) -> None:
        """Nothing to do: the event that `run` watches is set before any component is stopped."""

    async def _listen(self) -> None:
        connection = await self._database.connect()
        try:
            with self._database.failures():
                await connection.add_listener(ready_channel(self._database.schema), self._heard)
                # What came while nobody listened: let all look once.
                for call in list(self._calls):
                    call.rung.set()
                while not self._stopping.is_set():
                    await set_within(self._stopping, _ALIVE_CHECK_S)
                    await connection.execute("SELECT 1")
        finally:
            connection.terminate()

    def _heard(self, _connection: Connection, _pid: int, _channel: str, payload: object) -> None:
        project, _, count = str(payload).rpartition(":")
        self.ring(project, int(count))


class _Call:
    """One who waits."""

    __slots__ = ("project", "rung", "rung_for")

    def __init__(self, project: str) -> None:
        self.project = project
        self.rung = asyncio.Event()
        self.rung_for = project

    async def wait(self, timeout_s: float) -> None:
        """Returns when work may have come since the last return, or after `timeout_s`."""
        await set_within(self.rung, timeout_s)
        self.rung.clear()
