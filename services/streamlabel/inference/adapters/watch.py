"""Whether the models that projects name can be asked: told to `/readyz` and to Prometheus before records must wait."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable
from typing import Protocol

from streamlabel.errors import InvalidMessageError, StreamlabelError, TransientError
from streamlabel.inference.adapters.triton import ModelAwayError
from streamlabel.runtime.clock import Clock
from streamlabel.runtime.health import Health
from streamlabel.runtime.metrics import Metrics
from streamlabel.runtime.tasks import pause

log = logging.getLogger(__name__)

ModelVersion = tuple[str, int]

# While the tables are still being read, so that a start is not held up by the usual interval.
_SHORT_INTERVAL_S = 0.1


class Models(Protocol):
    """Who knows of models."""

    async def trouble(self, name: str, version: int) -> StreamlabelError | None:
        """Why the model version cannot be asked now: transient while its records wait for it. None: it can."""
        ...

    def failure(self, name: str, version: int) -> InvalidMessageError | None:
        """Why the records of a model version that can be asked are given up all the same. None: they are not."""
        ...

    def retain(self, in_use: Collection[ModelVersion]) -> None:
        """No record waits for any other model version."""
        ...


class ModelWatch:
    """Asks for every model version in use, again and again; a component of the process.

    `in_use` gives the versions, None while that is not known yet. `examine` is called after each look: whoever depends
    on the models sees to it that what he told of them is still true.
    """

    def __init__(
        self,
        *,
        models: Models,
        in_use: Callable[[], set[ModelVersion] | None],
        examine: Callable[[], Awaitable[None]],
        interval_s: float,
        health: Health,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        self.name = "models"
        self._models = models
        self._in_use = in_use
        self._examine = examine
        self._interval_s = interval_s
        self._check = health.check(self.name)
        self._metrics = metrics
        self._clock = clock
        self._told: set[ModelVersion] = set()
        self._said: tuple[str, str] | None = None
        self._stopping = asyncio.Event()
        self._woken = asyncio.Event()

    async def start(self) -> None:
        """Nothing to prepare."""

    async def run(self) -> None:
        """Ask until stopped."""
        while not self._stopping.is_set():
            self._woken.clear()
            known = await self.look()
            interval_s = self._interval_s if known else _SHORT_INTERVAL_S
            await pause(self._clock, interval_s, self._woken)

    async def stop(self) -> None:
        """End `run`."""
        self._stopping.set()
        self._woken.set()

    def wake(self) -> None:
        """The models in use may be others now: ask at once."""
        self._woken.set()

    async def look(self) -> bool:
        """Ask once, and tell what was found; False while it is not known what to ask for."""
        in_use = self._in_use()
        if in_use is None:
            return False
        self._models.retain(in_use)
        models = sorted(in_use)
        troubles = await asyncio.gather(*(self._models.trouble(name, version) for name, version in models))
        for (name, version), trouble in zip(models, troubles, strict=True):
            gauge = self._metrics.gauge("streamlabel_model_ready", model=name, version=str(version))
            gauge.set(0 if trouble else 1)
        for name, version in self._told - in_use:
            self._metrics.forget("streamlabel_model_ready", model=name, version=str(version))
        self._told = in_use
        failures = [self._models.failure(name, version) for name, version in models]
        self._tell([trouble for trouble in (*troubles, *failures) if trouble is not None])
        await self._examine()
        return True

    def _tell(self, troubles: list[StreamlabelError]) -> None:
        waiting = _joined(trouble for trouble in troubles if isinstance(trouble, TransientError))
        given_up = _joined(trouble for trouble in troubles if not isinstance(trouble, TransientError))
        told = [f"records wait: {waiting}"] if waiting else []
        told += [f"records are set aside: {given_up}"] if given_up else []
        if any(isinstance(trouble, TransientError) and not isinstance(trouble, ModelAwayError) for trouble in troubles):
            self._check.failing("; ".join(told))
        else:
            # A warning only: the service serves all other models, and no rollout of it would bring this one.
            self._check.ok("; ".join(told) or None)
        if self._said == (waiting, given_up):
            return
        self._said = (waiting, given_up)
        if waiting:
            log.warning("records of these models wait", extra={"reasons": waiting})
        if given_up:
            log.error("records of these models are set aside", extra={"reasons": given_up})
        if not troubles:
            log.info("every model in use is ready", extra={"models": [f"{name}:{n}" for name, n in sorted(self._told)]})


def _joined(troubles: Iterable[StreamlabelError]) -> str:
    return "; ".join(sorted({str(trouble) for trouble in troubles}))


class ContractHealth:
    """The port `ports.ContractLog`: a project that does not fit its model is shouted about until it is mended."""

    def __init__(self, health: Health) -> None:
        self._health = health
        self._broken: dict[str, str] = {}

    def broken(self, project: str, fault: InvalidMessageError) -> None:
        """Every record of this project becomes a dead letter."""
        if self._broken.get(project) != str(fault):
            log.error("every record of a project is set aside", extra={"project": project, "reason": str(fault)})
        self._broken[project] = str(fault)
        # A warning only: the service serves all other projects, and no rollout of it would mend this one.
        self._health.check(_check_name(project)).ok(f"records are set aside: {fault}")

    def kept(self, project: str) -> None:
        """The project fits its model, or needs none."""
        if self._broken.pop(project, None) is not None:
            log.info("records of a project are predicted again", extra={"project": project})
            self._health.check(_check_name(project)).close()

    def retain(self, projects: set[str]) -> None:
        """Only these projects exist: nothing is said of others any more."""
        for project in self._broken.keys() - projects:
            self.kept(project)


def _check_name(project: str) -> str:
    return f"project {project}"
