"""`streamlabel demo` as a stranger meets it: from nothing to a verdict, and every way in which it may end."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from streamlabel.cli.connection import connect
from streamlabel.client import ReviewClient
from streamlabel.core.review import Annotation
from streamlabel.local import stack_file
from streamlabel.local.options import StackOptions
from streamlabel.local.places import DataDir
from streamlabel.local.stack import Stack
from support.command_line import clean_environment, streamlabel
from support.whole_stack import REPOSITORY, DemoRun, verdict

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]
DONE_TIMEOUT_S = 120.0


def living(data: DataDir) -> list[str]:
    """Processes that mention the data directory on their command line."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            except OSError:
                continue
            if str(data.root) in command:
                found.append(command)
    return found


async def test_a_demo_on_a_running_stack_gives_every_digit_one_label(stack: Stack, tmp_path: Path) -> None:
    demo = DemoRun(stack, tmp_path, "--records", "1500", "--rate", "100", "--think-time-ms", "0", "--annotators", "3")
    report = demo.finish(DONE_TIMEOUT_S)
    assert (report["records_sent"], report["labels_total"], report["lost"], report["duplicates"]) == (1500, 1500, 0, 0)
    assert report["labels_model"] + report["labels_human"] == 1500
    # Certified after a few hundred digits, and from then on nine of ten pass; people err in 0.5 % by default.
    assert [each["state"] for each in report["gate"]["transitions"]][:2] == ["cold", "certified"]
    assert report["labels_model"] > 0
    assert report["model_error"] <= 0.05
    assert report["human_error"] < 0.05
    assert report["latency_ms"]["p50"] <= report["latency_ms"]["p95"] <= report["latency_ms"]["p99"]
    assert report["records_per_s"] > 0
    assert set(report["parts"]) == {"kafka", "triton", "postgresql"}
    assert (await verdict(stack, report["run"], 1500)).findings.clean
    assert stack_file.is_running(stack.data), "a stack that ran before must run after"


def test_texts_are_answered_by_people_who_disagree_and_the_report_says_that_nothing_was_certified(
    stack: Stack, tmp_path: Path
) -> None:
    demo = DemoRun(stack, tmp_path, "--records", "300", "--rate", "0", "--think-time-ms", "0", name="sentiment")
    report = demo.finish(DONE_TIMEOUT_S)
    assert (report["records_sent"], report["labels_total"], report["lost"], report["duplicates"]) == (300, 300, 0, 0)
    # All are here before anything could be learnt from the first.
    assert (report["labels_model"], report["gate"]["certified"]) == (0, False)
    assert "Nothing could be certified, so people labelled everything: " in demo.output
    assert "Asked for: at most 20% of what the model labels alone is wrong" in demo.output
    stretches = {each["name"]: each for each in report["gate"]["stretches"]}
    assert {name: each["answers"] for name, each in stretches.items()} == {"films": 97, "tweets": 91, "newspaper": 112}
    assert 0 < stretches["films"]["answers_wrong"] < 40
    assert 15 < stretches["newspaper"]["answers_wrong"] < 70, "people contradict each other there in 31 %"


async def test_people_at_the_desk_answer_where_no_one_is_simulated(stack: Stack, tmp_path: Path) -> None:
    arguments = ["--records", "200", "--rate", "0", "--annotators", "0", "--patience", "5"]
    demo = DemoRun(stack, tmp_path, *arguments)
    try:
        async with ReviewClient(connect(stack.data.root, environ={}).review_address) as desk:
            waiting = await until_waiting(desk, demo)
            assert demo.running, demo.output
            # Longer than its patience: with people at the desk there is no such thing.
            await asyncio.sleep(7)
            assert demo.running, demo.output
            while demo.running:
                for leased in await desk.lease("ada", project="digits", max_tasks=20, wait_s=0.5):
                    answer = Annotation(
                        annotation_id=leased.lease.lease_token[:64],
                        lease_token=leased.lease.lease_token,
                        class_name="7",
                    )
                    await desk.submit("ada", [answer])
    finally:
        report = await asyncio.to_thread(demo.finish, 30)
    assert report["labels_human"] >= waiting > 0
    assert report["labels_total"] == 200
    assert 0.5 < report["human_error"] <= 1.0, "Ada said 7 to everything"


async def until_waiting(desk: ReviewClient, demo: DemoRun) -> int:
    """The number of open tasks once it has stopped growing."""
    last, since = 0, time.monotonic()
    while time.monotonic() - since < 3:
        stats = await desk.stats("digits")
        count = stats[0].open_tasks if stats else 0
        if count != last or count == 0:
            last, since = count, time.monotonic()
        assert demo.running, demo.output
        await asyncio.sleep(0.2)
    return last


def test_from_nothing_to_a_verdict_and_nothing_left_running(tmp_path: Path) -> None:
    data = DataDir.at(tmp_path / "data")
    report_file = tmp_path / "r.json"
    arguments = ["--records", "300", "--exit", "--report", str(report_file), "--data-dir", str(data.root)]
    ran = streamlabel("demo", *arguments, timeout_s=200)
    assert ran.code == 0, ran.out + ran.err
    assert "300 of 300 records, 0 lost, 0 doubled" in ran.out
    assert "labelled" in ran.out.splitlines()[0]
    assert "Traceback" not in ran.err
    assert json.loads(report_file.read_text())["lost"] == 0
    assert not stack_file.is_running(data)
    assert living(data) == []

    again = streamlabel("demo", *arguments, timeout_s=200)
    assert again.code == 0, again.out + again.err
    report = json.loads(report_file.read_text())
    assert (report["records_sent"], report["lost"], report["duplicates"]) == (300, 0, 0)
    assert report["first_label_after_s"] < 30


def read_until(terminal: int, pattern: bytes | None, *, timeout_s: float) -> bytes:
    """What a terminal shows, colours left out, until `pattern` is on it; None: until the program on it has ended."""
    screen = b""
    deadline = time.monotonic() + timeout_s
    while pattern is None or not re.search(pattern, screen):
        readable, _, _ = select.select([terminal], [], [], max(0.0, deadline - time.monotonic()))
        assert readable, screen[-3000:].decode("utf-8", "replace")
        try:
            new = os.read(terminal, 65536)
        except OSError:  # The other end is closed.
            return screen
        screen += re.sub(rb"\x1b\[[0-9;?]*[a-zA-Z]", b"", new)
    return screen


def ended_by_ctrl_c(data: DataDir, *arguments: str, seen: bytes = rb"labelled +[1-9]") -> tuple[int, str]:
    """Exit code and screen of a demo on a terminal that is ended as soon as `seen` is on it: by itself, as soon as one is labelled."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "streamlabel.cli.app", "demo", *arguments, "--data-dir", str(data.root)]
    environment = clean_environment({"TERM": "xterm-256color", "COLUMNS": "140", "LINES": "40"})
    with subprocess.Popen(
        command, env=environment, cwd=REPOSITORY, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    ) as demo:
        os.close(theirs)
        try:
            screen = read_until(ours, seen, timeout_s=90)
            demo.send_signal(signal.SIGINT)
            screen += read_until(ours, None, timeout_s=60)
            code = demo.wait(60)
        finally:
            demo.kill()
    os.close(ours)
    return code, screen.decode("utf-8", "replace")


def test_ctrl_c_on_a_terminal_ends_everything(tmp_path: Path) -> None:
    data = DataDir.at(tmp_path / "data")
    code, screen = ended_by_ctrl_c(data, "--endless")
    assert code == 0
    assert "Label yourself" in screen
    assert "Ctrl-C stops everything" in screen
    assert re.search(
        rf"Labelled [1-9][\d,]* of [1-9][\d,]* digits: .* stay in {re.escape(str(data.root))}", screen, re.S
    )
    assert "Traceback" not in screen
    assert not stack_file.is_running(data)
    assert living(data) == []


def test_ctrl_c_leaves_a_stack_alone_that_ran_before(stack: Stack) -> None:
    code, screen = ended_by_ctrl_c(stack.data, "--endless")
    assert code == 0
    assert "Ctrl-C ends the demo; the stack goes on" in screen
    assert "stops everything" not in screen
    assert "The stack goes on, as before; `streamlabel down` stops it." in screen
    assert stack_file.is_running(stack.data)


def test_ctrl_c_is_an_interrupt_for_a_demo_that_ends_by_itself(stack: Stack) -> None:
    code, screen = ended_by_ctrl_c(stack.data, "--annotators", "0", "--exit", seen=rb"sent +[1-9]")
    assert code == 130
    assert "Labelled " in screen


def test_a_demo_that_is_stuck_says_where_and_ends_with_an_error(tmp_path: Path) -> None:
    whole = tmp_path / "data"
    with Stack(whole, options=StackOptions(services=("ingest", "inference", "routing"))) as without_review:
        demo = DemoRun(without_review, tmp_path, "--records", "200", "--rate", "0", "--patience", "8")
        assert demo.process.wait(90) == 1
    assert "no progress for" in demo.output
    assert "of 200 records, " in demo.output
    assert "200 predictions" in demo.output
    assert "The review service does not answer." in demo.output
    assert "Traceback" not in demo.output
    report = json.loads(demo.report_file.read_text())
    assert report["lost"] > 0
    assert report["lost"] + report["labels_total"] == 200


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--endless", "--exit"], "--endless never ends"),
        (["sentiment", "--drift"], "--drift is for digits"),
        (["--example", "/nowhere"], "/nowhere"),
        (["--report", "/nowhere/r.json"], "/nowhere"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_starts(tmp_path: Path, arguments: list[str], told: str) -> None:
    ran = streamlabel("demo", *arguments, "--data-dir", str(tmp_path / "data"))
    assert ran.code == 78
    assert told in ran.err
    assert not (tmp_path / "data").exists()
