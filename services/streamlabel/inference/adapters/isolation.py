"""Finds the one row that a model cannot bear, so that it does not take its whole batch along."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from streamlabel.errors import InvalidMessageError, TransientError
from streamlabel.inference.ports import ModelAnswers
from streamlabel.inference.rules.reasons import ModelReason
from streamlabel.inference.rules.signature import ModelTarget


class RowsRefusedError(Exception):
    """The model gave no answer to a request, and one of its rows may be why; `certain` when the server says so itself."""

    def __init__(self, message: str, *, certain: bool) -> None:
        super().__init__(message)
        self.certain = certain


class ModelFailsError(TransientError):
    """The model gives no answer to anything it was asked, not even to a row that says nothing."""


class ModelRpc(Protocol):
    """One request to the model server."""

    async def infer(self, target: ModelTarget, rows: npt.NDArray[Any]) -> Sequence[npt.NDArray[Any]]:
        """The outputs in the order of `target.output_names`; raises TransientError or RowsRefusedError."""
        ...


async def infer_isolating(
    rpc: ModelRpc, target: ModelTarget, rows: npt.NDArray[Any], witness: npt.NDArray[Any] | None = None
) -> ModelAnswers:
    """The answers to all rows but those that the model refuses even alone; raises TransientError or ModelFailsError.

    A refused request is halved until its guilty rows stand alone. Where the server does not say that the input is at
    fault (the model crashed, ran out of memory), a single row is found guilty only if the model answers another one at
    that moment: an empty row, or, as not every model bears that, `witness` or rows of the same request.
    """
    try:
        return ModelAnswers(await rpc.infer(target, rows), {})
    except RowsRefusedError as error:
        if len(rows) == 1:
            return await _convict(rpc, target, rows, error, witness)
    left, right = rows[: len(rows) // 2], rows[len(rows) // 2 :]
    try:
        first = await infer_isolating(rpc, target, left, witness)
    except ModelFailsError:
        if not await _is_answered(rpc, target, right):
            raise
        first = await infer_isolating(rpc, target, left, right)
    if first.outputs:
        answered = next(row for row in range(len(left)) if row not in first.refused)
        witness = left[answered : answered + 1]
    second = await infer_isolating(rpc, target, right, witness)
    return _joined(first, second, len(left))


async def _convict(
    rpc: ModelRpc,
    target: ModelTarget,
    row: npt.NDArray[Any],
    error: RowsRefusedError,
    witness: npt.NDArray[Any] | None,
) -> ModelAnswers:
    """The verdict on a row that was refused alone."""
    if not error.certain:
        empty = np.full_like(row, b"") if row.dtype == np.object_ else np.zeros_like(row)
        is_well = await _is_answered(rpc, target, empty)
        if not is_well and witness is not None:
            is_well = await _is_answered(rpc, target, witness)
        if not is_well:
            raise ModelFailsError(
                f"model {target.name} version {target.version} fails on every row: {error}"
            ) from error
    refusal = InvalidMessageError(ModelReason.MODEL_REJECTED_RECORD, f"model {target.name} refused it: {error}")
    return ModelAnswers([], {0: refusal})


async def _is_answered(rpc: ModelRpc, target: ModelTarget, rows: npt.NDArray[Any]) -> bool:
    try:
        await rpc.infer(target, rows)
    except RowsRefusedError:
        return False
    return True


def _joined(first: ModelAnswers, second: ModelAnswers, middle: int) -> ModelAnswers:
    refused = {**first.refused, **{middle + row: refusal for row, refusal in second.refused.items()}}
    if not (first.outputs and second.outputs):
        return ModelAnswers(first.outputs or second.outputs, refused)
    outputs = [np.concatenate(pair) for pair in zip(first.outputs, second.outputs, strict=True)]
    return ModelAnswers(outputs, refused)
