"""What operators are told of models that are away and projects that do not fit."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from streamlabel.errors import InvalidMessageError, StreamlabelError, TransientError
from streamlabel.inference.adapters.triton import ModelAwayError
from streamlabel.inference.adapters.watch import ContractHealth, ModelWatch
from streamlabel.runtime.clock import SystemClock
from streamlabel.runtime.health import Health
from streamlabel.runtime.metrics import Metrics


class Models:
    def __init__(self) -> None:
        self.away: dict[tuple[str, int], StreamlabelError] = {}
        self.failing: dict[tuple[str, int], InvalidMessageError] = {}
        self.retained: set[tuple[str, int]] = set()
        self.asked = 0

    async def trouble(self, name: str, version: int) -> StreamlabelError | None:
        self.asked += 1
        return self.away.get((name, version))

    def failure(self, name: str, version: int) -> InvalidMessageError | None:
        return self.failing.get((name, version))

    def retain(self, in_use: Collection[tuple[str, int]]) -> None:
        self.retained = set(in_use)


class Scene:
    def __init__(self, *models: tuple[str, int], interval_s: float = 60.0) -> None:
        self.in_use: set[tuple[str, int]] | None = set(models)
        self.models = Models()
        self.examined = 0
        self.health = Health()
        self.metrics = Metrics("inference")
        self.watch = ModelWatch(
            models=self.models,
            in_use=lambda: self.in_use,
            examine=self.examine,
            interval_s=interval_s,
            health=self.health,
            metrics=self.metrics,
            clock=SystemClock(),
        )

    async def examine(self) -> None:
        self.examined += 1

    def scrape(self) -> list[str]:
        lines = self.metrics.expose("")[0].decode().splitlines()
        return [line for line in lines if line.startswith("streamlabel_model_ready{")]


async def test_each_model_that_is_away_is_named_with_its_reason() -> None:
    scene = Scene(("a", 1), ("b", 2))
    scene.models.away = {("b", 2): TransientError("b is loading")}

    await scene.watch.look()
    assert scene.health.reasons() == {"models": "records wait: b is loading"}
    assert scene.scrape() == [
        'streamlabel_model_ready{model="a",version="1"} 1.0',
        'streamlabel_model_ready{model="b",version="2"} 0.0',
    ]

    scene.models.away = {}
    await scene.watch.look()
    assert scene.health.ready


async def test_one_reason_for_all_is_said_once() -> None:
    scene = Scene(("a", 1), ("b", 2))
    scene.models.away = dict.fromkeys((("a", 1), ("b", 2)), TransientError("Triton is away"))

    await scene.watch.look()
    assert scene.health.reasons() == {"models": "records wait: Triton is away"}


async def test_a_model_that_only_is_not_there_is_a_warning_and_holds_up_no_start() -> None:
    scene = Scene(("a", 1), ("b", 2))
    scene.models.away = {("b", 2): ModelAwayError("b is not there")}

    await scene.watch.look()
    assert scene.health.ready
    assert scene.health.warnings() == {"models": "records wait: b is not there"}

    scene.models.away[("a", 1)] = TransientError("Triton is away")
    await scene.watch.look()
    assert scene.health.reasons() == {"models": "records wait: Triton is away; b is not there"}


async def test_a_model_that_is_waited_for_no_more_is_a_warning_and_holds_up_no_rollout() -> None:
    scene = Scene(("a", 1), ("b", 2))
    scene.models.away = {("b", 2): InvalidMessageError("MODEL_NOT_SERVED", "b is not there")}

    await scene.watch.look()
    assert scene.health.ready
    assert scene.health.warnings() == {"models": "records are set aside: MODEL_NOT_SERVED: b is not there"}
    assert 'streamlabel_model_ready{model="b",version="2"} 0.0' in scene.scrape()

    scene.models.away[("a", 1)] = TransientError("a is loading")
    await scene.watch.look()
    assert scene.health.reasons() == {
        "models": "records wait: a is loading; records are set aside: MODEL_NOT_SERVED: b is not there"
    }

    scene.models.away = {}
    await scene.watch.look()
    assert scene.health.ready
    assert not scene.health.warnings()
    assert scene.examined == 3


async def test_a_model_that_is_there_but_given_up_for_failing_is_a_warning_too() -> None:
    scene = Scene(("a", 1))
    scene.models.failing = {("a", 1): InvalidMessageError("MODEL_FAILED", "a fails on every row")}

    await scene.watch.look()
    assert scene.health.ready
    assert scene.health.warnings() == {"models": "records are set aside: MODEL_FAILED: a fails on every row"}
    assert scene.scrape() == ['streamlabel_model_ready{model="a",version="1"} 1.0']


async def test_a_model_out_of_use_is_forgotten() -> None:
    scene = Scene(("a", 1))
    await scene.watch.look()
    scene.in_use = {("a", 2)}
    await scene.watch.look()

    assert scene.models.retained == {("a", 2)}
    assert scene.scrape() == ['streamlabel_model_ready{model="a",version="2"} 1.0']


async def test_without_models_nothing_is_missing_and_before_the_tables_nothing_is_known() -> None:
    scene = Scene()
    scene.in_use = None
    assert not await scene.watch.look()
    assert not scene.health.ready

    scene.in_use = set()
    assert await scene.watch.look()
    assert scene.health.ready
    assert scene.models.asked == 0


async def test_a_change_is_looked_at_at_once_and_a_stop_ends_the_watch() -> None:
    scene = Scene(("a", 1))
    running = asyncio.create_task(scene.watch.run())
    async with asyncio.timeout(5):
        while scene.models.asked < 1:
            await asyncio.sleep(0.001)
        scene.watch.wake()
        while scene.models.asked < 2:
            await asyncio.sleep(0.001)
        await scene.watch.stop()
        await running


def test_a_project_that_does_not_fit_is_told_until_it_is_mended() -> None:
    health = Health()
    contracts = ContractHealth(health)

    contracts.broken("p", InvalidMessageError("MODEL_OUTPUT_MISMATCH", "4 classes"))
    contracts.kept("other")
    assert health.warnings() == {"project p": "records are set aside: MODEL_OUTPUT_MISMATCH: 4 classes"}
    assert health.ready

    contracts.kept("p")
    assert not health.warnings()


def test_a_project_that_is_gone_is_not_spoken_of() -> None:
    health = Health()
    contracts = ContractHealth(health)
    for name in ("p", "q"):
        contracts.broken(name, InvalidMessageError("MODEL_OUTPUT_MISMATCH", "no"))

    contracts.retain({"q"})
    assert list(health.warnings()) == ["project q"]
