"""Many callers share few requests, and each gets the answers to its own rows."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from streamlabel.errors import TransientError
from streamlabel.inference.adapters.coalescing import Coalescer
from streamlabel.inference.adapters.isolation import RowsRefusedError
from streamlabel.inference.rules.signature import ModelTarget

POISON = -1.0


def target(name: str = "m", max_batch_rows: int = 1000) -> ModelTarget:
    return ModelTarget(
        name=name,
        version=1,
        input_name="x",
        datatype="FP64",
        output_names=("double", "square"),
        max_batch_rows=max_batch_rows,
    )


class Rpc:
    """Doubles and squares; refuses requests with POISON in them; answers when let."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.under_way = 0
        self.most_under_way = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.fault: Exception | None = None

    async def infer(self, target: ModelTarget, rows: npt.NDArray[Any]) -> Sequence[npt.NDArray[Any]]:
        self.sizes.append(len(rows))
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await self.gate.wait()
            await asyncio.sleep(0)
        finally:
            self.under_way -= 1
        if self.fault is not None:
            raise self.fault
        if (rows == POISON).any():
            raise RowsRefusedError("poison", certain=True)
        return [rows * 2, rows * rows]


def column(*values: float) -> npt.NDArray[Any]:
    return np.array(values, dtype=np.float64)[:, None]


async def test_callers_of_one_moment_share_a_request() -> None:
    rpc = Rpc()
    coalescer = Coalescer(rpc, max_rows=100, max_in_flight=2)

    answers = await asyncio.gather(*(coalescer.infer(target(), column(n, n + 0.5)) for n in range(5)))

    assert rpc.sizes == [10]
    for n, answer in enumerate(answers):
        assert answer.outputs[0].tolist() == [[2 * n], [2 * n + 1]]
        assert answer.outputs[1].tolist() == [[n**2], [(n + 0.5) ** 2]]


async def test_rows_that_come_while_all_places_are_taken_go_together_next() -> None:
    rpc = Rpc()
    rpc.gate.clear()
    coalescer = Coalescer(rpc, max_rows=100, max_in_flight=1)
    tasks = []
    for n in range(4):
        tasks.append(asyncio.create_task(coalescer.infer(target(), column(n))))
        await asyncio.sleep(0.001)
    rpc.gate.set()
    await asyncio.gather(*tasks)

    assert rpc.sizes == [1, 3]


@pytest.mark.parametrize(("setting", "model", "sizes"), [(64, 1000, [50, 50]), (1000, 40, [34, 33, 33])])
async def test_requests_keep_to_the_lower_limit_and_are_even(setting: int, model: int, sizes: list[int]) -> None:
    rpc = Rpc()
    coalescer = Coalescer(rpc, max_rows=setting, max_in_flight=8)

    answer = await coalescer.infer(target(max_batch_rows=model), column(*range(100)))

    assert rpc.sizes == sizes
    assert answer.outputs[0].ravel().tolist() == [2.0 * n for n in range(100)]


async def test_requests_in_flight_are_bounded() -> None:
    rpc = Rpc()
    coalescer = Coalescer(rpc, max_rows=1, max_in_flight=3)

    await coalescer.infer(target(), column(*range(20)))

    assert rpc.most_under_way == 3


async def test_models_do_not_wait_for_each_other() -> None:
    rpc = Rpc()
    coalescer = Coalescer(rpc, max_rows=10, max_in_flight=1)

    await asyncio.gather(*(coalescer.infer(target(name), column(1)) for name in "abc"))

    assert rpc.most_under_way == 3


async def test_rows_of_other_shapes_go_apart() -> None:
    rpc = Rpc()
    coalescer = Coalescer(rpc, max_rows=10, max_in_flight=1)

    wide, narrow = await asyncio.gather(
        coalescer.infer(target(), np.ones((1, 3))), coalescer.infer(target(), np.ones((1, 2)))
    )

    assert (wide.outputs[0].shape, narrow.outputs[0].shape) == ((1, 3), (1, 2))


async def test_a_refused_row_harms_nobody_else() -> None:
    rpc = Rpc()
    coalescer = Coalescer(rpc, max_rows=100, max_in_flight=1)

    good, bad, worse = await asyncio.gather(
        coalescer.infer(target(), column(1, 2)),
        coalescer.infer(target(), column(3, POISON, 4)),
        coalescer.infer(target(), column(POISON)),
    )

    assert good.outputs[0].ravel().tolist() == [2, 4]
    assert bad.outputs[0].ravel().tolist() == [6, 8]
    assert list(bad.refused) == [1]
    assert (list(worse.refused), worse.outputs) == ([0], [])
    assert bad.refused[1].reason == "MODEL_REJECTED_RECORD"


async def test_a_fault_reaches_everyone_who_waits_and_the_next_call_starts_afresh() -> None:
    rpc = Rpc()
    rpc.fault = TransientError("gone")
    coalescer = Coalescer(rpc, max_rows=2, max_in_flight=2)

    outcomes = await asyncio.gather(
        *(coalescer.infer(target(), column(n, n, n)) for n in range(3)), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [TransientError] * 3

    rpc.fault = None
    assert (await coalescer.infer(target(), column(5))).outputs[0].tolist() == [[10]]


async def test_rows_of_a_caller_that_gave_up_are_not_asked() -> None:
    rpc = Rpc()
    rpc.gate.clear()
    coalescer = Coalescer(rpc, max_rows=10, max_in_flight=1)
    first = asyncio.create_task(coalescer.infer(target(), column(1)))
    await asyncio.sleep(0.001)
    impatient = asyncio.create_task(coalescer.infer(target(), column(2, 2)))
    patient = asyncio.create_task(coalescer.infer(target(), column(3)))
    await asyncio.sleep(0.001)
    impatient.cancel()
    await asyncio.sleep(0.001)
    rpc.gate.set()

    assert (await patient).outputs[0].tolist() == [[6]]
    assert (await first).outputs[0].tolist() == [[2]]
    assert rpc.sizes == [1, 1]
    assert impatient.cancelled()


async def test_closing_ends_every_wait() -> None:
    rpc = Rpc()
    rpc.gate.clear()
    coalescer = Coalescer(rpc, max_rows=1, max_in_flight=1)
    waiting = [asyncio.create_task(coalescer.infer(target(), column(n))) for n in range(3)]
    await asyncio.sleep(0.001)

    await coalescer.close()
    await asyncio.wait(waiting, timeout=1)

    assert all(task.cancelled() for task in waiting)
    assert rpc.under_way == 0


@pytest.mark.parametrize("seed", range(10))
async def test_each_caller_gets_its_own_rows_whatever_the_traffic(seed: int) -> None:
    chance = random.Random(seed)
    rpc = Rpc()
    coalescer = Coalescer(rpc, max_rows=chance.randrange(1, 12), max_in_flight=chance.randrange(1, 4))

    async def call() -> None:
        for _ in range(chance.randrange(1, 4)):
            await asyncio.sleep(0)
        values = [POISON if chance.random() < 0.1 else chance.random() for _ in range(chance.randrange(1, 25))]
        answer = await coalescer.infer(target(), column(*values))
        kept = [value for value in values if value != POISON]
        assert sorted(answer.refused) == [row for row, value in enumerate(values) if value == POISON]
        if kept:
            assert answer.outputs[0].ravel().tolist() == [2 * value for value in kept]
            assert answer.outputs[1].ravel().tolist() == [value * value for value in kept]
        else:
            assert not answer.outputs

    await asyncio.gather(*(call() for _ in range(30)))
