"""The port to models, whole: signatures from Triton, answers by way of the coalescer, and an end to waiting."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy.typing as npt

from streamlabel.errors import InvalidMessageError, StreamlabelError, TransientError
from streamlabel.inference.adapters.coalescing import Coalescer
from streamlabel.inference.adapters.isolation import ModelFailsError
from streamlabel.inference.adapters.patience import Patience
from streamlabel.inference.adapters.triton import ModelAwayError, Triton
from streamlabel.inference.ports import ModelAnswers
from streamlabel.inference.rules.reasons import ModelReason
from streamlabel.inference.rules.signature import ModelSignature, ModelTarget
from streamlabel.runtime.clock import Clock


class TritonModels:
    """Models as the handler knows them (`ports.ModelServer`); a component of the process, which owns the connection.

    Records wait for a server that is away, however long: all models are away with it, and it will be back. A model that
    a server in good health does not serve, or that fails on whatever it is asked, is waited for `patience_s` only: the
    records of every other project stand behind those that wait, and none of the faults mends itself. After that each
    record is given up, until the model works again; it is still asked every time.
    """

    name = "triton"

    def __init__(self, triton: Triton, coalescer: Coalescer, *, patience_s: float, clock: Clock) -> None:
        self._triton = triton
        self._coalescer = coalescer
        self._absent = Patience(limit_s=patience_s, clock=clock)
        self._failing = Patience(limit_s=patience_s, clock=clock)

    async def start(self) -> None:
        """Makes the client; waits for no server."""
        await self._triton.start()

    async def run(self) -> None:
        """Nothing to do by itself."""

    async def stop(self) -> None:
        """Gives up what is still asked, and closes the connection."""
        await self._coalescer.close()
        await self._triton.stop()

    async def signature(self, name: str, version: int) -> ModelSignature:
        """What the model version takes and gives."""
        try:
            signature = await self._triton.signature(name, version)
        except TransientError as error:
            raise self._judged(name, version, error) from error
        self._absent.worked((name, version))
        return signature

    async def infer(self, target: ModelTarget, rows: npt.NDArray[Any]) -> ModelAnswers:
        """The model's answer to each row."""
        model = (target.name, target.version)
        try:
            answers = await self._coalescer.infer(target, rows)
        except ModelFailsError as error:
            if not self._failing.failed(model):
                raise
            given_up = InvalidMessageError(ModelReason.MODEL_FAILED, str(error))
            return ModelAnswers([], dict.fromkeys(range(len(rows)), given_up))
        except TransientError:
            self._failing.worked(model)
            raise
        self._failing.worked(model)
        return answers

    async def trouble(self, name: str, version: int) -> StreamlabelError | None:
        """Why the model version cannot be asked now: transient while its records wait for it. None: it can."""
        error = await self._triton.unready(name, version)
        if error is not None:
            return self._judged(name, version, error)
        self._absent.worked((name, version))
        return None

    def failure(self, name: str, version: int) -> InvalidMessageError | None:
        """Why the records of a model version that can be asked are given up all the same. None: they are not."""
        if not self._failing.is_over((name, version)):
            return None
        return InvalidMessageError(
            ModelReason.MODEL_FAILED, f"model {name} version {version} failed on every row when it was last asked"
        )

    def retain(self, in_use: Collection[tuple[str, int]]) -> None:
        """No record waits for any other model version: what is known of others is forgotten."""
        self._absent.retain(in_use)
        self._failing.retain(in_use)

    def _judged(self, name: str, version: int, error: TransientError) -> StreamlabelError:
        # A model that is away, with its server or without, is another one when it is back.
        self._failing.worked((name, version))
        if not isinstance(error, ModelAwayError):
            self._absent.worked((name, version))
            return error
        if self._absent.failed((name, version)):
            return InvalidMessageError(ModelReason.MODEL_NOT_SERVED, str(error))
        return error
