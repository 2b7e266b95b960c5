"""The projects, from their compacted topic."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from streamlabel.core.project import Project
from streamlabel.errors import TransientError
from streamlabel.runtime.table import CompactedTable
from streamlabel.wire.projects import project_key

log = logging.getLogger(__name__)

_LOOK_AGAIN_EVERY_S = 1.0
_LOOK_TIMEOUT_S = 3.0


class ProjectTable:
    """The `Projects` of this process."""

    def __init__(self, table: CompactedTable[Project], *, monotonic_s: Callable[[], float]) -> None:
        self._table = table
        self._monotonic_s = monotonic_s
        self._looked_s = float("-inf")

    def get(self, name: str) -> Project | None:
        try:
            return self._table.get(project_key(name))
        except UnicodeEncodeError:
            return None

    def names(self) -> Sequence[str]:
        return [project.name for project in self._table.rows().values()]

    async def look_again(self) -> None:
        # Callers may send unknown names as fast as they like; the topic is asked once a second.
        now_s = self._monotonic_s()
        if now_s - self._looked_s < _LOOK_AGAIN_EVERY_S:
            return
        self._looked_s = now_s
        try:
            await self._table.refresh(_LOOK_TIMEOUT_S)
        except TransientError as error:
            log.warning("cannot look for new projects", extra={"reason": str(error)})
