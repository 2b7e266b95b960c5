"""The port to models, whole: signatures from Triton, answers by way of the coalescer."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from streamlabel.inference.adapters.coalescing import Coalescer
from streamlabel.inference.adapters.triton import Triton
from streamlabel.inference.ports import ModelAnswers
from streamlabel.inference.rules.signature import ModelSignature, ModelTarget


class TritonModels:
    """Models as the handler knows them (`ports.ModelServer`); a component of the process, which owns the connection."""

    name = "triton"

    def __init__(self, triton: Triton, coalescer: Coalescer) -> None:
        self._triton = triton
        self._coalescer = coalescer

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
        return await self._triton.signature(name, version)

    async def infer(self, target: ModelTarget, rows: npt.NDArray[Any]) -> ModelAnswers:
        """The model's answer to each row."""
        return await self._coalescer.infer(target, rows)
