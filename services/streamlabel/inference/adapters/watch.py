"""Whether the models that projects name can be asked: told to `/readyz` and to Prometheus before records must wait."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from streamlabel.errors import InvalidMessageError
from streamlabel.inference.adapters.triton import Triton
from streamlabel.runtime.clock import Clock
from streamlabel.runtime.health import Health
from streamlabel.runtime.metrics import Metrics

log = logging.getLogger(__name__)

ModelVersion = tuple[str, int]

# While the tables are still being read, so that a start is not held up by the usual interval.
_SHORT_INTERVAL_S = 0.1


class ModelWatch:
    """Asks Triton for every model version in use, again and again; a component of the process.

    `models` gives the versions in use, None while that is not known yet.
    """

    def __init__(
        self,
        *,
        triton: Triton,
        models: Callable[[], set[ModelVersion] | None],
        interval_s: float,
        health: Health,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        self.name = "models"
        self._triton = triton
        self._models = models
        self._interval_s = interval_s
        self._check = health.check(self.name)
        self._metrics = metrics
        self._clock = clock
        self._told: set[ModelVersion] = set()
        self._reasons: list[str] = []
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
            pause = asyncio.create_task(self._clock.sleep(interval_s))
            woken = asyncio.create_task(self._woken.wait())
            await asyncio.wait({pause, woken}, return_when=asyncio.FIRST_COMPLETED)
            pause.cancel()
            woken.cancel()

    async def stop(self) -> None:
        """End `run`."""
        self._stopping.set()
        self._woken.set()

    def wake(self) -> None:
        """The models in use may be others now: ask at once."""
        self._woken.set()

    async def look(self) -> bool:
        """Ask once, and tell what was found; False while it is not known what to ask for."""
        in_use = self._models()
        if in_use is None:
            return False
        models = sorted(in_use)
        answers = await asyncio.gather(*(self._triton.unready(name, version) for name, version in models))
        for (name, version), reason in zip(models, answers, strict=True):
            gauge = self._metrics.gauge("streamlabel_model_ready", model=name, version=str(version))
            gauge.set(0 if reason else 1)
        for name, version in self._told - in_use:
            self._metrics.forget("streamlabel_model_ready", model=name, version=str(version))
        self._told = in_use
        self._tell(sorted({reason for reason in answers if reason}))
        return True

    def _tell(self, reasons: list[str]) -> None:
        if reasons == self._reasons and self._check.reason == ("; ".join(reasons) or None):
            return
        self._reasons = reasons
        if reasons:
            log.warning("records of these models wait", extra={"reasons": reasons})
            self._check.failing("; ".join(reasons))
        else:
            log.info("every model in use is ready", extra={"models": [f"{name}:{n}" for name, n in sorted(self._told)]})
            self._check.ok()


class ContractHealth:
    """The port `ports.ContractLog`: a project that does not fit its model is shouted about until it is mended."""

    def __init__(self, health: Health) -> None:
        self._health = health
        self._broken: dict[str, str] = {}

    def broken(self, project: str, fault: InvalidMessageError) -> None:
        """Every record of this project becomes a dead letter."""
        if self._broken.get(project) != str(fault):
            log.error("project and model do not fit: every record is set aside", extra={"reason": str(fault)})
        self._broken[project] = str(fault)
        self._health.check(_check_name(project)).failing(f"records are set aside: {fault}")

    def kept(self, project: str) -> None:
        """The project fits its model, or needs none."""
        if self._broken.pop(project, None) is not None:
            log.info("project and model fit again", extra={"project": project})
            self._health.check(_check_name(project)).close()

    def retain(self, projects: set[str]) -> None:
        """Only these projects exist: nothing is said of others any more."""
        for project in self._broken.keys() - projects:
            self.kept(project)


def _check_name(project: str) -> str:
    return f"project {project}"
