"""What has to happen again and again so that people are known by their latest votes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from streamlabel.errors import TransientError
from streamlabel.review.adapters.postgres.crowds import PostgresCrowds
from streamlabel.review.ports import Projects
from streamlabel.runtime.tasks import set_within

log = logging.getLogger(__name__)


class CrowdReader:
    """A component that reads the latest fits every `interval_s`; every replica has one. What it last read stands while the
    database is away."""

    def __init__(self, crowds: PostgresCrowds, *, interval_s: float) -> None:
        self.name = "crowd reader"
        self._crowds = crowds
        self._interval_s = interval_s
        self._stopped = asyncio.Event()

    async def start(self) -> None:
        """Nothing to prepare: while people are not known, their votes are counted."""

    async def run(self) -> None:
        """Read until stopped."""
        await _repeat(self._crowds.refresh, self._stopped, self._interval_s)

    async def stop(self) -> None:
        """After what is in hand."""
        self._stopped.set()


class CrowdFitter:
    """A component that fits the people of each project anew where their votes are worth it. One at a time suffices; two fit the same.

    Dying in the middle loses the fit in hand, which the next one makes again.
    """

    def __init__(self, crowds: PostgresCrowds, projects: Projects, *, interval_s: float) -> None:
        self.name = "crowd fitter"
        self._crowds = crowds
        self._projects = projects
        self._interval_s = interval_s
        self._stopped = asyncio.Event()

    async def start(self) -> None:
        """Nothing to prepare."""

    async def run(self) -> None:
        """Fit until stopped."""
        await _repeat(self._fit_all, self._stopped, self._interval_s)

    async def stop(self) -> None:
        """After the fit in hand."""
        self._stopped.set()

    async def _fit_all(self) -> None:
        for project in self._projects.all():
            if self._stopped.is_set():
                return
            if await self._crowds.refit(project):
                log.debug("people fitted anew", extra={"project": project.name})


async def _repeat(step: Callable[[], Awaitable[None]], stopped: asyncio.Event, interval_s: float) -> None:
    while not stopped.is_set():
        try:
            await step()
        except TransientError as error:
            log.warning("people stay as they were known: %s", error)
        await set_within(stopped, interval_s)
