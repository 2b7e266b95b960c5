"""The control tables of the flow, ready to be followed: projects and releases; gates are in `wire.gates`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from streamlabel.core.control import Release
from streamlabel.core.identity import PROJECT_NAME
from streamlabel.core.project import Project
from streamlabel.errors import InvalidMessageError, TransientError
from streamlabel.runtime.broker import Broker
from streamlabel.runtime.clock import Clock
from streamlabel.runtime.health import Health
from streamlabel.runtime.messages import Message
from streamlabel.runtime.table import CompactedTable
from streamlabel.wire import control, projects
from streamlabel.wire.codec import MALFORMED
from streamlabel.wire.flow import PROJECTS, RELEASES, Names

Row = TypeVar("Row")

# A burst of records of projects that nobody applied must not become a burst of look-ups.
LOOK_EVERY_S = 1.0
LOOK_TIMEOUT_S = 5.0


def project_table(
    broker: Broker,
    names: Names,
    health: Health,
    on_change: Callable[[bytes, Project | None], None] | None = None,
) -> CompactedTable[Project]:
    """Projects by name."""
    return CompactedTable(
        topic=names.topic(PROJECTS),
        decode=_decode_project,
        broker=broker,
        health=health,
        on_change=on_change,
    )


def release_table(
    broker: Broker,
    names: Names,
    health: Health,
    on_change: Callable[[bytes, Release | None], None] | None = None,
) -> CompactedTable[Release]:
    """Releases by project and model version."""
    return CompactedTable(
        topic=names.topic(RELEASES),
        decode=_decode_release,
        broker=broker,
        health=health,
        on_change=on_change,
    )


def _decode_project(message: Message) -> Project:
    project = projects.decode(message.value)
    return under(projects.project_key(project.name), message, project)


def _decode_release(message: Message) -> Release:
    release = control.decode_release(message.value)
    return under(control.release_key(release.project, release.model_version), message, release)


def under(key: bytes, message: Message, row: Row) -> Row:
    """The row; raises InvalidMessageError MALFORMED where the message lies under another one's key and would replace that."""
    if message.key != key:
        raise InvalidMessageError(MALFORMED, f"key {message.key[:300]!r} is not that of the row inside, {key!r}")
    return row


class ProjectFinder:
    """Finds projects in their table, and believes that one is unknown only after reading the table to its end.

    However many names are asked for that nobody applied, the same one or ever new ones: the table is read to its end for
    them once in LOOK_EVERY_S. A name that the last look did not find is unknown until the next is due; all others wait for
    that one, together.
    """

    def __init__(self, table: CompactedTable[Project], clock: Clock) -> None:
        self._table = table
        self._clock = clock
        self._turn = asyncio.Lock()
        # Looks are counted, so that whoever waited knows whether one began after he asked.
        self._begun = self._ended = 0
        self._begun_at_s = float("-inf")
        self._missed: set[str] = set()
        self._failure = ""

    def get(self, name: str) -> Project | None:
        """The project, as far as the table is read."""
        try:
            return self._table.get(projects.project_key(name))
        except UnicodeEncodeError:
            return None

    def names(self) -> Sequence[str]:
        """All names, as far as the table is read."""
        return [project.name for project in self._table.rows().values()]

    async def find(self, name: str) -> Project | None:
        """The project; None where it was never applied. Raises TransientError while the table cannot be read."""
        await self.look_for((name,))
        return self.get(name)

    async def look_for(self, names: Iterable[str]) -> None:
        """Returns once each of these projects can be got or was never applied; raises TransientError while nobody can tell."""
        missing = [name for name in names if self.get(name) is None and self._may_exist(name)]
        if missing:
            missed = await self._next_look()
            missed.update(name for name in missing if self.get(name) is None)

    def _may_exist(self, name: str) -> bool:
        if not PROJECT_NAME.fullmatch(name):
            return False
        return name not in self._missed or self._clock.monotonic_s() - self._begun_at_s >= LOOK_EVERY_S

    async def _next_look(self) -> set[str]:
        """The names that were missed by a look that began after this call; all who wait for it share it, its failure too."""
        asked = self._begun
        async with self._turn:
            if self._ended <= asked:
                await self._look()
            if self._failure:
                raise TransientError(self._failure)
            return self._missed

    async def _look(self) -> None:
        await self._clock.sleep(max(0.0, self._begun_at_s + LOOK_EVERY_S - self._clock.monotonic_s()))
        self._begun += 1
        self._begun_at_s = self._clock.monotonic_s()
        self._missed, self._failure = set(), ""
        try:
            await self._table.refresh(LOOK_TIMEOUT_S)
        except TransientError as error:
            self._failure = str(error)
        self._ended = self._begun
