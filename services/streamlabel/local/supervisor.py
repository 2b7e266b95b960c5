"""Keeps a stack alive: starts servers and services in order, starts again what dies, stops all in the reverse order.

    prepare ─▶ servers (at once) ─▶ topics ─▶ services (each as soon as its peers answer) ─▶ READY
    stop: services ─▶ triton ─▶ kafka ─▶ postgres; whoever outlives its grace is killed with its whole group

Every process dies with the supervisor, also when that is killed; the next start clears away what may have been left.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from streamlabel.errors import ConfigurationError, StreamlabelError
from streamlabel.local import stack_file
from streamlabel.local.child import Child, ProcessIdentity, reap_leftovers, tail
from streamlabel.local.diagnosis import explain, telling
from streamlabel.local.disk import require_room
from streamlabel.local.options import StackOptions
from streamlabel.local.places import DataDir, cache_dir
from streamlabel.local.port_claims import claiming
from streamlabel.local.port_plan import plan
from streamlabel.local.progress import Progress
from streamlabel.local.stack_file import ProcessPhase, ProcessState, StackPhase, StackState
from streamlabel.local.threads import run_in_thread
from streamlabel.local.units import SERVICES, Unit, make_units
from streamlabel.runtime.tasks import end, result_before

EXIT_CONFIGURATION = 78  # EX_CONFIG of sysexits.h: what a service answers when starting it again is in vain
SERVER_START_TIMEOUT_S = 90.0
_STOP_ORDER = (SERVICES, ("triton",), ("kafka",), ("postgres",))
_FIRST_DELAY_S = 0.2
_LONGEST_DELAY_S = 30.0
_STABLE_AFTER_S = 30.0
_GIVE_UP_AFTER = 4
_READY_POLL_S = 0.1
_WATCH_POLL_S = 2.0
_TELL_WHY_AFTER_S = 5.0
_LOCK_ATTEMPTS = 10
_LOG_LINES_READ = 2000  # of a process that ended, to find out why

ApplyTopics = Callable[[Mapping[str, str]], Awaitable[None]]
MakeUnits = Callable[[DataDir, Path, Mapping[str, int], Mapping[str, str], tuple[str, ...]], list[Unit]]


class AlreadyRunningError(StreamlabelError):
    """Another supervisor holds this data directory."""


class StackFailedError(StreamlabelError):
    """The stack could not start; the message says which part and why."""


@contextlib.contextmanager
def hold(data: DataDir) -> Iterator[None]:
    """Holds the data directory for the length of the block; raises AlreadyRunningError where somebody does already."""
    data.create()
    with data.lock_file.open("a") as handle:
        for attempt in range(_LOCK_ATTEMPTS):
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                # A look from outside holds the lock for a moment; a supervisor holds it for good.
                if attempt == _LOCK_ATTEMPTS - 1:
                    raise AlreadyRunningError(f"a stack is already running in {data.root}") from None
                time.sleep(0.05)
        yield


class Supervisor:
    """One stack in one data directory, from `run` to its return."""

    def __init__(
        self,
        data: DataDir,
        options: StackOptions,
        progress: Progress,
        apply_topics: ApplyTopics,
        make: MakeUnits = make_units,
    ) -> None:
        self._data, self._options, self._progress = data, options, progress
        self._apply_topics, self._make_units = apply_topics, make
        self._stop = asyncio.Event()
        self._topics_there = asyncio.Event()
        self._ready: dict[str, asyncio.Event] = {}
        self._children: dict[str, Child] = {}
        self._keepers: dict[str, asyncio.Task[None]] = {}
        self._failure: BaseException | None = None
        self._state = _first_state()

    async def run(self) -> None:
        """Starts the stack and keeps it until SIGTERM, SIGINT or `stop`; then nothing of it is left.

        Raises ConfigurationError or StackFailedError where it cannot start, AlreadyRunningError where it runs already.
        """
        with hold(self._data):
            # Before anybody can read who to stop.
            loop = asyncio.get_running_loop()
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, self._on_signal)
            require_room(self._data.root)
            for name in await asyncio.to_thread(reap_leftovers, self._data.processes):
                self._progress.say(f"{name} was left over from an earlier start; stopped it")
            units = self._plan_units()
            try:
                await self._live(units)
            finally:
                await self._stop_all(units)
                self._tell(replace(self._state, phase=StackPhase.STOPPED))
        if self._failure:
            raise self._failure

    def stop(self) -> None:
        """Asks for the end; returns at once."""
        self._stop.set()

    def _plan_units(self) -> list[Unit]:
        last = stack_file.read(self._data)
        with claiming(cache_dir()) as claims:
            ports = plan(last.ports if last else {}, self._options.pinned_ports, self._progress, claims.of_others)
            claims.claim(ports.values())
        environment = stack_file.environment_for(
            ports, partitions=self._options.partitions, topic_prefix=self._options.topic_prefix
        )
        for_services = {key: environment[key] for key in environment if key.startswith("STREAMLABEL_KAFKA_")}
        units = self._make_units(self._data, cache_dir(), ports, for_services, self._options.services)
        states = {unit.name: ProcessState(address=unit.address) for unit in units}
        self._ready = {unit.name: asyncio.Event() for unit in units}
        self._tell(replace(self._state, ports=ports, environment=environment, processes=states))
        return units

    def _on_signal(self) -> None:
        if not self._stop.is_set():
            self._progress.say("Stopping, the services first; once more kills what still runs")
        else:
            for child in self._children.values():
                child.send(signal.SIGKILL)
        self._stop.set()

    async def _live(self, units: list[Unit]) -> None:
        self._keepers = {unit.name: asyncio.create_task(self._keep(unit), name=unit.name) for unit in units}
        milestones = [asyncio.create_task(self._make_topics()), asyncio.create_task(self._announce())]
        stopped = asyncio.create_task(self._stop.wait())
        try:
            waiting = {stopped, *self._keepers.values(), *milestones}
            while not stopped.done():
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task in done - {stopped}:
                    if error := task.exception():
                        self._fail(error)
        finally:
            await end([stopped, *milestones])

    def _fail(self, error: BaseException) -> None:
        """The first failure is the cause; the stack stops. What fails once it stops, fails for that."""
        if not isinstance(error, StreamlabelError):
            raise error
        if not self._stop.is_set():
            self._failure = error
        self._stop.set()

    async def _make_topics(self) -> None:
        await self._ready["kafka"].wait()
        await self._apply_topics(self._state.environment)
        self._topics_there.set()

    async def _announce(self) -> None:
        for event in self._ready.values():
            await event.wait()
        self._tell(replace(self._state, phase=StackPhase.READY))

    async def _keep(self, unit: Unit) -> None:
        """The whole life of one process, its restarts included; returns when the stack stops."""
        await run_in_thread(lambda: unit.prepare(self._progress))
        await self._await_peers(unit)
        failures = 0
        while not self._stop.is_set():
            try:
                child = unit.start()
            except OSError as error:
                # A full disk, most likely: what still runs goes on, and this one comes back when there is room.
                failures += 1
                reason = f"{unit.name} cannot be started: {error.strerror}"
                if failures >= _GIVE_UP_AFTER and not self._ready[unit.name].is_set():
                    raise StackFailedError(f"{reason}; gave up after {failures} attempts") from error
                await self._pause_before_restart(unit, failures, reason)
                continue
            self._children[unit.name] = child
            self._tell_process(unit, phase=ProcessPhase.STARTING, pid=child.pid, started_at=child.started_at, reason="")
            await self._await_end(unit, child)
            code = await asyncio.to_thread(child.clear_away)
            was_ready = self._ready[unit.name].is_set()
            if self._stop.is_set():
                break
            failures = 1 if time.time() - child.started_at > _STABLE_AFTER_S else failures + 1
            if not await self._may_restart(unit, code, child, failures, was_ready=was_ready):
                return
        self._tell_process(unit, phase=ProcessPhase.STOPPED, pid=None, started_at=None, reason="")

    async def _await_end(self, unit: Unit, child: Child) -> None:
        """Watches a process until it has ended."""
        ended, watch = asyncio.create_task(_ended(child.pid)), asyncio.create_task(self._watch(unit, child))
        try:
            await asyncio.wait({ended, watch}, return_when=asyncio.FIRST_COMPLETED)
            if watch.done():
                watch.result()
            await ended
        finally:
            await end([ended, watch])

    async def _await_peers(self, unit: Unit) -> None:
        for peer in unit.peers:
            self._tell_process(unit, phase=ProcessPhase.WAITING, reason=f"waits for {peer}")
            await result_before(self._ready[peer].wait(), self._stop)
        if "kafka" in unit.peers:
            await result_before(self._topics_there.wait(), self._stop)

    async def _may_restart(self, unit: Unit, code: int, child: Child, failures: int, *, was_ready: bool) -> bool:
        """Waits its time before a restart; False where a restart is in vain."""
        log = tail(child.log, _LOG_LINES_READ, since_byte=child.log_offset)
        reason = explain(unit.name, code, log, data_root=self._data.root, ports=self._state.ports)
        if code == EXIT_CONFIGURATION:
            self._tell_process(unit, phase=ProcessPhase.MISCONFIGURED, pid=None, started_at=None, reason=reason)
            message = f"{unit.name} is not configured rightly and was not started again:\n{telling(log)}"
            if not was_ready:
                raise ConfigurationError(message)
            self._progress.say(message)
            return False
        if failures >= _GIVE_UP_AFTER and not was_ready:
            raise StackFailedError(f"{reason}; gave up after {failures} starts. From {child.log}:\n{telling(log)}")
        await self._pause_before_restart(unit, failures, reason)
        return True

    async def _pause_before_restart(self, unit: Unit, failures: int, reason: str) -> None:
        delay_s = min(_LONGEST_DELAY_S, _FIRST_DELAY_S * 2.0 ** (failures - 1))
        restarts = self._state.processes[unit.name].restarts + 1
        self._tell_process(
            unit, phase=ProcessPhase.RESTARTING, pid=None, started_at=None, restarts=restarts, reason=reason
        )
        self._progress.say(f"{reason}; starting it again in {delay_s:.1f} s")
        await result_before(asyncio.sleep(delay_s), self._stop)

    async def _watch(self, unit: Unit, child: Child) -> None:
        """Follows the readiness of one process; ends one that does not come up."""
        told = ""
        while True:
            try:
                condition = await asyncio.to_thread(unit.condition)
            except StreamlabelError as error:
                # An answer that no later one could make good, such as a self-test that failed.
                self._fail(error)
                return
            known = self._state.processes[unit.name]
            phase = ProcessPhase.READY if condition.ready else ProcessPhase.STARTING
            if (known.phase, known.reason) != (phase, condition.remark):
                self._tell_process(unit, phase=phase, reason=condition.remark)
            is_late = time.time() - child.started_at > _TELL_WHY_AFTER_S and not self._stop.is_set()
            if not condition.ready and condition.remark != told and is_late:
                told = condition.remark
                self._progress.say(f"{unit.name} is not ready: {told}")
            if condition.ready and known.phase is not ProcessPhase.READY:
                if not self._ready[unit.name].is_set():
                    age_s = time.time() - child.started_at
                    self._progress.say(f"{unit.name} is ready at {unit.address} ({age_s:.1f} s)")
                self._ready[unit.name].set()
            if not condition.ready and not unit.peers and time.time() - child.started_at > SERVER_START_TIMEOUT_S:
                child.send(signal.SIGKILL)
            await asyncio.sleep(_WATCH_POLL_S if condition.ready else _READY_POLL_S)

    async def _stop_all(self, units: list[Unit]) -> None:
        self._tell(replace(self._state, phase=StackPhase.STOPPING))
        by_name = {unit.name: unit for unit in units}
        for names in _STOP_ORDER:
            await asyncio.gather(*(self._stop_one(by_name[name]) for name in names if name in by_name))

    async def _stop_one(self, unit: Unit) -> None:
        keeper = self._keepers.get(unit.name)
        if keeper is None:
            return
        child = self._children.get(unit.name)
        if child is None:
            # It still prepares or waits: nothing runs that could be stopped.
            keeper.cancel()
        else:
            child.send(unit.stop_signal)
        _, late = await asyncio.wait({keeper}, timeout=unit.grace_s)
        if late and child is not None:
            self._progress.say(f"{unit.name} did not stop within {unit.grace_s:.0f} s; killed")
            child.send(signal.SIGKILL)
            await asyncio.wait({keeper}, timeout=unit.grace_s)
        if keeper.done() and not keeper.cancelled() and not isinstance(error := keeper.exception(), StreamlabelError):
            self._failure = self._failure or error

    def _tell_process(self, unit: Unit, **changes: object) -> None:
        state = replace(self._state.processes[unit.name], **changes)  # type: ignore[arg-type]
        self._tell(self._state.with_process(unit.name, state))

    def _tell(self, state: StackState) -> None:
        self._state = state
        try:
            stack_file.write(self._data, state)
        except OSError as error:
            # A full disk must not bring down what still runs, nor hinder an orderly stop.
            self._progress.say(f"cannot write {self._data.stack_file}: {error.strerror}")


def _first_state() -> StackState:
    identity = ProcessIdentity.of(os.getpid())
    if identity is None:
        raise RuntimeError("this process does not find itself in /proc")
    return StackState(phase=StackPhase.STARTING, supervisor=identity, started_at=time.time(), ports={}, environment={})


async def _ended(pid: int) -> None:
    """Returns when the child `pid` has ended; leaves it to be waited for."""
    loop = asyncio.get_running_loop()
    descriptor = os.pidfd_open(pid)
    ended = loop.create_future()

    def note() -> None:
        if not ended.done():
            ended.set_result(None)

    loop.add_reader(descriptor, note)
    try:
        await ended
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
