"""Projects with the model versions that serve them, and the coin, as learning asks for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from streamlabel.core.control import Release, ReleaseState
from streamlabel.core.project import CertifiedPolicy, Project
from streamlabel.gate.coin_keys import CoinKeys
from streamlabel.runtime.table import CompactedTable
from streamlabel.wire.projects import project_key


@dataclass(frozen=True, slots=True)
class TableProjects:
    """Keeps the promises of `ports.Projects`."""

    projects: CompactedTable[Project]
    releases: CompactedTable[Release]
    # Versions that were looked for in vain: of projects that were deleted and made anew.
    _missed: dict[str, int] = field(default_factory=dict)

    def all(self) -> Sequence[Project]:
        """All of them, in no order."""
        return list(self.projects.rows().values())

    def is_certified(self, name: str) -> bool:
        """Whether the project asks for certificates."""
        project = self.projects.get(project_key(name))
        return project is not None and isinstance(project.policy, CertifiedPolicy)

    async def know(self, versions: Mapping[str, int]) -> None:
        """Reads the table to its end where it lacks one of these versions: others may have heard of it first."""
        lacking = {name: version for name, version in versions.items() if self._lacks(name, version)}
        if lacking:
            await self.projects.refresh()
            self._missed.update({name: version for name, version in lacking.items() if self._lacks(name, version)})

    def _lacks(self, name: str, version: int) -> bool:
        project = self.projects.get(project_key(name))
        known = 0 if project is None else project.version
        return version > max(known, self._missed.get(name, 0))

    def live_version(self, project: Project) -> int | None:
        """The version that was released last to serve the project's model."""
        live = [
            release
            for release in self.releases.rows().values()
            if release.project == project.name
            and project.model is not None
            and release.model_name == project.model.name
            and release.state is ReleaseState.LIVE
        ]
        latest = max(live, key=lambda release: release.released_at, default=None)
        return None if latest is None else latest.model_version


@dataclass(frozen=True, slots=True)
class KeyedCoins:
    """Keeps the promises of `ports.Coins` by the first of the keys."""

    keys: CoinKeys

    @property
    def key_id(self) -> str:
        """The name of the key."""
        return self.keys.first_id

    def toss(self, record_key: bytes) -> float:
        """The record's coin."""
        return self.keys.toss(self.keys.first_id, record_key)
