"""Simulated people: they lease, look for a while, and answer as they were told that people do."""

from __future__ import annotations

import random
import uuid
from collections.abc import Sequence
from typing import Protocol

from streamlabel.cli.demo.play import Answer
from streamlabel.client.review import CallRefusedError
from streamlabel.core.desk import AnnotationResult, AnnotationStatus, LeasedTask
from streamlabel.core.review import Annotation
from streamlabel.errors import TransientError
from streamlabel.runtime.backoff import Backoff
from streamlabel.runtime.clock import Clock

_WAIT_S = 2.0
_NOT_FOUND = "NOT_FOUND"
_TASKS_AT_ONCE = 20
# A thinking person holds few tasks, so that the last ones of a stream are shared out.
_THOUGHTFUL_TASKS_AT_ONCE = 2
_UNKNOWN_PAUSE_S = 1.0


class Desk(Protocol):
    """What an annotator asks of the review service."""

    async def lease(
        self, annotator: str, *, project: str = "", max_tasks: int = 1, wait_s: float = 0.0
    ) -> Sequence[LeasedTask]: ...

    async def submit(self, annotator: str, annotations: Sequence[Annotation]) -> Sequence[AnnotationResult]: ...

    async def release(self, annotator: str, lease_tokens: Sequence[str]) -> int: ...


class Annotator:
    """One simulated person, answering tasks of one project until `run` is cancelled; looks at each for `think_time_s` on average."""

    def __init__(
        self,
        name: str,
        desk: Desk,
        project: str,
        answer: Answer,
        think_time_s: float,
        clock: Clock,
        backoff: Backoff,
        chance: random.Random,
    ) -> None:
        self.name = name
        self.answered = 0
        self._desk = desk
        self._project = project
        self._says = answer
        self._think_time_s = think_time_s
        self._clock = clock
        self._backoff = backoff
        self._chance = chance

    async def run(self) -> None:
        """A desk that is away is asked again; answers are repeated under their id, so none counts twice."""
        attempt = 0
        while True:
            try:
                await self._round()
                attempt = 0
            except (TransientError, CallRefusedError) as error:
                # A project that was applied a moment ago may not have reached the desk.
                if isinstance(error, CallRefusedError) and error.code != _NOT_FOUND:
                    raise
                attempt += 1
                await self._clock.sleep(self._backoff.delay_s(attempt))

    async def _round(self) -> None:
        """Some tasks, from lease to answer."""
        at_once = _THOUGHTFUL_TASKS_AT_ONCE if self._think_time_s else _TASKS_AT_ONCE
        tasks = await self._desk.lease(self.name, project=self._project, max_tasks=at_once, wait_s=_WAIT_S)
        known = [(each, self._says(each.task.key.record_id, self._chance)) for each in tasks]
        answers = [await self._annotation(leased, said) for leased, said in known if said is not None]
        if answers:
            results = await self._desk.submit(self.name, answers)
            self.answered += sum(result.status is AnnotationStatus.ACCEPTED for result in results)
        strangers = [leased.lease.lease_token for leased, said in known if said is None]
        if strangers:
            # Of no demo: somebody's own record, left to somebody who can see.
            await self._desk.release(self.name, strangers)
            await self._clock.sleep(_UNKNOWN_PAUSE_S)

    async def _annotation(self, leased: LeasedTask, said: str) -> Annotation:
        think_s = self._think_time_s * self._chance.uniform(0.5, 1.5)
        if think_s:
            await self._clock.sleep(think_s)
        return Annotation(
            annotation_id=uuid.UUID(int=self._chance.getrandbits(128), version=4).hex,
            lease_token=leased.lease.lease_token,
            class_name=said,
            think_time_ms=int(think_s * 1000),
        )
