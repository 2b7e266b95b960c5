"""Process: one order to start, one to stop, and a failure anywhere is an orderly end with the right exit code."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable

import aiohttp
import pytest

from streamlabel.errors import ConfigurationError
from streamlabel.runtime.process import EXIT_CONFIGURATION, EXIT_FAILURE, EXIT_OK, Phase, Process
from streamlabel.runtime.settings import ServiceSettings


class Part:
    """A component that writes down what happens to it."""

    def __init__(self, name: str, diary: list[str]) -> None:
        self.name = name
        self.diary = diary
        self.on_start: Callable[[], Awaitable[None]] | None = None
        self.on_run: Callable[[], Awaitable[None]] | None = None
        self.on_stop: Callable[[], Awaitable[None]] | None = None
        self.stopped = asyncio.Event()

    async def start(self) -> None:
        self.diary.append(f"+{self.name}")
        if self.on_start:
            await self.on_start()

    async def run(self) -> None:
        if self.on_run:
            await self.on_run()
        else:
            await self.stopped.wait()

    async def stop(self) -> None:
        if self.on_stop:
            await self.on_stop()
        self.stopped.set()
        self.diary.append(f"-{self.name}")


def make(**values: object) -> Process:
    defaults = {"http_host": "127.0.0.1", "http_port": 0, "shutdown_grace_s": 4}
    return Process("ingest", ServiceSettings.model_validate({**defaults, **values}))


async def started(process: Process) -> asyncio.Task[int]:
    life = asyncio.create_task(process.run())
    async with asyncio.timeout(5):
        while not process.health.ready:
            await asyncio.sleep(0.01)
    return life


async def raises(error: Exception) -> None:
    raise error


async def test_parts_start_and_stop_in_the_one_order() -> None:
    diary: list[str] = []
    process = make()
    for phase, names in {
        Phase.SERVER: ["grpc"],
        Phase.INTAKE: ["stage"],
        Phase.OUTLET: ["producer", "outbox"],
        Phase.RESOURCE: ["pool"],
    }.items():
        for name in names:
            process.add(Part(name, diary), phase)
    life = await started(process)
    assert diary == ["+pool", "+producer", "+outbox", "+stage", "+grpc"]
    process.request_stop("test")
    assert not process.health.ready
    assert await life == EXIT_OK
    assert diary[5:] == ["-stage", "-grpc", "-outbox", "-producer", "-pool"]


async def test_a_signal_stops_it_and_readiness_goes_first() -> None:
    process = make(shutdown_drain_s=0.3)
    seen: list[str] = []
    part = Part("stage", [])

    async def note() -> None:
        seen.append("stopping")

    part.on_stop = note
    process.add(part, Phase.INTAKE)
    life = await started(process)
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.sleep(0.1)
    async with aiohttp.ClientSession() as session:
        async with session.get(f"http://127.0.0.1:{process.http.port}/readyz") as answer:
            assert answer.status == 503
            assert (await answer.json())["reasons"] == {"process": "stopping: SIGTERM"}
        async with session.get(f"http://127.0.0.1:{process.http.port}/livez") as answer:
            assert answer.status == 200
    assert seen == [], "the drain pause comes before anything stops"
    assert process.stopping.is_set()
    assert await life == EXIT_OK
    assert seen == ["stopping"]


async def test_while_it_starts_the_probes_tell_what_it_waits_for() -> None:
    process, go = make(), asyncio.Event()
    slow = Part("kafka tables", [])

    async def wait() -> None:
        await go.wait()

    slow.on_start = wait
    process.add(slow, Phase.RESOURCE)
    life = asyncio.create_task(process.run())
    async with asyncio.timeout(5):
        while process.health.reasons().get("process") != "starting: kafka tables":
            await asyncio.sleep(0.01)
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{process.http.port}/readyz") as answer,
    ):
        assert (await answer.json())["reasons"] == {"process": "starting: kafka tables"}
    go.set()
    await asyncio.sleep(0.05)
    assert process.health.ready
    process.request_stop("test")
    assert await life == EXIT_OK


async def test_a_signal_in_mid_start_stops_what_has_started() -> None:
    diary: list[str] = []
    process = make()
    pool, stage, never = Part("pool", diary), Part("stage", diary), Part("grpc", diary)

    async def forever() -> None:
        await asyncio.sleep(3600)

    stage.on_start = forever
    process.add(pool, Phase.RESOURCE)
    process.add(stage, Phase.INTAKE)
    process.add(never, Phase.SERVER)
    life = asyncio.create_task(process.run())
    async with asyncio.timeout(5):
        while "+stage" not in diary:
            await asyncio.sleep(0.01)
    os.kill(os.getpid(), signal.SIGINT)
    assert await life == EXIT_OK
    assert diary == ["+pool", "+stage", "-stage", "-pool"]


async def test_a_part_that_fails_while_running_ends_the_process_in_order(caplog: pytest.LogCaptureFixture) -> None:
    diary: list[str] = []
    process = make(shutdown_drain_s=60)
    pool, stage = Part("pool", diary), Part("stage", diary)
    stage.on_run = lambda: raises(RuntimeError("lane broke"))
    process.add(pool, Phase.RESOURCE)
    process.add(stage, Phase.INTAKE)
    assert await asyncio.wait_for(process.run(), 5) == EXIT_FAILURE
    assert diary == ["+pool", "+stage", "-stage", "-pool"]
    assert "lane broke" in caplog.text
    assert process.health.deaths() == {"stage": "RuntimeError: lane broke"}


@pytest.mark.parametrize(
    ("error", "code"), [(OSError("refused"), EXIT_FAILURE), (ConfigurationError("wrong key"), EXIT_CONFIGURATION)]
)
async def test_a_part_that_cannot_start_ends_the_process(error: Exception, code: int) -> None:
    diary: list[str] = []
    process = make()
    pool, stage, never = Part("pool", diary), Part("stage", diary), Part("grpc", diary)
    stage.on_start = lambda: raises(error)
    process.add(pool, Phase.RESOURCE)
    process.add(stage, Phase.INTAKE)
    process.add(never, Phase.SERVER)
    assert await process.run() == code
    assert diary == ["+pool", "+stage", "-stage", "-pool"]


async def test_wiring_runs_inside_and_its_complaint_is_the_exit_code() -> None:
    diary: list[str] = []
    process = make()

    async def wire() -> None:
        process.add(Part("pool", diary), Phase.RESOURCE)
        raise ConfigurationError("STREAMLABEL_X=1: impossible")

    assert await process.run(wire) == EXIT_CONFIGURATION
    assert diary == []


async def test_a_part_that_hangs_is_cut_off_and_the_rest_still_stop(caplog: pytest.LogCaptureFixture) -> None:
    diary: list[str] = []
    process = make(shutdown_grace_s=0.6)
    pool, stage = Part("pool", diary), Part("stage", diary)

    async def hang() -> None:
        await asyncio.sleep(3600)

    stage.on_stop = hang
    process.add(pool, Phase.RESOURCE)
    process.add(stage, Phase.INTAKE)
    life = await started(process)
    process.request_stop("test")
    assert await asyncio.wait_for(life, 3) == EXIT_FAILURE
    assert diary == ["+pool", "+stage", "-pool"]
    assert "did not stop in time" in caplog.text


async def test_a_part_whose_stop_fails_does_not_keep_the_rest_from_stopping() -> None:
    diary: list[str] = []
    process = make()
    pool, stage = Part("pool", diary), Part("stage", diary)
    stage.on_stop = lambda: raises(TimeoutError("the broker did not answer"))
    process.add(pool, Phase.RESOURCE)
    process.add(stage, Phase.INTAKE)
    life = await started(process)
    process.request_stop("test")
    assert await life == EXIT_FAILURE
    assert diary == ["+pool", "+stage", "-pool"]


async def test_a_part_may_have_nothing_to_run() -> None:
    process = make()
    part = Part("once", [])

    async def nothing() -> None: ...

    part.on_run = nothing
    process.add(part, Phase.RESOURCE)
    life = await started(process)
    await asyncio.sleep(0.05)
    assert not life.done()
    process.request_stop("test")
    assert await life == EXIT_OK


async def test_nothing_is_left_running() -> None:
    before = asyncio.all_tasks()
    process = make()
    process.add(Part("a", []), Phase.INTAKE)
    life = await started(process)
    process.request_stop("test")
    await life
    assert asyncio.all_tasks() - before - {life} == set()


async def test_a_part_whose_task_is_cancelled_from_within_is_a_failure_and_no_silent_end() -> None:
    process = make()
    part, go = Part("table", []), asyncio.Event()

    async def given_up() -> None:
        await go.wait()
        future = asyncio.get_running_loop().create_future()
        future.cancel()
        await future

    part.on_run = given_up
    process.add(part, Phase.RESOURCE)
    life = await started(process)
    go.set()
    assert await life == EXIT_FAILURE
    assert "cancelled" in process.health.reasons()["table"]
