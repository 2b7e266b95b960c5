"""The control tables of the flow, ready to be followed: projects, gates, releases."""

from __future__ import annotations

from collections.abc import Callable

from streamlabel.core.control import Gate, Release
from streamlabel.core.project import Project
from streamlabel.runtime.broker import Broker
from streamlabel.runtime.health import Health
from streamlabel.runtime.table import CompactedTable
from streamlabel.wire import control, projects
from streamlabel.wire.flow import GATES, PROJECTS, RELEASES, Names

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
        decode=lambda message: projects.decode(message.value),
        broker=broker,
        health=health,
        on_change=on_change,
    )


def gate_table(broker: Broker, names: Names, health: Health) -> CompactedTable[Gate]:
    """The latest gate by project."""
    return CompactedTable(
        topic=names.topic(GATES),
        decode=lambda message: control.decode_gate(message.value),
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
        decode=lambda message: control.decode_release(message.value),
        broker=broker,
        health=health,
        on_change=on_change,
    )


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
