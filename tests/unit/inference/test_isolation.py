"""The guilty row stands alone; a server that is unwell convicts nobody."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from streamlabel.errors import TransientError
from streamlabel.inference.adapters.isolation import ModelFailsError, RowsRefusedError, infer_isolating
from streamlabel.inference.rules.signature import ModelTarget

TARGET = ModelTarget(name="m", version=1, input_name="x", datatype="FP32", output_names=("y",), max_batch_rows=1000)


class Rpc:
    def __init__(self, guilty: set[float], *, certain: bool, broken: bool = False) -> None:
        self.guilty = guilty
        self.certain = certain
        self.broken = broken
        self.calls = 0

    async def infer(self, target: ModelTarget, rows: npt.NDArray[Any]) -> Sequence[npt.NDArray[Any]]:
        self.calls += 1
        if self.broken or self.guilty & set(rows.ravel().tolist()):
            raise RowsRefusedError("INTERNAL: it hurts", certain=self.certain)
        return [rows + 1]


def numbered(count: int) -> npt.NDArray[np.float64]:
    return np.arange(1, count + 1, dtype=np.float64)[:, None]


@pytest.mark.parametrize("certain", [True, False])
@pytest.mark.parametrize("guilty", [{1.0}, {64.0}, {7.0, 8.0, 33.0}])
async def test_only_the_guilty_rows_are_refused(guilty: set[float], certain: bool) -> None:
    rpc = Rpc(guilty, certain=certain)

    answers = await infer_isolating(rpc, TARGET, numbered(64))

    assert {row + 1.0 for row in answers.refused} == guilty
    assert answers.outputs[0].ravel().tolist() == [n + 1.0 for n in range(1, 65) if n not in guilty]
    assert rpc.calls <= 1 + len(guilty) * (2 * 6 + 1)


@pytest.mark.parametrize("rows", [1, 64])
async def test_a_model_that_fails_on_everything_is_unwell_and_convicts_nobody(rows: int) -> None:
    rpc = Rpc(set(), certain=False, broken=True)

    with pytest.raises(TransientError, match="model m version 1 fails on every row: INTERNAL"):
        await infer_isolating(rpc, TARGET, numbered(rows))
    assert rpc.calls <= 14


@pytest.mark.parametrize("guilty", [{1.0}, {64.0}, {7.0, 8.0, 33.0}, {1.0, 2.0, 33.0, 34.0}])
async def test_rows_that_are_answered_speak_for_a_model_that_cannot_bear_an_empty_one(guilty: set[float]) -> None:
    rpc = Rpc(guilty | {0.0}, certain=False)

    answers = await infer_isolating(rpc, TARGET, numbered(64))

    assert {row + 1.0 for row in answers.refused} == guilty
    assert answers.outputs[0].ravel().tolist() == [n + 1.0 for n in range(1, 65) if n not in guilty]


async def test_a_model_that_falls_ill_in_the_middle_convicts_nobody() -> None:
    rpc = Rpc({64.0}, certain=False)
    answered = 0

    class Falling:
        async def infer(self, target: ModelTarget, rows: npt.NDArray[Any]) -> Sequence[npt.NDArray[Any]]:
            nonlocal answered
            rpc.broken = answered >= 3
            outputs = await rpc.infer(target, rows)
            answered += 1
            return outputs

    with pytest.raises(ModelFailsError):
        await infer_isolating(Falling(), TARGET, numbered(64))


async def test_a_lonely_guilty_row_is_told_from_an_unwell_model_by_an_empty_row() -> None:
    rpc = Rpc({5.0}, certain=False)

    answers = await infer_isolating(rpc, TARGET, np.array([[5.0]]))

    assert answers.refused[0].reason == "MODEL_REJECTED_RECORD"
    assert answers.outputs == []
    assert rpc.calls == 2


async def test_rows_that_the_server_blames_itself_are_all_refused() -> None:
    rpc = Rpc(set(), certain=True, broken=True)

    answers = await infer_isolating(rpc, TARGET, numbered(4))

    assert list(answers.refused) == [0, 1, 2, 3]
    assert answers.outputs == []
