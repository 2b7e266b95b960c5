"""One term of office: all parts of learning that only one process may run, from the first read to the last snapshot."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from streamlabel.errors import TransientError
from streamlabel.learning.handler import Learner
from streamlabel.learning.ports import StaleReceiptError
from streamlabel.runtime.backoff import Backoff
from streamlabel.runtime.health import Health
from streamlabel.runtime.process import Component
from streamlabel.runtime.tasks import end, set_within

log = logging.getLogger(__name__)


class LearnerLoop:
    """Turns the learner, again and again; a component. A turn that failed is followed by a pause, and by reading the books anew."""

    def __init__(self, learner: Learner, *, tick_s: float, health: Health, backoff: Backoff) -> None:
        self.name = "learner"
        self._learner = learner
        self._tick_s = tick_s
        self._check = health.check(self.name)
        self._backoff = backoff
        self._stopped = asyncio.Event()

    async def start(self) -> None:
        """Nothing to prepare: the first turn reads the books."""

    async def run(self) -> None:
        """Until stopped; raises what is neither transient nor of the readers' making."""
        failures = 0
        while not self._stopped.is_set():
            try:
                await self._learner.turn(self._tick_s)
                failures = 0
                self._check.ok()
            except (TransientError, StaleReceiptError) as error:
                # A stale offset is the reader's to mend: what it brought was kept before, by a turn that outlived its asking.
                failures += 1
                self._check.failing(str(error))
                log.warning("nothing was kept, the books are read again: %s", error)
                at_least_s = error.retry_after_s if isinstance(error, TransientError) else None
                await set_within(self._stopped, self._backoff.delay_s(failures, at_least_s=at_least_s))
        try:
            await self._learner.put_away()
        except TransientError as error:
            log.warning("no snapshot at the end, the journal will be read: %s", error)
        self._check.close()

    async def stop(self) -> None:
        """End `run` after the turn in hand; the readers have stopped before."""
        self._stopped.set()


class Term:
    """Several components that live and die together, stopped one group after the other, in the order given; a component itself."""

    def __init__(self, name: str, *groups: Sequence[Component]) -> None:
        self.name = name
        self._groups = groups
        self._parts = [part for group in groups for part in group]
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def start(self) -> None:
        """Starts the last first: what others need."""
        for part in reversed(self._parts):
            await part.start()

    async def run(self) -> None:
        """Until stopped, or until one of them fails; raises what it raised."""
        self._tasks = {part.name: asyncio.create_task(part.run(), name=part.name) for part in reversed(self._parts)}
        try:
            done, _ = await asyncio.wait(self._tasks.values(), return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()
        finally:
            await end(list(self._tasks.values()))

    async def stop(self) -> None:
        """Stops group after group, and sees each end."""
        for group in self._groups:
            await asyncio.gather(*(part.stop() for part in group))
            if tasks := {self._tasks[part.name] for part in group if part.name in self._tasks}:
                await asyncio.wait(tasks)
