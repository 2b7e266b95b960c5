"""The control tables of the flow, ready to be followed: projects, gates, releases."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from streamlabel.core.control import Gate, Release
from streamlabel.core.project import Project
from streamlabel.errors import InvalidMessageError
from streamlabel.runtime.broker import Broker
from streamlabel.runtime.health import Health
from streamlabel.runtime.messages import Message
from streamlabel.runtime.table import CompactedTable
from streamlabel.wire import control, projects
from streamlabel.wire.codec import MALFORMED
from streamlabel.wire.flow import GATES, PROJECTS, RELEASES, Names

Row = TypeVar("Row", Project, Gate, Release)

# A burst of records of a project that nobody applied must not become a burst of look-ups.
MISS_MEMORY_S = 1.0


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


def gate_table(broker: Broker, names: Names, health: Health) -> CompactedTable[Gate]:
    """The latest gate by project."""
    return CompactedTable(
        topic=names.topic(GATES),
        decode=_decode_gate,
        broker=broker,
        health=health,
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
    return _under(projects.project_key(project.name), message, project)


def _decode_gate(message: Message) -> Gate:
    gate = control.decode_gate(message.value)
    return _under(control.gate_key(gate.project), message, gate)


def _decode_release(message: Message) -> Release:
    release = control.decode_release(message.value)
    return _under(control.release_key(release.project, release.model_version), message, release)


def _under(key: bytes, message: Message, row: Row) -> Row:
    """The row; raises InvalidMessageError MALFORMED where the message lies under another one's key and would replace that."""
    if message.key != key:
        raise InvalidMessageError(MALFORMED, f"key {message.key[:300]!r} is not that of the row inside, {key!r}")
    return row


class ProjectFinder:
    """Finds projects in their table, and believes that one is unknown only after reading the table to its end."""

    def __init__(self, table: CompactedTable[Project], monotonic_s: Callable[[], float]) -> None:
        self._table = table
        self._monotonic_s = monotonic_s
        self._missed_at_s: dict[str, float] = {}

    async def find(self, name: str) -> Project | None:
        """The project; None where it was never applied. Raises TransientError while the table cannot be read."""
        project = self._table.get(projects.project_key(name))
        if project is not None:
            return project
        now_s = self._monotonic_s()
        if now_s - self._missed_at_s.get(name, float("-inf")) < MISS_MEMORY_S:
            return None
        await self._table.refresh()
        project = self._table.get(projects.project_key(name))
        if project is None:
            self._forget_old_misses(now_s)
            self._missed_at_s[name] = now_s
        return project

    def _forget_old_misses(self, now_s: float) -> None:
        self._missed_at_s = {name: at_s for name, at_s in self._missed_at_s.items() if now_s - at_s < MISS_MEMORY_S}
