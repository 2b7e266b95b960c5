"""A stack that runs in a process of its own, as a context manager: for the demo and for tests of the whole."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from streamlabel.errors import ConfigurationError
from streamlabel.local import stack_file
from streamlabel.local.child import guarded, rotate, tail
from streamlabel.local.options import StackOptions
from streamlabel.local.places import DataDir
from streamlabel.local.progress import Progress, SilentProgress
from streamlabel.local.stack_file import ProcessPhase, ProcessState, StackPhase, StackState
from streamlabel.local.supervisor import EXIT_CONFIGURATION, StackFailedError

FAILURE_PREFIX = "streamlabel: "  # what a supervisor's last words begin with
_POLL_S = 0.1
# The first start downloads a third of a gigabyte; what runs into this hangs.
START_TIMEOUT_S = 3600.0
STOP_TIMEOUT_S = 120.0
RESTART_TIMEOUT_S = 120.0


class Stack:
    """The stack in `data_dir`; enter it (`with` or `async with`, from the main thread) to have it running and ready.

    A stack that runs there already is used and left running at the end. One that was started here ends with the block, and
    with this process, however that ends; `detached=True` lets it live on instead.
    """

    def __init__(
        self,
        data_dir: Path | str | None = None,
        *,
        options: StackOptions | None = None,
        progress: Progress | None = None,
        detached: bool = False,
    ) -> None:
        self.data = DataDir.at(data_dir)
        self._options = options or StackOptions()
        self._progress: Progress = progress or SilentProgress()
        self._detached = detached
        self._supervisor: subprocess.Popen[bytes] | None = None
        self._log_offset = 0

    @property
    def was_started_here(self) -> bool:
        """Whether it was this object that started the stack, rather than found it running."""
        return self._supervisor is not None

    @property
    def state(self) -> StackState:
        """The stack as its supervisor tells it now."""
        state = stack_file.read(self.data)
        if state is None:
            raise StackFailedError(f"there is no stack in {self.data.root}")
        return state

    @property
    def environment(self) -> dict[str, str]:
        """The `STREAMLABEL_…` keys by which clients find it."""
        return dict(self.state.environment)

    @property
    def supervisor_pid(self) -> int:
        return self.state.supervisor.pid

    def address(self, port_name: str) -> str:
        """host:port by the names of `port_plan.PREFERRED`, for instance `ingest-grpc`, `review-http`, `routing-http`."""
        return f"127.0.0.1:{self.state.ports[port_name]}"

    def log(self, name: str) -> Path:
        """The log file of one process."""
        return self.data.log_of(name)

    def process(self, name: str) -> ProcessState:
        return self.state.processes[name]

    # --- life ---

    def start(self) -> None:
        """Starts the stack unless it runs, and returns when everything is ready."""
        for _ in self._starting():
            time.sleep(_POLL_S)

    def stop(self) -> None:
        """Stops the stack that was started here and waits until nothing of it is left."""
        supervisor, self._supervisor = self._supervisor, None
        if supervisor is None:
            return
        if supervisor.poll() is None:
            supervisor.terminate()
        try:
            supervisor.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            supervisor.kill()
            supervisor.wait()

    def kill_supervisor(self) -> None:
        """`kill -9` of the supervisor; returns when every process of the stack is gone."""
        state = self.state
        os.kill(state.supervisor.pid, signal.SIGKILL)
        if self._supervisor is not None:
            self._supervisor.wait()
            self._supervisor = None
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while any(_is_running(process) for process in state.processes.values()):
            if time.monotonic() > deadline:
                raise StackFailedError("processes outlived their supervisor")
            time.sleep(_POLL_S)

    def kill(self, name: str) -> int:
        """`kill -9` of one process; returns the pid that was killed. The supervisor starts it again by itself."""
        pid = self.process(name).pid
        if pid is None:
            raise StackFailedError(f"{name} does not run: {self.process(name).reason}")
        os.kill(pid, signal.SIGKILL)
        return pid

    async def restart(self, name: str, *, number: int = signal.SIGTERM) -> None:
        """Ends one process by `number` and returns when its successor is ready."""
        old = self.process(name).pid
        if old is not None:
            os.kill(old, number)
        await self.until_ready(name, not_pid=old)

    async def until_ready(self, name: str, *, not_pid: int | None = None) -> None:
        """Waits until the process is ready; `not_pid` is the one that does not count, because it was just killed."""
        async with asyncio.timeout(RESTART_TIMEOUT_S):
            while True:
                process = self.process(name)
                if process.phase is ProcessPhase.READY and process.pid != not_pid:
                    return
                await asyncio.sleep(_POLL_S)

    def __enter__(self) -> Stack:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._detached:
            self.stop()

    async def __aenter__(self) -> Stack:
        try:
            for _ in self._starting():
                await asyncio.sleep(_POLL_S)
        except BaseException:
            await asyncio.shield(asyncio.to_thread(self.stop))
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._detached:
            await asyncio.shield(asyncio.to_thread(self.stop))

    # --- starting, one step per `next` ---

    def _starting(self) -> Iterator[None]:
        if not stack_file.is_running(self.data):
            self._spawn()
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._is_up():
            self._pass_on()
            if time.monotonic() > deadline:
                raise StackFailedError(f"the stack is not ready after {START_TIMEOUT_S / 60:.0f} minutes")
            yield
        self._pass_on()

    def _spawn(self) -> None:
        self.data.create()
        log = self.data.log_of("supervisor")
        rotate(log)
        command = [
            sys.executable,
            "-m",
            "streamlabel.local",
            "--data-dir",
            str(self.data.root),
            *self._options.arguments(),
        ]
        if not self._detached:
            command = guarded(command, death_signal=signal.SIGTERM)
        with log.open("ab") as output:
            self._log_offset = output.tell()
            self._supervisor = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )

    def _is_up(self) -> bool:
        if self._supervisor is not None and (code := self._supervisor.poll()) is not None:
            self._pass_on()
            if code == 0:
                raise StackFailedError("the stack was stopped before everything was ready")
            words = tail(self.data.log_of("supervisor"), 60, since_byte=self._log_offset).removeprefix(FAILURE_PREFIX)
            kind = ConfigurationError if code == EXIT_CONFIGURATION else StackFailedError
            raise kind(words or f"the supervisor ended with code {code}")
        state = stack_file.read(self.data)
        if state is None or not stack_file.is_running(self.data):
            return False
        mine = self._supervisor is None or state.supervisor.pid == self._supervisor.pid
        return mine and state.phase is StackPhase.READY

    def _pass_on(self) -> None:
        """What the supervisor said since the last call goes to whoever watches this start."""
        if self._supervisor is None:
            return
        log = self.data.log_of("supervisor")
        with log.open("rb") as handle:
            handle.seek(self._log_offset)
            text = handle.read()
        whole = text[: text.rfind(b"\n") + 1]
        if (failure := whole.find(FAILURE_PREFIX.encode())) >= 0:
            # Its last words are for the error that is raised when it has ended.
            whole = whole[:failure]
        self._log_offset += len(whole)
        for line in whole.decode("utf-8", "replace").splitlines():
            self._progress.say(line)


def _is_running(process: ProcessState) -> bool:
    return process.pid is not None and Path(f"/proc/{process.pid}").exists()
