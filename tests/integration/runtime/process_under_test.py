"""A service process without servers behind it: what the tests of signals start and stop."""

from __future__ import annotations

import asyncio
import sys
import time

from streamlabel.runtime.main import main
from streamlabel.runtime.process import Phase, Process
from streamlabel.runtime.settings import ServiceSettings


class Stage:
    """Behaves as the command line says: `ok`, `slow-start`, `hangs`, `fails`, `wedges`."""

    name = "stage"

    def __init__(self, manner: str) -> None:
        self._manner = manner
        self._stopped = asyncio.Event()

    async def start(self) -> None:
        if self._manner == "slow-start":
            await asyncio.sleep(60)

    async def run(self) -> None:
        if self._manner == "fails":
            raise RuntimeError("the lane broke")
        if self._manner == "wedges":
            await asyncio.sleep(0.3)
            time.sleep(60)  # noqa: ASYNC251  A loop that is stuck is the point.
        await self._stopped.wait()

    async def stop(self) -> None:
        sys.stdout.write("stage stops\n")
        sys.stdout.flush()
        if self._manner == "hangs":
            await asyncio.sleep(60)
        self._stopped.set()


async def wire(process: Process, _settings: ServiceSettings) -> None:
    process.add(Stage(manner), Phase.INTAKE)


if __name__ == "__main__":
    manner = sys.argv[1]
    main("routing", ServiceSettings, wire, argv=[])
