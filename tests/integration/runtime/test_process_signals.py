"""A real process under real signals: it ends in order, in time, and with the exit code that supervisors read."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from streamlabel.runtime.process import EXIT_CONFIGURATION, EXIT_FAILURE, EXIT_OK

PROGRAM = Path(__file__).with_name("process_under_test.py")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Running:
    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self.port = port

    def ask(self, path: str) -> tuple[int, dict[str, Any]]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=2) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as answer:
            return answer.code, json.load(answer)

    def wait_for(self, path: str, status: int) -> dict[str, Any]:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                found, body = self.ask(path)
            except OSError:
                found, body = 0, {}
            if found == status:
                return body
            assert self.process.poll() is None, f"ended with {self.process.returncode}: {self.process.communicate()}"
            time.sleep(0.05)
        raise AssertionError(f"{path} did not answer {status} in time; last: {found} {body}")

    def end(self, timeout_s: float = 15) -> tuple[int, str, str]:
        out, err = self.process.communicate(timeout=timeout_s)
        return self.process.returncode, out, err


@contextmanager
def running(manner: str, **environ: str) -> Iterator[Running]:
    port = free_port()
    defaults = {
        "PATH": os.environ["PATH"],
        "STREAMLABEL_HTTP_HOST": "127.0.0.1",
        "STREAMLABEL_HTTP_PORT": str(port),
        "STREAMLABEL_SHUTDOWN_GRACE_S": "3",
    }
    process = subprocess.Popen(
        [sys.executable, str(PROGRAM), manner],
        env={**defaults, **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield Running(process, port)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_well(number: signal.Signals) -> None:
    with running("ok") as it:
        it.wait_for("/readyz", 200)
        it.process.send_signal(number)
        code, out, err = it.end()
    assert code == EXIT_OK
    assert out == "stage stops\n"
    entries = [json.loads(line) for line in err.splitlines()]
    assert [entry["message"] for entry in entries] == ["starting", "http listens", "started", "stopping", "stopped"]
    assert {entry["service"] for entry in entries} == {"routing"}


def test_before_it_stops_it_says_so_for_the_drain() -> None:
    with running("ok", STREAMLABEL_SHUTDOWN_DRAIN_S="1.5") as it:
        it.wait_for("/readyz", 200)
        it.process.send_signal(signal.SIGTERM)
        body = it.wait_for("/readyz", 503)
        assert body["reasons"] == {"process": "stopping: SIGTERM"}
        assert it.ask("/livez")[0] == 200
        assert it.end()[0] == EXIT_OK


def test_a_signal_in_mid_start_is_heard() -> None:
    with running("slow-start") as it:
        body = it.wait_for("/readyz", 503)
        while body["reasons"] != {"process": "starting: stage"}:
            body = it.wait_for("/readyz", 503)
        it.process.send_signal(signal.SIGTERM)
        assert it.end()[0] == EXIT_OK


def test_a_part_that_hangs_is_cut_off_within_the_grace() -> None:
    with running("hangs") as it:
        it.wait_for("/readyz", 200)
        before_s = time.monotonic()
        it.process.send_signal(signal.SIGTERM)
        code, _, err = it.end()
    assert code == EXIT_FAILURE
    assert time.monotonic() - before_s < 3 + 1
    assert "did not stop in time" in err


def test_a_second_signal_ends_it_at_once() -> None:
    with running("hangs", STREAMLABEL_SHUTDOWN_GRACE_S="60") as it:
        it.wait_for("/readyz", 200)
        it.process.send_signal(signal.SIGTERM)
        it.wait_for("/readyz", 503)
        it.process.send_signal(signal.SIGINT)
        assert it.end(timeout_s=5)[0] == 128 + signal.SIGINT


def test_a_failure_is_an_exit_code_and_a_stack_in_the_log() -> None:
    with running("fails") as it:
        code, out, err = it.end()
    assert code == EXIT_FAILURE
    assert out == "stage stops\n"
    failure = next(json.loads(line) for line in err.splitlines() if "component failed" in line)
    assert failure["component"] == "stage"
    assert failure["exception"]["type"] == "RuntimeError"


def test_a_taken_port_is_told_before_any_work() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with running("ok", STREAMLABEL_HTTP_PORT=str(port)) as it:
            code, out, err = it.end()
    assert code == EXIT_CONFIGURATION
    assert out == ""
    assert f"STREAMLABEL_HTTP_PORT={port}" in err
    assert "another process listens there" in err


def probe(port: int, question: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "streamlabel.runtime.probe", question],
        env={"STREAMLABEL_HTTP_PORT": str(port)},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_the_probe_answers_for_containers() -> None:
    with running("ok") as it:
        it.wait_for("/readyz", 200)
        assert probe(it.port, "livez")[0] == 0
        assert probe(it.port, "readyz")[0] == 0
        assert probe(it.port, "healthz")[0] == 64
    with running("slow-start") as it:
        it.wait_for("/readyz", 503)
        code, words = probe(it.port, "readyz")
        assert code == 1
        assert "starting: stage" in words
        assert probe(it.port, "livez")[0] == 0
    assert probe(free_port(), "livez")[0] == 1


def test_a_stuck_loop_fails_the_liveness_probe() -> None:
    with running("wedges") as it:
        it.wait_for("/livez", 200)
        time.sleep(0.6)
        assert probe(it.port, "livez")[0] == 1
