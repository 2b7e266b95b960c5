"""How long records wait for one model: what a server that lives says of it, and what ends the waiting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from streamlabel.errors import InvalidMessageError, TransientError
from streamlabel.inference.adapters.coalescing import Coalescer
from streamlabel.inference.adapters.isolation import ModelFailsError, RowsRefusedError
from streamlabel.inference.adapters.models import TritonModels
from streamlabel.inference.adapters.patience import Patience
from streamlabel.inference.adapters.triton import ModelAwayError
from streamlabel.inference.rules.signature import ModelSignature, ModelTarget

SIGNATURE = ModelSignature(max_batch_rows=8, inputs=(), outputs=())
TARGET = ModelTarget(name="m", version=1, input_name="x", datatype="FP32", output_names=("y",), max_batch_rows=8)
ROWS = np.zeros((3, 1), dtype=np.float32)


class HandClock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def monotonic_s(self) -> float:
        return self.now_s

    def wall_ms(self) -> int:
        return int(self.now_s * 1000)

    async def sleep(self, delay_s: float) -> None:
        self.now_s += delay_s


class Server:
    """Does what it is told: `away` for questions about a model, `fails` for rows."""

    def __init__(self) -> None:
        self.away: TransientError | None = None
        self.fails = False
        self.fault: TransientError | None = None
        self.asked = 0

    async def signature(self, name: str, version: int) -> ModelSignature:
        self.asked += 1
        if self.away is not None:
            raise self.away
        return SIGNATURE

    async def unready(self, name: str, version: int) -> TransientError | None:
        return self.away

    async def infer(self, target: ModelTarget, rows: npt.NDArray[Any]) -> Sequence[npt.NDArray[Any]]:
        self.asked += 1
        if self.fault is not None:
            raise self.fault
        if self.fails:
            raise RowsRefusedError("INTERNAL: out of memory", certain=False)
        return [rows]


class Scene:
    def __init__(self) -> None:
        self.clock = HandClock()
        self.server = Server()
        coalescer = Coalescer(self.server, max_rows=8, max_in_flight=1)
        self.models = TritonModels(self.server, coalescer, patience_s=10, clock=self.clock)  # type: ignore[arg-type]

    async def fate(self) -> str:
        try:
            await self.models.signature("m", 1)
        except TransientError:
            return "waits"
        except InvalidMessageError as error:
            return error.reason
        return "served"


def test_patience_counts_from_the_first_failure_and_anew_after_a_success() -> None:
    clock = HandClock()
    patience = Patience(limit_s=10, clock=clock)
    assert not patience.failed("a")
    clock.now_s = 9.9
    assert not patience.failed("a")
    assert not patience.failed("b")
    clock.now_s = 10
    assert patience.failed("a")
    assert not patience.failed("b")
    patience.worked("a")
    assert not patience.failed("a")


def test_failures_that_lie_far_apart_are_no_wait_but_what_was_given_up_stays_so() -> None:
    clock = HandClock()
    patience = Patience(limit_s=10, clock=clock)
    assert not patience.failed("a")
    clock.now_s = 10_000
    assert not patience.failed("a")
    assert not patience.is_over("a")
    clock.now_s = 10_010
    assert patience.failed("a")
    clock.now_s = 20_000
    assert patience.is_over("a")
    assert patience.failed("a")


async def test_a_model_that_was_out_of_use_meanwhile_is_waited_for_anew() -> None:
    scene = Scene()
    scene.server.away = ModelAwayError("not loaded yet")
    assert await scene.fate() == "waits"
    scene.clock.now_s = 20
    scene.models.retain({("m", 2)})
    assert await scene.fate() == "waits"
    scene.models.retain({("m", 1)})
    scene.clock.now_s = 30
    assert await scene.fate() == "MODEL_NOT_SERVED"


async def test_a_model_that_a_healthy_server_does_not_serve_is_waited_for_so_long_and_asked_for_ever() -> None:
    scene = Scene()
    scene.server.away = ModelAwayError("never heard of")
    assert await scene.fate() == "waits"
    scene.clock.now_s = 10
    assert await scene.fate() == "MODEL_NOT_SERVED"
    trouble = await scene.models.trouble("m", 1)
    assert isinstance(trouble, InvalidMessageError)

    scene.server.away = None
    assert await scene.fate() == "served"
    scene.server.away = ModelAwayError("gone again")
    assert await scene.fate() == "waits"


async def test_a_server_that_is_away_is_waited_for_without_end_and_takes_no_patience_from_its_models() -> None:
    scene = Scene()
    scene.server.away = ModelAwayError("never heard of")
    assert await scene.fate() == "waits"
    scene.server.away = TransientError("refuses connections")
    scene.clock.now_s = 1000
    assert await scene.fate() == "waits"
    scene.server.away = ModelAwayError("still loading")
    assert await scene.fate() == "waits"
    scene.clock.now_s = 1010
    assert await scene.fate() == "MODEL_NOT_SERVED"


async def test_what_the_watch_finds_ready_is_not_held_against_the_model_later() -> None:
    scene = Scene()
    scene.server.away = ModelAwayError("still loading")
    assert isinstance(await scene.models.trouble("m", 1), TransientError)
    scene.server.away = None
    assert await scene.models.trouble("m", 1) is None
    scene.server.away = ModelAwayError("unloaded")
    scene.clock.now_s = 500
    assert await scene.fate() == "waits"


async def test_a_model_that_fails_on_every_row_is_given_up_after_the_same_time() -> None:
    scene = Scene()
    scene.server.fails = True
    with pytest.raises(ModelFailsError, match="m version 1 fails on every row"):
        await scene.models.infer(TARGET, ROWS)

    scene.clock.now_s = 10
    answers = await scene.models.infer(TARGET, ROWS)
    assert not answers.outputs
    assert [answers.refused[row].reason for row in range(3)] == ["MODEL_FAILED"] * 3

    scene.server.fails = False
    assert len((await scene.models.infer(TARGET, ROWS)).outputs[0]) == 3
    scene.server.fails = True
    with pytest.raises(ModelFailsError):
        await scene.models.infer(TARGET, ROWS)


@pytest.mark.parametrize("seen", ["by a request", "by the watch"])
async def test_a_failing_model_whose_server_was_away_meanwhile_is_waited_for_anew(seen: str) -> None:
    scene = Scene()
    scene.server.fails = True
    with pytest.raises(ModelFailsError):
        await scene.models.infer(TARGET, ROWS)

    scene.clock.now_s = 20
    if seen == "by the watch":
        scene.server.away = TransientError("refuses connections")
        assert await scene.models.trouble("m", 1) is scene.server.away
    else:
        scene.server.fault = TransientError("refuses connections")
        with pytest.raises(TransientError, match="refuses connections"):
            await scene.models.infer(TARGET, ROWS)
    scene.server.fault = scene.server.away = None
    with pytest.raises(ModelFailsError):
        await scene.models.infer(TARGET, ROWS)


async def test_what_is_given_up_for_failing_is_told_until_it_works() -> None:
    scene = Scene()
    scene.server.fails = True
    with pytest.raises(ModelFailsError):
        await scene.models.infer(TARGET, ROWS)
    assert scene.models.failure("m", 1) is None
    scene.clock.now_s = 10
    await scene.models.infer(TARGET, ROWS)
    told = scene.models.failure("m", 1)
    assert told is not None
    assert told.reason == "MODEL_FAILED"

    scene.server.fails = False
    await scene.models.infer(TARGET, ROWS)
    assert scene.models.failure("m", 1) is None
