"""Which model version serves a project."""

from __future__ import annotations

from collections.abc import ItemsView
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar

from streamlabel.core.control import Release, ReleaseState
from streamlabel.core.project import Project
from streamlabel.inference.adapters.tables import ServedProjects
from support.models import trivial_project
from support.nouns import text_project

Row = TypeVar("Row")
START = datetime(2030, 1, 1, tzinfo=UTC)


class Table(Generic[Row]):
    def __init__(self) -> None:
        self.rows: dict[bytes, Row] = {}
        self.ready = True

    def items(self) -> ItemsView[bytes, Row]:
        return self.rows.items()


class Finder:
    def __init__(self, table: Table[Project]) -> None:
        self.table = table

    async def find(self, name: str) -> Project | None:
        return self.table.rows.get(name.encode())


class Scene:
    def __init__(self, *projects: Project) -> None:
        self.projects: Table[Project] = Table()
        self.releases: Table[Release] = Table()
        self.projects.rows = {project.name.encode(): project for project in projects}
        self.served = ServedProjects(self.projects, self.releases, Finder(self.projects))  # type: ignore[arg-type]

    def release(self, version: int, state: ReleaseState, project: str = "p", model: str = "m") -> None:
        self.releases.rows[f"{project}/{model}/{version}".encode()] = Release(
            project=project,
            model_name=model,
            model_version=version,
            state=state,
            released_at=START + timedelta(seconds=len(self.releases.rows)),
        )
        self.served.changed()

    async def version(self, name: str = "p") -> int:
        found = await self.served.find(name)
        assert found is not None
        return found.model_version


async def test_the_projects_own_version_serves_until_one_is_released() -> None:
    scene = Scene(trivial_project("p", "m"))
    assert await scene.version() == 1

    scene.release(4, ReleaseState.LIVE)
    assert await scene.version() == 4
    assert scene.served.models() == {("m", 4)}


async def test_the_latest_live_release_counts_and_no_other() -> None:
    scene = Scene(trivial_project("p", "m"))
    scene.release(2, ReleaseState.LIVE)
    scene.release(3, ReleaseState.LIVE)
    scene.release(4, ReleaseState.SHADOW)
    scene.release(5, ReleaseState.RETIRED)
    scene.release(6, ReleaseState.LIVE, project="other")
    scene.release(7, ReleaseState.LIVE, model="another")

    assert await scene.version() == 3


async def test_unchanged_it_is_the_same_object_and_changed_another() -> None:
    scene = Scene(trivial_project("p", "m"))
    first = await scene.served.find("p")
    assert await scene.served.find("p") is first

    scene.projects.rows[b"p"] = trivial_project("p", "m", version=2)
    scene.served.changed()
    second = await scene.served.find("p")
    assert second is not None
    assert second.project.version == 2


async def test_a_project_without_a_model_names_none() -> None:
    scene = Scene(text_project("p"), trivial_project("q", "m"))

    assert await scene.version() == 0
    assert scene.served.models() == {("m", 1)}
    assert await scene.served.find("r") is None
    assert sorted(scene.served.names()) == ["p", "q"]


def test_before_the_tables_were_read_no_model_is_known() -> None:
    scene = Scene(trivial_project("p", "m"))
    scene.releases.ready = False

    assert scene.served.models() is None
