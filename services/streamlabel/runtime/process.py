"""How a process lives: one start order, one stop order, one place where a failure becomes an exit code.

    start   HTTP probes → RESOURCE → OUTLET → INTAKE → SERVER → ready
    stop    not ready → drain pause → INTAKE → SERVER → OUTLET → RESOURCE → HTTP probes

Intake stops before the servers, so nothing new is fetched while callers are still answered; outlets stop after
both, so whatever those produced is flushed. A component that fails stops the whole process in the same order.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Protocol

from streamlabel.errors import ConfigurationError
from streamlabel.runtime.clock import Clock, SystemClock
from streamlabel.runtime.health import Health
from streamlabel.runtime.http import HttpServer
from streamlabel.runtime.loop_lag import LoopLagProbe
from streamlabel.runtime.metrics import Metrics
from streamlabel.runtime.settings import ServiceSettings
from streamlabel.runtime.table import CompactedTable, Row
from streamlabel.runtime.version import installed_version

log = logging.getLogger(__name__)

EXIT_OK = 0
EXIT_FAILURE = 1
EXIT_CONFIGURATION = 78  # EX_CONFIG of sysexits.h: starting again will not help.

# A phase may use this share of what is left of the grace period: an intake that hangs leaves time for the flush.
_PHASE_SHARE = 0.5
_CANCEL_LIMIT_S = 5.0
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Component(Protocol):
    """A part of the process with a life of its own.

    `start` returns when the part is able to work; `run` lasts until `stop` has been called (or returns at once);
    `stop` finishes what is in hand and returns, and is cancelled where it takes longer than it may.
    """

    name: str

    async def start(self) -> None: ...

    async def run(self) -> None: ...

    async def stop(self) -> None: ...


class Phase(Enum):
    """When a component starts; see the module for the order in which the phases stop."""

    RESOURCE = "resource"  # what others use: database pools, tables, model server
    OUTLET = "outlet"  # what carries results away: producers, outbox
    INTAKE = "intake"  # what fetches work: stages
    SERVER = "server"  # what callers speak to: gRPC, the HTTP door


_START_ORDER = (Phase.RESOURCE, Phase.OUTLET, Phase.INTAKE, Phase.SERVER)
_STOP_ORDER = (Phase.INTAKE, Phase.SERVER, Phase.OUTLET, Phase.RESOURCE)


class Process:
    """One service process: its components, its HTTP server, its health and its end."""

    def __init__(
        self,
        service: str,
        settings: ServiceSettings,
        metrics: Metrics | None = None,
        health: Health | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.service = service
        self.settings = settings
        self.metrics = metrics if metrics is not None else Metrics(service)
        self.health = health if health is not None else Health()
        self.clock = clock if clock is not None else SystemClock()
        self.http = HttpServer(service=service, settings=settings, metrics=self.metrics, health=self.health)
        # Set as soon as the stop begins: calls that last (streams, long polls) watch it and end by themselves.
        self.stopping = asyncio.Event()
        self._components: dict[Phase, list[Component]] = {phase: [] for phase in Phase}
        self._tasks: dict[asyncio.Task[None], Component] = {}
        self._started: set[int] = set()
        self._failure: BaseException | None = None
        self._check = self.health.check("process")
        ready = self.metrics.gauge("streamlabel_ready")
        ready.set_function(lambda: 1.0 if self.health.ready else 0.0)
        self.add(LoopLagProbe(self.metrics.histogram("streamlabel_loop_lag_seconds"), self.clock), Phase.RESOURCE)

    def add(self, component: Component, phase: Phase) -> None:
        """Let `component` live in `phase`: started after, and stopped before, those added to the phase earlier."""
        self._components[phase].append(component)

    def follow(self, table: CompactedTable[Row], name: str) -> None:
        """Let `table` live as a resource, its number of rows among the metrics under `name`."""
        self.add(table, Phase.RESOURCE)
        self.metrics.gauge("streamlabel_table_entries", table=name).set_function(lambda: len(table.rows()))

    def request_stop(self, reason: str) -> None:
        """Begin the orderly stop; the first reason counts."""
        if not self.stopping.is_set():
            log.info("stopping", extra={"reason": reason})
            self._check.failing(f"stopping: {reason}")
            self.stopping.set()

    async def run(self, wire: Callable[[], Awaitable[None]] | None = None) -> int:
        """Live from start to stop, and return the exit code. `wire` adds the components, under signal protection."""
        log.info("starting", extra={"version": installed_version(), "pid": os.getpid()})
        # Before anything slow: a signal in mid-start must not kill a half-open transaction.
        self._install_signals()
        try:
            await self._start(wire)
            await self.stopping.wait()
        finally:
            await self._stop()
            self._remove_signals()
        if isinstance(self._failure, ConfigurationError):
            return EXIT_CONFIGURATION
        return EXIT_FAILURE if self._failure is not None else EXIT_OK

    async def _start(self, wire: Callable[[], Awaitable[None]] | None) -> None:
        self._check.failing("starting")
        starting = asyncio.create_task(self._start_all(wire), name="start")
        stop = asyncio.create_task(self.stopping.wait(), name="stop requested")
        await asyncio.wait({starting, stop}, return_when=asyncio.FIRST_COMPLETED)
        await _cancel(starting, stop)
        if not starting.done():
            self._fail("process", TimeoutError("the start does not end, although it was cancelled"))
            return
        if starting.cancelled():
            return
        if (error := starting.exception()) is not None:
            self._fail("process", error)
        elif not self.stopping.is_set():
            self._check.ok()
            log.info("started", extra={"http_port": self.http.port})

    async def _start_all(self, wire: Callable[[], Awaitable[None]] | None) -> None:
        await self.http.start()
        if wire is not None:
            await wire()
        self.add(self.http.door, Phase.SERVER)
        for phase in _START_ORDER:
            for component in self._components[phase]:
                self._check.failing(f"starting: {component.name}")
                # Noted before its start: one that fails half-way is stopped too and lets go of what it holds.
                self._started.add(id(component))
                try:
                    await component.start()
                except ConfigurationError:
                    raise
                except Exception as error:
                    raise _ComponentError(component.name, "start") from error
                self._own(component)

    def _own(self, component: Component) -> None:
        task = asyncio.create_task(component.run(), name=component.name)
        self._tasks[task] = component
        task.add_done_callback(self._on_end)

    def _on_end(self, task: asyncio.Task[None]) -> None:
        component = self._tasks.pop(task, None)
        if component is None:
            return
        if task.cancelled():
            # A client library may let a cancellation out that nobody asked for: a component must not vanish by it.
            if not self.stopping.is_set():
                self._fail(component.name, RuntimeError("its task was cancelled, and not by its owner"))
        elif (error := task.exception()) is not None:
            self._fail(component.name, error)

    def _fail(self, name: str, error: BaseException) -> None:
        if isinstance(error, _ComponentError) and error.__cause__ is not None:
            name, error = error.component, error.__cause__
        if isinstance(error, ConfigurationError):
            log.error("cannot run as configured: %s", error, extra={"component": name})
        else:
            log.error("component failed: %s", error, exc_info=error, extra={"component": name})
        if self._failure is None:
            self._failure = error
        self.health.check(name).dead(f"{type(error).__name__}: {error}")
        self.request_stop(f"{name} failed")

    async def _stop(self) -> None:
        self.stopping.set()
        # Nobody waits for a process that failed: what it could not do, it will not do within the drain either.
        if self._failure is None and self.settings.shutdown_drain_s > 0:
            await self.clock.sleep(self.settings.shutdown_drain_s)
        deadline_s = self.clock.monotonic_s() + self.settings.shutdown_grace_s
        for phase in _STOP_ORDER:
            await self._stop_phase(phase, deadline_s)
        await _cancel(*self._tasks)
        await self._within(max(1.0, deadline_s - self.clock.monotonic_s()), self.http)
        log.info("stopped", extra={"clean": self._failure is None})

    async def _stop_phase(self, phase: Phase, deadline_s: float) -> None:
        components = [c for c in reversed(self._components[phase]) if id(c) in self._started]
        phase_end_s = self.clock.monotonic_s() + (deadline_s - self.clock.monotonic_s()) * _PHASE_SHARE
        for waiting, component in zip(range(len(components), 0, -1), components, strict=True):
            await self._within(max(0.1, (phase_end_s - self.clock.monotonic_s()) / waiting), component)

    async def _within(self, limit_s: float, component: Component) -> None:
        """Stop one component and see its `run` end; past the limit both are cancelled, and it counts as a failure."""
        try:
            async with asyncio.timeout(limit_s) as deadline:
                await component.stop()
                await self._run_ended(component)
        except Exception as error:  # noqa: BLE001  The others must stop all the same; the exit code keeps the fault.
            if deadline.expired():
                log.error("did not stop in time: cut off", extra={"component": component.name, "limit_s": limit_s})
                self._failure = self._failure or error
            else:
                self._fail(component.name, error)
        await _cancel(*(task for task, owner in self._tasks.items() if owner is component))

    async def _run_ended(self, component: Component) -> None:
        for task, owner in list(self._tasks.items()):
            if owner is component:
                await asyncio.wait({task})

    def _install_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self._on_signal, number)

    def _remove_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.remove_signal_handler(number)

    def _on_signal(self, number: signal.Signals) -> None:
        if self.stopping.is_set():
            log.warning("second signal: leaving at once", extra={"signal": number.name})
            logging.shutdown()
            os._exit(128 + number)
        self.request_stop(number.name)


class _ComponentError(Exception):
    def __init__(self, component: str, moment: str) -> None:
        super().__init__(f"{component}: {moment} failed")
        self.component = component


async def _cancel(*tasks: asyncio.Task[None] | asyncio.Task[bool]) -> None:
    """Cancel the tasks and see them end; one that clings to life does not hold up the rest."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=_CANCEL_LIMIT_S)
