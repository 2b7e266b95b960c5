"""What a supervisor does when its processes behave badly; the processes are shell scripts here, the supervisor is the real one."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from streamlabel.errors import ConfigurationError, StreamlabelError
from streamlabel.local import child, stack_file, supervisor
from streamlabel.local.child import Child, start_child
from streamlabel.local.options import StackOptions
from streamlabel.local.places import DataDir
from streamlabel.local.progress import Progress, SilentProgress
from streamlabel.local.stack_file import ProcessPhase, StackPhase, StackState
from streamlabel.local.supervisor import AlreadyRunningError, StackFailedError, Supervisor
from streamlabel.local.units import Condition
from support.processes import living, until


@dataclass
class Script:
    """A unit that is a shell script; ready when the file `ready` says so, or as soon as it runs."""

    name: str
    data: DataDir
    script: str = "while :; do sleep 0.05; done"
    peers: tuple[str, ...] = ()
    address: str = "nowhere"
    stop_signal: int = signal.SIGTERM
    grace_s: float = 5.0
    reason: str | None = None
    warning: str = ""
    failure: StreamlabelError | None = None
    starts: int = 0
    stops: list[str] = field(default_factory=list)

    def prepare(self, progress: Progress) -> None:
        pass

    def start(self) -> Child:
        self.starts += 1
        return start_child(
            self.name,
            ["/bin/sh", "-c", self.script.replace("LOG", str(self.data.root / "order"))],
            env={"PATH": os.environ["PATH"]},
            log=self.data.log_of(self.name),
            records=self.data.processes,
        )

    def condition(self) -> Condition:
        if self.failure:
            raise self.failure
        return Condition(ready=self.reason is None, remark=self.reason or self.warning)


FAREWELL = "trap 'echo NAME >> LOG; exit 0' TERM; while :; do sleep 0.05; done"


class House:
    """A data directory, its units and a supervisor over them."""

    def __init__(self, root: Path) -> None:
        self.data = DataDir.at(root)
        self.units = {
            name: Script(name, self.data, script=FAREWELL.replace("NAME", name))
            for name in ("kafka", "triton", "postgres")
        }
        for name, peers in {"ingest": ("kafka",), "review": ("kafka", "postgres")}.items():
            self.units[name] = Script(name, self.data, script=FAREWELL.replace("NAME", name), peers=peers)
        self.topics_made = 0
        self.make_topics: Callable[[Mapping[str, str]], Awaitable[None]] | None = None
        self.supervisor = self.another()

    def another(self) -> Supervisor:
        def make(*_: object) -> list[Script]:
            return list(self.units.values())

        return Supervisor(self.data, StackOptions(), SilentProgress(), self._make_topics, make)  # type: ignore[arg-type]

    async def _make_topics(self, environment: Mapping[str, str]) -> None:
        self.topics_made += 1
        if self.make_topics is not None:
            await self.make_topics(environment)

    @property
    def state(self) -> StackState:
        state = stack_file.read(self.data)
        assert state is not None
        return state

    async def when(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not condition():
                await asyncio.sleep(0.02)

    def is_ready(self) -> bool:
        return self.data.stack_file.exists() and self.state.phase is StackPhase.READY

    async def run_while(self, body: Callable[[], "asyncio.Future[None]"]) -> None:  # noqa: UP037
        """Runs the supervisor, `body` once all is ready, and stops it; whatever happened, no child is left."""
        running = asyncio.create_task(self.supervisor.run())
        try:
            await self.when(lambda: self.is_ready() or running.done())
            if not running.done():
                await body()
        finally:
            self.supervisor.stop()
            await running
            assert list(self.data.processes.iterdir()) == []


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path / "house")


async def test_services_start_after_their_peers_and_stop_before_them(house: House) -> None:
    house.units["kafka"].reason = "does not answer yet"
    running = asyncio.create_task(house.supervisor.run())
    await house.when(lambda: house.units["postgres"].starts == 1 and house.data.stack_file.exists())
    await asyncio.sleep(0.3)
    assert house.units["ingest"].starts == 0
    assert house.state.processes["ingest"].reason == "waits for kafka"
    house.units["kafka"].reason = None
    await house.when(house.is_ready)
    assert house.topics_made == 1
    pids = [process.pid for process in house.state.processes.values() if process.pid]
    assert len(pids) == 5
    await asyncio.sleep(0.2)

    house.supervisor.stop()
    await running
    order = (house.data.root / "order").read_text().split()
    assert sorted(order[:2]) == ["ingest", "review"]
    assert order[2:] == ["triton", "kafka", "postgres"]
    assert living(pids) == []
    assert house.state.phase is StackPhase.STOPPED
    assert {process.phase for process in house.state.processes.values()} == {ProcessPhase.STOPPED}


async def test_a_stop_while_the_topics_are_made_waits_for_the_end_of_that_and_leaves_no_task(house: House) -> None:
    begun = asyncio.Event()
    ended_in: list[StackPhase] = []

    async def make_topics(environment: Mapping[str, str]) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.2)  # A client that closes its connections.
            ended_in.append(house.state.phase)

    house.make_topics = make_topics
    running = asyncio.create_task(house.supervisor.run())
    async with asyncio.timeout(20):
        await begun.wait()
    house.supervisor.stop()
    await running
    assert ended_in == [StackPhase.STARTING]
    assert house.units["ingest"].starts == 0
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_killed_process_is_started_again_and_counted(house: House) -> None:
    async def body() -> None:
        before = house.state.processes["ingest"]
        assert before.pid is not None
        os.kill(before.pid, signal.SIGKILL)
        await house.when(lambda: house.state.processes["ingest"].restarts == 1)
        await house.when(lambda: house.state.processes["ingest"].phase is ProcessPhase.READY)
        after = house.state.processes["ingest"]
        assert after.pid not in (None, before.pid)
        assert house.units["kafka"].starts == 1

    await house.run_while(body)


async def test_a_process_that_keeps_dying_is_started_ever_more_slowly(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body() -> None:
        house.units["ingest"].script = "echo no luck; exit 5"
        pid = house.state.processes["ingest"].pid
        assert pid is not None
        began = asyncio.get_running_loop().time()
        os.kill(pid, signal.SIGKILL)
        # 0.2 + 0.4 + 0.8 s of waiting lie before the fifth start.
        await house.when(lambda: house.units["ingest"].starts == 4)
        assert asyncio.get_running_loop().time() - began >= 1.4
        await house.when(lambda: house.state.processes["ingest"].phase is ProcessPhase.RESTARTING)
        assert house.state.processes["ingest"].reason == "ingest ended with code 5"

    await house.run_while(body)


async def test_what_a_ready_process_warns_of_is_told_and_taken_back(house: House) -> None:
    house.units["ingest"].warning = "project mail: records are set aside"

    async def body() -> None:
        ingest = house.units["ingest"]
        await house.when(lambda: house.state.processes["ingest"].reason == ingest.warning)
        assert house.state.processes["ingest"].phase is ProcessPhase.READY
        ingest.warning = ""
        await house.when(lambda: house.state.processes["ingest"].reason == "")

    await house.run_while(body)


async def test_a_start_that_takes_long_says_what_it_waits_for_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "_TELL_WHY_AFTER_S", 0.2)
    said: list[str] = []
    monkeypatch.setattr(SilentProgress, "say", lambda _, words: said.append(words))
    house = House(tmp_path)
    house.units["ingest"].reason = "models: Triton does not answer"
    running = asyncio.create_task(house.supervisor.run())
    try:
        await house.when(lambda: "ingest is not ready: models: Triton does not answer" in said)
        await asyncio.sleep(0.5)
        house.units["ingest"].reason = None
        await house.when(house.is_ready)
    finally:
        house.supervisor.stop()
        await running
    assert sum("not ready" in words for words in said) == 1


async def test_a_stack_that_cannot_come_up_says_which_part_and_shows_its_log(house: House) -> None:
    house.units["review"].script = "echo the roof is missing; exit 1"
    house.units["review"].reason = "does not answer yet"
    with pytest.raises(
        StackFailedError, match=r"(?s)review ended with code 1; gave up after 4 starts.*the roof is missing"
    ):
        await house.supervisor.run()
    assert house.units["review"].starts == 4
    assert list(house.data.processes.iterdir()) == []


async def test_a_misconfigured_service_is_not_started_twice(house: House) -> None:
    house.units["ingest"].script = "echo STREAMLABEL_INGEST_X is unknown; exit 78"
    house.units["ingest"].reason = "does not answer yet"
    with pytest.raises(
        ConfigurationError, match=r"(?s)ingest is not configured rightly.*STREAMLABEL_INGEST_X is unknown"
    ):
        await house.supervisor.run()
    assert house.units["ingest"].starts == 1


async def test_a_service_misconfigured_later_is_reported_while_the_rest_lives_on(house: House) -> None:
    async def body() -> None:
        house.units["ingest"].script = "exit 78"
        pid = house.state.processes["ingest"].pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await house.when(lambda: house.state.processes["ingest"].phase is ProcessPhase.MISCONFIGURED)
        await asyncio.sleep(0.5)
        assert house.units["ingest"].starts == 2
        assert house.state.processes["kafka"].phase is ProcessPhase.READY
        assert not stack_file.is_all_ready(house.state)

    await house.run_while(body)


async def test_a_failed_self_test_ends_the_start(house: House) -> None:
    house.units["triton"].failure = StackFailedError("returns other values than it was sent")
    with pytest.raises(StackFailedError, match="other values"):
        await house.supervisor.run()
    assert list(house.data.processes.iterdir()) == []


async def test_what_fails_because_the_stack_stops_is_no_failure(house: House) -> None:
    triton = house.units["triton"]
    triton.reason = "does not answer yet"
    triton.script = "trap '' TERM; while :; do sleep 0.05; done"
    triton.grace_s = 1.0  # Long enough to be asked again.
    running = asyncio.create_task(house.supervisor.run())
    await house.when(lambda: triton.starts == 1)
    house.supervisor.stop()
    triton.failure = StackFailedError("the self-test could not run: connection reset")
    await running
    assert house.state.phase is StackPhase.STOPPED


async def test_a_server_that_never_answers_is_killed_and_given_up(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "SERVER_START_TIMEOUT_S", 0.3)
    house.units["kafka"].reason = "does not answer yet"
    with pytest.raises(StackFailedError, match="kafka ended by signal 9"):
        await house.supervisor.run()
    assert house.units["kafka"].starts == 4


async def test_a_process_that_ignores_the_stop_is_killed_after_its_grace(house: House) -> None:
    house.units["review"].script = "trap '' TERM; while :; do sleep 0.05; done"
    house.units["review"].grace_s = 0.5
    pids: list[int] = []

    async def body() -> None:
        pids.extend(process.pid for process in house.state.processes.values() if process.pid)
        await asyncio.sleep(0.2)

    await house.run_while(body)
    assert living(pids) == []


async def test_a_second_supervisor_is_turned_away(house: House) -> None:
    async def body() -> None:
        before = house.data.stack_file.read_text()
        with pytest.raises(AlreadyRunningError, match="already running"):
            await house.another().run()
        assert house.data.stack_file.read_text() == before
        assert stack_file.is_running(house.data)

    await house.run_while(body)
    assert not stack_file.is_running(house.data)


async def test_the_next_start_takes_the_same_ports(house: House) -> None:
    async def body() -> None:
        pass

    await house.run_while(body)
    ports = dict(house.state.ports)
    house.supervisor = house.another()
    await house.run_while(body)
    assert dict(house.state.ports) == ports


async def test_a_full_disk_is_refused_before_anything_starts(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamlabel.local.disk.free_bytes", lambda place: 5 * 1024 * 1024)
    with pytest.raises(
        ConfigurationError, match=rf"the disk of {house.data.root} has 5 MiB free; the stack needs 512 MiB"
    ):
        await house.supervisor.run()
    assert house.units["kafka"].starts == 0


async def test_a_state_file_that_cannot_be_written_does_not_bring_the_stack_down(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body() -> None:
        def full(data: DataDir, state: StackState) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(stack_file, "write", full)
        pid = house.state.processes["ingest"].pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await house.when(lambda: house.units["ingest"].starts == 2)

    await house.run_while(body)


async def test_a_start_for_which_the_disk_has_no_room_is_tried_again_until_it_has(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = 0

    def full(path: Path, _text: str) -> None:
        nonlocal refused
        refused += path.name == "kafka.json"
        raise OSError(errno.ENOSPC, "No space left on device")

    async def body() -> None:
        others = {name: state.pid for name, state in house.state.processes.items() if name != "kafka"}
        pid = house.state.processes["kafka"].pid
        assert pid is not None
        with monkeypatch.context() as patch:
            patch.setattr(child, "write_atomically", full)
            os.kill(pid, signal.SIGKILL)
            await house.when(lambda: refused >= 2)
        await house.when(lambda: house.state.processes["kafka"].phase is ProcessPhase.READY)
        assert {name: state.pid for name, state in house.state.processes.items() if name != "kafka"} == others

    await house.run_while(body)


async def test_a_first_start_for_which_there_is_no_room_is_given_up(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_path: Path, _text: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(child, "write_atomically", full)
    with pytest.raises(StackFailedError, match="cannot be started: No space left on device; gave up after 4 attempts"):
        await house.supervisor.run()
    assert list(house.data.processes.iterdir()) == []


async def test_sigterm_stops_in_order_and_a_second_one_at_once(house: House) -> None:
    house.units["review"].script = "trap '' TERM; while :; do sleep 0.05; done"
    house.units["review"].grace_s = 60

    async def body() -> None:
        await asyncio.sleep(0.2)
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(0.5)
        assert house.state.phase is StackPhase.STOPPING
        os.kill(os.getpid(), signal.SIGTERM)

    began = asyncio.get_running_loop().time()
    await house.run_while(body)
    assert asyncio.get_running_loop().time() - began < 15
    until(lambda: house.state.phase is StackPhase.STOPPED)
