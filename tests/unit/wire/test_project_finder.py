"""An unknown project is looked for before it is called unknown, and no flood of unknown names becomes a flood of look-ups."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from streamlabel.core.project import Project
from streamlabel.errors import TransientError
from streamlabel.wire.tables import LOOK_EVERY_S, ProjectFinder
from support.nouns import text_project


class PaperTable:
    """A table whose topic holds more than was read so far; `held` keeps a look from its end."""

    def __init__(self, clock: HandClock) -> None:
        self._clock = clock
        self.read: dict[bytes, Project] = {}
        self.topic: dict[bytes, Project] = {}
        self.looked_at_s: list[float] = []
        self.failure: TransientError | None = None
        self.held: asyncio.Event | None = None

    def apply(self, name: str) -> None:
        self.topic[name.encode()] = text_project(name)

    def get(self, key: bytes) -> Project | None:
        return self.read.get(key)

    def rows(self) -> dict[bytes, Project]:
        return self.read

    async def refresh(self, timeout_s: float) -> None:
        self.looked_at_s.append(self._clock.now_s)
        seen = dict(self.topic)
        if self.held is not None:
            await self.held.wait()
        if self.failure is not None:
            raise self.failure
        self.read = seen


class HandClock:
    """Goes on only where somebody sleeps."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def monotonic_s(self) -> float:
        return self.now_s

    def now_ms(self) -> int:
        return round(self.now_s * 1000)

    async def sleep(self, seconds: float) -> None:
        self.now_s += seconds
        await asyncio.sleep(0)


class Scene:
    def __init__(self) -> None:
        self.clock = HandClock()
        self.table = PaperTable(self.clock)
        self.finder = ProjectFinder(self.table, self.clock)  # type: ignore[arg-type]

    @property
    def looks(self) -> int:
        return len(self.table.looked_at_s)

    async def knows(self, name: str) -> bool:
        return await self.finder.find(name) is not None


async def until_looking(scene: Scene, looks: int = 1) -> None:
    async with asyncio.timeout(5):
        while scene.looks < looks:
            await asyncio.sleep(0)


async def test_a_project_that_was_applied_a_moment_ago_is_found_at_once() -> None:
    scene = Scene()
    scene.table.apply("mail")
    assert await scene.knows("mail")
    assert await scene.knows("mail")
    assert (scene.looks, scene.clock.now_s) == (1, 100.0)
    assert scene.finder.names() == ["mail"]


async def test_a_name_that_was_missed_is_looked_for_again_only_when_the_next_look_is_due() -> None:
    scene = Scene()
    assert not await scene.knows("mail")
    scene.table.apply("mail")
    assert not await scene.knows("mail")
    assert scene.looks == 1
    scene.clock.now_s += LOOK_EVERY_S
    assert await scene.knows("mail")


async def test_a_flood_of_different_unknown_names_is_looked_for_once_a_while() -> None:
    scene = Scene()
    scene.table.apply("mail")
    for wave in range(5):
        names = [f"unknown-{wave}-{number}" for number in range(100)]
        assert not any(await asyncio.gather(*(scene.knows(name) for name in names)))
        await scene.finder.look_for(f"{name}-more" for name in names)
    looked = scene.table.looked_at_s
    assert all(later - earlier >= LOOK_EVERY_S for earlier, later in itertools.pairwise(looked))
    assert scene.looks == 10
    assert await scene.knows("mail")


async def test_what_was_applied_after_a_look_began_is_not_called_unknown_by_it() -> None:
    scene = Scene()
    scene.table.held = asyncio.Event()
    early = asyncio.create_task(scene.knows("early"))
    await until_looking(scene)
    scene.table.apply("late")
    late = asyncio.create_task(scene.knows("late"))
    await asyncio.sleep(0)
    scene.table.held.set()
    assert not await early
    assert await late
    assert scene.looks == 2


async def test_who_waits_for_a_look_shares_its_failure() -> None:
    scene = Scene()
    scene.table.failure = TransientError("Kafka is away")
    outcomes = await asyncio.gather(*(scene.knows(f"p{number}") for number in range(50)), return_exceptions=True)
    assert {str(outcome) for outcome in outcomes} == {"Kafka is away"}
    assert scene.looks == 1
    scene.table.failure = None
    scene.table.apply("p1")
    assert await scene.knows("p1")


async def test_when_the_one_who_looks_is_cancelled_the_next_one_looks() -> None:
    scene = Scene()
    scene.table.held = asyncio.Event()
    first = asyncio.create_task(scene.knows("mail"))
    await until_looking(scene)
    second = asyncio.create_task(scene.knows("mail"))
    await asyncio.sleep(0)
    first.cancel()
    scene.table.apply("mail")
    await until_looking(scene, 2)
    scene.table.held.set()
    assert await second
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_what_can_be_no_name_of_a_project_is_never_looked_for() -> None:
    scene = Scene()
    for name in ("", "No Name", "x" * 65, "\udcff"):
        assert not await scene.knows(name)
    assert scene.looks == 0
