"""What has to happen again and again: what ran out of its lease becomes free or is set aside, and the gauges tell of the queue."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Protocol

from streamlabel.core.decision import Purpose
from streamlabel.errors import TransientError
from streamlabel.review.adapters.postgres.board import BoardReading, PostgresBoard
from streamlabel.review.ports import Projects
from streamlabel.runtime.metrics import Metrics
from streamlabel.runtime.tasks import set_within

log = logging.getLogger(__name__)

# One statement expires at most 1,000 leases; where there are more, it is repeated at once.
_FULL = 1000


class Expiring(Protocol):
    """What can free expired leases."""

    async def expire(self) -> Mapping[str, int]: ...


class Sweeper:
    """A component that frees expired leases every `interval_s`. Every replica may run one: they do not get in each other's way."""

    def __init__(self, leases: Expiring, metrics: Metrics, *, interval_s: float) -> None:
        self.name = "sweeper"
        self._leases = leases
        self._metrics = metrics
        self._interval_s = interval_s
        self._stopped = asyncio.Event()

    async def start(self) -> None:
        """Nothing to prepare."""

    async def run(self) -> None:
        """Sweep until stopped; while the database is away nothing expires, and nobody can answer either."""
        while not self._stopped.is_set():
            try:
                while sum((await self._sweep()).values()) >= _FULL:
                    pass
            except TransientError as error:
                log.warning("expired leases stay for now: %s", error)
            await set_within(self._stopped, self._interval_s)

    async def stop(self) -> None:
        """After the sweep in hand."""
        self._stopped.set()

    async def _sweep(self) -> Mapping[str, int]:
        expired = await self._leases.expire()
        for project, count in expired.items():
            self._metrics.counter("streamlabel_leases_expired_total", project=project).inc(count)
        return expired


class Gauges:
    """A component that puts the queue's state into metrics every `interval_s`."""

    def __init__(self, board: PostgresBoard, projects: Projects, metrics: Metrics, *, interval_s: float) -> None:
        self.name = "gauges"
        self._board = board
        self._projects = projects
        self._metrics = metrics
        self._interval_s = interval_s
        self._stopped = asyncio.Event()

    async def start(self) -> None:
        """Nothing to prepare."""

    async def run(self) -> None:
        """Read and set until stopped; while the database is away the gauges keep their last values, /readyz tells."""
        while not self._stopped.is_set():
            try:
                self._set(await self._board.read())
            except TransientError as error:
                log.debug("gauges stay as they are: %s", error)
            await set_within(self._stopped, self._interval_s)

    async def stop(self) -> None:
        """At once."""
        self._stopped.set()

    def _set(self, reading: BoardReading) -> None:
        names = [project.name for project in self._projects.all()]
        self._metrics.know_projects(names)
        self._metrics.gauge("streamlabel_outbox_pending_rows").set(reading.outbox_rows)
        for name in names:
            queue = reading.projects.get(name)
            for purpose in Purpose:
                depth = queue.waiting.get(purpose, 0) if queue else 0
                self._metrics.gauge("streamlabel_label_queue_depth", project=name, purpose=purpose.value).set(depth)
            self._metrics.gauge("streamlabel_label_queue_begun", project=name).set(queue.begun if queue else 0)
            escalated = queue.escalated if queue else 0
            self._metrics.gauge("streamlabel_label_queue_escalated", project=name).set(escalated)
            self._metrics.gauge("streamlabel_label_queue_contested", project=name).set(queue.contested if queue else 0)
            oldest_at = queue.oldest_at if queue else None
            age_s = (reading.seen_at - oldest_at).total_seconds() if oldest_at else 0.0
            self._metrics.gauge("streamlabel_label_queue_oldest_seconds", project=name).set(max(0.0, age_s))
            self._metrics.gauge("streamlabel_leases_active", project=name).set(queue.leased if queue else 0)
