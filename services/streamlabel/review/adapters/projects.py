"""The projects, from the table that follows their topic."""

from __future__ import annotations

from collections.abc import Sequence

from streamlabel.core.project import Project
from streamlabel.runtime.table import CompactedTable
from streamlabel.wire import projects as wire_projects


class TableProjects:
    """Keeps the promises of `ports.Projects`."""

    def __init__(self, table: CompactedTable[Project]) -> None:
        self._table = table

    def get(self, name: str) -> Project | None:
        """The project of that name, as last applied."""
        return self._table.get(wire_projects.project_key(name))

    def all(self) -> Sequence[Project]:
        """By name."""
        return sorted(self._table.rows().values(), key=lambda project: project.name)
