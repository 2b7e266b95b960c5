"""Projects and the model versions that serve them, as they stand on their compacted topics."""

from __future__ import annotations

from streamlabel.core.control import Release, ReleaseState
from streamlabel.core.project import Project
from streamlabel.inference.ports import ServedProject
from streamlabel.runtime.table import CompactedTable
from streamlabel.wire.tables import ProjectFinder


class ServedProjects:
    """The port to projects (`ports.Projects`): a project, with the model version that its releases name."""

    def __init__(
        self, projects: CompactedTable[Project], releases: CompactedTable[Release], finder: ProjectFinder
    ) -> None:
        self._projects = projects
        self._releases = releases
        self._finder = finder
        self._served: dict[str, ServedProject] = {}

    async def find(self, name: str) -> ServedProject | None:
        """The project; None only if it is not there after a look at the latest state. Unchanged: the same object."""
        served = self._served.get(name)
        if served is not None:
            return served
        project = await self._finder.find(name)
        if project is None:
            return None
        served = self._served[name] = ServedProject(project, self._version(project))
        return served

    def models(self) -> set[tuple[str, int]] | None:
        """Every model version by which some project is served; None until both tables were read to their end."""
        if not (self._projects.ready and self._releases.ready):
            return None
        projects = [project for _, project in self._projects.items()]
        return {(project.model.name, self._version(project)) for project in projects if project.model is not None}

    def names(self) -> list[str]:
        """The names of all projects."""
        return [project.name for _, project in self._projects.items()]

    def changed(self) -> None:
        """A row of either table is another one: what was made of the tables is void."""
        self._served.clear()

    def _version(self, project: Project) -> int:
        """The live release of the project's model; where nothing was released, the version in the project."""
        if project.model is None:
            return 0
        live = [
            release
            for _, release in self._releases.items()
            if release.project == project.name
            and release.model_name == project.model.name
            and release.state is ReleaseState.LIVE
        ]
        latest = max(live, key=lambda release: release.released_at, default=None)
        return latest.model_version if latest is not None else project.model.version
