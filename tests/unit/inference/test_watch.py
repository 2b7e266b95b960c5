"""What operators are told of models that are away and projects that do not fit."""

from __future__ import annotations

import asyncio

from streamlabel.errors import InvalidMessageError
from streamlabel.inference.adapters.watch import ContractHealth, ModelWatch
from streamlabel.runtime.clock import SystemClock
from streamlabel.runtime.health import Health
from streamlabel.runtime.metrics import Metrics


class Triton:
    def __init__(self) -> None:
        self.away: dict[tuple[str, int], str] = {}
        self.asked = 0

    async def unready(self, name: str, version: int) -> str | None:
        self.asked += 1
        return self.away.get((name, version))


class Scene:
    def __init__(self, *models: tuple[str, int], interval_s: float = 60.0) -> None:
        self.models: set[tuple[str, int]] | None = set(models)
        self.triton = Triton()
        self.health = Health()
        self.metrics = Metrics("inference")
        self.watch = ModelWatch(
            triton=self.triton,  # type: ignore[arg-type]
            models=lambda: self.models,
            interval_s=interval_s,
            health=self.health,
            metrics=self.metrics,
            clock=SystemClock(),
        )

    def scrape(self) -> list[str]:
        lines = self.metrics.expose("")[0].decode().splitlines()
        return [line for line in lines if line.startswith("streamlabel_model_ready{")]


async def test_each_model_that_is_away_is_named_with_its_reason() -> None:
    scene = Scene(("a", 1), ("b", 2))
    scene.triton.away = {("b", 2): "b is loading"}

    await scene.watch.look()
    assert scene.health.reasons() == {"models": "b is loading"}
    assert scene.scrape() == [
        'streamlabel_model_ready{model="a",version="1"} 1.0',
        'streamlabel_model_ready{model="b",version="2"} 0.0',
    ]

    scene.triton.away = {}
    await scene.watch.look()
    assert scene.health.ready


async def test_one_reason_for_all_is_said_once() -> None:
    scene = Scene(("a", 1), ("b", 2))
    scene.triton.away = dict.fromkeys((("a", 1), ("b", 2)), "Triton is away")

    await scene.watch.look()
    assert scene.health.reasons() == {"models": "Triton is away"}


async def test_a_model_out_of_use_is_forgotten() -> None:
    scene = Scene(("a", 1))
    await scene.watch.look()
    scene.models = {("a", 2)}
    await scene.watch.look()

    assert scene.scrape() == ['streamlabel_model_ready{model="a",version="2"} 1.0']


async def test_without_models_nothing_is_missing_and_before_the_tables_nothing_is_known() -> None:
    scene = Scene()
    scene.models = None
    assert not await scene.watch.look()
    assert not scene.health.ready

    scene.models = set()
    assert await scene.watch.look()
    assert scene.health.ready
    assert scene.triton.asked == 0


async def test_a_change_is_looked_at_at_once_and_a_stop_ends_the_watch() -> None:
    scene = Scene(("a", 1))
    running = asyncio.create_task(scene.watch.run())
    async with asyncio.timeout(5):
        while scene.triton.asked < 1:
            await asyncio.sleep(0.001)
        scene.watch.wake()
        while scene.triton.asked < 2:
            await asyncio.sleep(0.001)
        await scene.watch.stop()
        await running


def test_a_project_that_does_not_fit_is_told_until_it_is_mended() -> None:
    health = Health()
    contracts = ContractHealth(health)

    contracts.broken("p", InvalidMessageError("MODEL_OUTPUT_MISMATCH", "4 classes"))
    contracts.kept("other")
    assert health.reasons() == {"project p": "records are set aside: MODEL_OUTPUT_MISMATCH: 4 classes"}

    contracts.kept("p")
    assert health.ready


def test_a_project_that_is_gone_is_not_spoken_of() -> None:
    health = Health()
    contracts = ContractHealth(health)
    for name in ("p", "q"):
        contracts.broken(name, InvalidMessageError("MODEL_OUTPUT_MISMATCH", "no"))

    contracts.retain({"q"})
    assert list(health.reasons()) == ["project q"]
