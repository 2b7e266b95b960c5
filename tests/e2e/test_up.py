"""`streamlabel up|status|logs|down` with all eight processes, as a person and as an accident would treat them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.command_line import clean_environment, streamlabel
from support.processes import living, mentioning, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(420)]

START_TIMEOUT_S = 180.0
PROCESSES = ["kafka", "triton", "postgres", "ingest", "inference", "routing", "review", "learning"]


class Directory:
    """A data directory and the commands on it; nothing of it runs after the test."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def run(self, *arguments: str, timeout_s: float = START_TIMEOUT_S) -> Any:
        return streamlabel(*arguments, environ={"STREAMLABEL_DATA_DIR": str(self.root)}, timeout_s=timeout_s)

    def up(self) -> dict[str, Any]:
        done = self.run("up", "--detach")
        assert done.code == 0, done.err
        return self.status()

    def status(self) -> dict[str, Any]:
        facts: dict[str, Any] = json.loads(self.run("status", "--json").out)
        return facts

    def pids(self) -> list[int]:
        return [process["pid"] for process in self.status()["processes"].values() if process["pid"]]

    def assert_nothing_is_left(self, pids: list[int]) -> None:
        until(lambda: living(pids) == [] and mentioning(self.root) == [], timeout_s=20)


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Directory]:
    place = Directory(tmp_path / "stack")
    yield place
    place.run("down")
    place.assert_nothing_is_left([])


def test_a_day_in_the_life_of_a_stack(directory: Directory) -> None:
    facts = directory.up()
    assert list(facts["processes"]) == PROCESSES
    assert {process["state"] for process in facts["processes"].values()} == {"ready"}
    assert facts["page"].startswith("http://127.0.0.1:")

    # A second `up` names the first and changes nothing.
    again = directory.run("up")
    assert again.code == 0
    assert f"supervisor {facts['supervisor_pid']}" in again.out
    assert facts["page"] in again.out
    assert directory.status()["supervisor_pid"] == facts["supervisor_pid"]

    # Everyone has a log, and `logs` shows it.
    logs = directory.run("logs", "-n", "3").out
    assert all(f"{name:<10} │ " in logs for name in [*PROCESSES, "supervisor"])
    assert "Kafka Server started" in directory.run("logs", "kafka", "-n", "5000").out
    unknown = directory.run("logs", "zookeeper")
    assert unknown.code == 78
    assert "there is no log of zookeeper" in unknown.err

    # The supervisor is killed: everything dies with it.
    pids = directory.pids()
    assert len(pids) == len(PROCESSES)
    os.kill(facts["supervisor_pid"], signal.SIGKILL)
    directory.assert_nothing_is_left(pids)
    assert directory.status()["phase"] == "stopped"
    assert directory.run("status").code == 1

    # The next start is the same stack on the same ports, and `down` ends it.
    assert directory.up()["ports"] == facts["ports"]
    pids = directory.pids()
    down = directory.run("down")
    assert down.code == 0, down.err
    directory.assert_nothing_is_left(pids)
    assert "No stack is running" in directory.run("down").out


def test_ctrl_c_in_the_foreground_stops_everything_in_order(directory: Directory) -> None:
    up = subprocess.Popen(
        [sys.executable, "-m", "streamlabel.cli.app", "up"],
        env=clean_environment({"STREAMLABEL_DATA_DIR": str(directory.root)}),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    assert up.stdout is not None
    said: list[str] = []
    for line in up.stdout:
        said.append(line)
        if "Everything is ready" in line:
            break
    assert "Everything is ready" in said[-1], "".join(said)
    pids = directory.pids()
    assert len(pids) == len(PROCESSES)
    # A terminal sends SIGINT to the whole group of the foreground; the children have groups of their own.
    os.killpg(up.pid, signal.SIGINT)
    said.append(up.stdout.read())
    assert up.wait(timeout=60) == 0, "".join(said)
    directory.assert_nothing_is_left(pids)
    end = said[-1].splitlines()
    assert end[0] == "Stopping, the services first; once more kills what still runs"
    assert end[-1] == f"Stopped; labels and queue stay in {directory.root}, for the next `streamlabel up` here"
    assert "Traceback" not in "".join(said)
    assert "not ready" not in "".join(end)
    assert "database system is shut down" in directory.run("logs", "postgres").out


def test_ctrl_c_while_it_starts_in_the_background_leaves_nothing_there(directory: Directory) -> None:
    up = subprocess.Popen(
        [sys.executable, "-m", "streamlabel.cli.app", "up", "--detach"],
        env=clean_environment({"STREAMLABEL_DATA_DIR": str(directory.root)}),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    assert up.stdout is not None
    said: list[str] = []
    for line in up.stdout:
        said.append(line)
        if "postgres is ready" in line:
            break
    pids = directory.pids()
    assert pids
    os.killpg(up.pid, signal.SIGINT)
    said.append(up.stdout.read())
    assert up.wait(timeout=60) == 130, "".join(said)
    assert "Stopped before everything was ready; labels and queue stay in" in said[-1]
    assert "Traceback" not in "".join(said)
    directory.assert_nothing_is_left(pids)


def test_a_killed_service_and_a_killed_server_come_back(directory: Directory) -> None:
    before = directory.up()["processes"]
    for name in ("ingest", "kafka"):
        os.kill(before[name]["pid"], signal.SIGKILL)

    def is_back() -> bool:
        now = directory.status()["processes"]
        return all(
            now[name]["state"] == "ready" and now[name]["pid"] != before[name]["pid"] for name in ("ingest", "kafka")
        )

    until(is_back, timeout_s=90)
    until(lambda: directory.run("status").code == 0, timeout_s=60)
    after = directory.status()["processes"]
    assert after["kafka"]["restarts"] == 1
    assert after["kafka"]["address"] == before["kafka"]["address"]
    assert after["postgres"]["pid"] == before["postgres"]["pid"]


def test_a_pinned_port_that_is_taken_stops_the_start_before_it_began(directory: Directory) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        done = directory.run("up", "--detach", "--port", f"review-http={port}")
    assert done.code == 78
    assert f"port {port}, wanted for review-http, is taken by process {os.getpid()}" in done.err
    directory.assert_nothing_is_left([])


def test_a_setting_with_a_typing_error_stops_the_start_and_is_named(directory: Directory) -> None:
    environment = {"STREAMLABEL_DATA_DIR": str(directory.root), "STREAMLABEL_INGEST_MAX_RECORD_BYTE": "5"}
    done = streamlabel("up", "--detach", environ=environment, timeout_s=START_TIMEOUT_S)
    assert done.code == 78, done.err
    assert "ingest is not configured rightly" in done.err
    assert "STREAMLABEL_INGEST_MAX_RECORD_BYTE" in done.err
    directory.assert_nothing_is_left([])


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount a small file system")
def test_a_full_disk_is_told_with_its_figures(directory: Directory, tmp_path: Path) -> None:
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", str(place)], check=False)
    if mounted.returncode:
        pytest.skip("this machine lets nobody mount a file system")
    try:
        done = directory.run("up", "--detach", "--data-dir", str(place))
    finally:
        subprocess.run(["umount", str(place)], check=True)
    assert done.code == 78
    assert f"the disk of {place} has " in done.err
    assert "MiB free; the stack needs 512 MiB to start" in done.err
