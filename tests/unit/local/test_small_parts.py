"""The small parts of the local stack: options, causes out of logs, threads, places, progress, log views."""

from __future__ import annotations

import asyncio
import io
import os
import re
import threading
import time
from pathlib import Path

import pytest

from streamlabel.cli.log_view import LogView
from streamlabel.errors import ConfigurationError
from streamlabel.local import options, units
from streamlabel.local.__main__ import main
from streamlabel.local.diagnosis import explain, telling
from streamlabel.local.options import StackOptions
from streamlabel.local.places import DataDir, cache_dir
from streamlabel.local.progress import LineProgress
from streamlabel.local.threads import for_each, run_in_thread


def test_options_say_the_same_on_a_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = StackOptions(partitions=4, topic_prefix="x", pinned_ports={"kafka": 9092}, services=("ingest",))
    seen: list[StackOptions] = []

    async def run(data: DataDir, given: StackOptions) -> None:
        seen.append(given)

    monkeypatch.setattr("streamlabel.local.__main__._run", run)
    monkeypatch.setattr("sys.argv", ["local", "--data-dir", "/tmp", *chosen.arguments()])
    assert main() == 0
    assert seen == [chosen]


@pytest.mark.parametrize("word", ["kafka", "kafka=", "kafka=x", "kafka=0", "kafka=65536"])
def test_a_port_that_is_no_port_is_refused(word: str) -> None:
    with pytest.raises(ConfigurationError, match=f"--port {word}: wanted is NAME=NUMBER"):
        options.parse_ports([word])


def test_services_keep_the_order_of_the_flow() -> None:
    assert options.parse_services(["review", "ingest"]) == ("ingest", "review")
    assert options.parse_services([]) == units.SERVICES
    with pytest.raises(ConfigurationError, match="--service learn: there are ingest, "):
        options.parse_services(["learn"])


@pytest.mark.parametrize(
    ("log", "words"),
    [
        (
            "PANIC: could not write to file: No space left on device",
            r"kafka: the disk of /data is full \(\d+ MiB free\)",
        ),
        ("java.net.BindException: Address already in use", r"kafka: a port of its own is taken .*kafka 1 by another"),
        ("java.lang.OutOfMemoryError: Java heap space", "kafka: the machine has too little memory"),
        ("who knows", "kafka ended with code 3"),
    ],
)
def test_causes_that_an_operator_can_remove_are_named(log: str, words: str) -> None:
    reason = explain("kafka", 3, log, data_root=Path("/data"), ports={"kafka": 1, "postgres": 2})
    assert re.match(words, reason), reason
    assert "postgres" not in reason


def test_the_cause_is_shown_and_not_the_noise_after_it() -> None:
    noise = [f"shutting down part {number}" for number in range(100)]
    log = "\n".join(["starting", "10:00 ERROR Address already in use", "  at java.net", *noise])
    assert telling(log, 3) == "10:00 ERROR Address already in use\n  at java.net\nshutting down part 0"
    assert telling("\n".join(noise), 1) == "shutting down part 99"


def test_a_service_sees_no_key_that_it_would_refuse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    foreign = ("CACHE_DIR", "DATA_DIR", "CLI_REVIEW_URL", "TOPICS_PARTITIONS", "TEST_KAFKA")
    for name in foreign:
        monkeypatch.setenv(f"STREAMLABEL_{name}", "x")
    monkeypatch.setenv("STREAMLABEL_LOG_LEVEL", "debug")
    inherited = units._inherited(os.environ)
    assert not [name for name in foreign if f"STREAMLABEL_{name}" in inherited]
    assert inherited["STREAMLABEL_LOG_LEVEL"] == "debug"
    assert inherited["STREAMLABEL_LOG_FORMAT"] == "text"


def test_places_follow_flag_then_environment_then_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/me")
    assert DataDir.at(None, {}).root == tmp_path / ".streamlabel"
    assert DataDir.at(None, {"STREAMLABEL_DATA_DIR": "/data"}).root == Path("/data")
    assert DataDir.at("/flag", {"STREAMLABEL_DATA_DIR": "/data"}).root == Path("/flag")
    assert cache_dir({}) == Path("/me/.cache/streamlabel")
    assert cache_dir({"XDG_CACHE_HOME": "/xdg"}) == Path("/xdg/streamlabel")
    assert cache_dir({"XDG_CACHE_HOME": "/xdg", "STREAMLABEL_CACHE_DIR": "/mine"}) == Path("/mine")


def test_the_first_error_of_many_is_raised_without_waiting_for_the_rest() -> None:
    release = threading.Event()

    def work(number: int) -> None:
        if number:
            raise ValueError(f"number {number}")
        release.wait(20)

    began = time.monotonic()
    with pytest.raises(ValueError, match="number 1"):
        for_each(work, [0, 1, 0], at_once=2)
    assert time.monotonic() - began < 10
    release.set()


def test_every_item_is_worked_on_once() -> None:
    seen: list[int] = []
    for_each(seen.append, range(100), at_once=7)
    assert sorted(seen) == list(range(100))


async def test_a_thread_hands_its_error_over_and_a_cancelled_one_is_let_go() -> None:
    def fail() -> None:
        raise KeyError("lost")

    with pytest.raises(KeyError, match="lost"):
        await run_in_thread(fail)
    release = threading.Event()
    slow = asyncio.create_task(run_in_thread(lambda: release.wait(20) and None))
    await asyncio.sleep(0.05)
    slow.cancel()
    with pytest.raises(asyncio.CancelledError):
        await slow
    release.set()


def test_downloads_are_told_once_a_second_and_at_their_end() -> None:
    stream = io.StringIO()
    progress = LineProgress(stream, interval_s=60)
    for done in range(0, 10 * 1024 * 1024 + 1, 1024 * 1024):
        progress.downloaded("Kafka", done, 10 * 1024 * 1024)
    assert stream.getvalue().splitlines() == ["Kafka: 0 of 10 MiB", "Kafka: 10 of 10 MiB"]


def test_logs_of_several_processes_are_told_apart_and_followed(tmp_path: Path) -> None:
    first, second = tmp_path / "kafka.log", tmp_path / "postgres.log"
    first.write_text("one\ntwo\nthree\n")
    second.write_text("uno\n")
    stream = io.StringIO()
    view = LogView([first, second], stream)
    view.print_last(2)
    assert stream.getvalue().splitlines() == ["kafka    │ two", "kafka    │ three", "postgres │ uno"]
    with first.open("a") as handle:
        handle.write("four\nhalf a li")
    assert view._added(first) == ["four"]
    with first.open("a") as handle:
        handle.write("ne\n")
    assert view._added(first) == ["half a line"]
    first.rename(tmp_path / "kafka.log.1")
    assert view._added(first) == []
    first.write_text("after rotation\n")
    assert view._added(first) == ["after rotation"]
