"""`kill -9` of everything, at random moments of a demo: afterwards every record has exactly one final label.

A few moments each by default; `make test-kills` (KILLS=10) takes ten. A failure names its seed, and KILL_SEED repeats it.
The verdict is read from the labels topic twice, by the demo and by this test: ids, values and revisions.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from streamlabel.local.stack import Stack
from support.whole_stack import DemoRun, Verdict, verdict

KILLS = int(os.environ.get("KILLS", "2"))
SEED = int(os.environ.get("KILL_SEED", str(random.SystemRandom().randrange(1_000_000))))
RECORDS = 5_000
PER_SECOND = 500
# A process that is killed again and again is started again after longer and longer pauses, up to 30 s.
ROUND_TIMEOUT_S = 240.0

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300 + KILLS * 120)]


@pytest.fixture
def chance(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> random.Random:
    record_property("KILL_SEED", SEED)
    request.node.add_report_section("setup", "seed", f"KILL_SEED={SEED} KILLS={KILLS}")
    return random.Random(f"{SEED}/{request.node.name}")


def start_demo(stack: Stack, folder: Path) -> DemoRun:
    arguments = ["--records", str(RECORDS), "--rate", str(PER_SECOND), "--think-time-ms", "20", "--patience", "150"]
    return DemoRun(stack, folder, *arguments)


async def until_labels_flow(stack: Stack, demo: DemoRun) -> None:
    """Returns when the demo has told of its first labels."""
    deadline = time.monotonic() + 60
    while "labelled 0 " in demo.output.strip().rpartition("\n")[2] or "labelled" not in demo.output:
        assert demo.running, demo.output
        assert time.monotonic() < deadline, demo.output
        await asyncio.sleep(0.1)


async def assert_exactly_one_label_each(stack: Stack, demo: DemoRun) -> None:
    report = await asyncio.to_thread(demo.finish, ROUND_TIMEOUT_S)
    assert (report["records_sent"], report["labels_total"]) == (RECORDS, RECORDS)
    assert (report["lost"], report["duplicates"], report["dead_letters"]) == (0, 0, 0)
    assert report["labels_model"] + report["labels_human"] == RECORDS
    assert report["labels_human"] > 0
    read_back: Verdict = await verdict(stack, report["run"], RECORDS)
    assert read_back.findings.clean, read_back.findings
    assert not read_back.findings.strangers
    assert read_back.messages == RECORDS
    assert read_back.revisions == {1}


# Routing goes by what learning says: together they are killed in one round.
@pytest.mark.parametrize("names", [("ingest",), ("inference",), ("routing", "learning"), ("review",)], ids="-".join)
async def test_a_killed_service_neither_loses_nor_doubles(
    stack: Stack, tmp_path: Path, chance: random.Random, names: tuple[str, ...]
) -> None:
    left = KILLS
    while left:
        demo = start_demo(stack, tmp_path)
        try:
            await until_labels_flow(stack, demo)
            while left and demo.running:
                await asyncio.sleep(chance.uniform(0.0, 2.0))
                if not demo.running:
                    break
                killed = {name: stack.kill(name) for name in names}
                left -= 1
                for name, pid in killed.items():
                    await stack.until_ready(name, not_pid=pid)
            await assert_exactly_one_label_each(stack, demo)
        finally:
            demo.end()


async def test_a_killed_supervisor_takes_all_along_and_the_next_start_goes_on(
    stack: Stack, tmp_path: Path, chance: random.Random
) -> None:
    left = max(1, KILLS // 2) if KILLS < 10 else KILLS
    while left:
        demo = start_demo(stack, tmp_path)
        try:
            await until_labels_flow(stack, demo)
            while left and demo.running:
                await asyncio.sleep(chance.uniform(0.0, 4.0))
                if not demo.running:
                    break
                await asyncio.to_thread(stack.kill_supervisor)
                left -= 1
                stack.start()
            await assert_exactly_one_label_each(stack, demo)
        finally:
            demo.end()


@pytest.mark.parametrize("name", ["kafka", "triton", "postgres"])
async def test_a_killed_server_neither_loses_nor_doubles(
    stack: Stack, tmp_path: Path, chance: random.Random, name: str
) -> None:
    demo = start_demo(stack, tmp_path)
    try:
        await until_labels_flow(stack, demo)
        await asyncio.sleep(chance.uniform(0.0, 4.0))
        killed = stack.kill(name)
        await stack.until_ready(name, not_pid=killed)
        await assert_exactly_one_label_each(stack, demo)
    finally:
        demo.end()
