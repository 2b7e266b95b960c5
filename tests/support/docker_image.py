"""The image of all services, and containers of it that live as long as a `with` block."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from support.manifests import ROOT

IMAGE_KEY = "STREAMLABEL_TEST_IMAGE"
IMAGE = "streamlabel:test"
# Bases that may be here already: no registry is asked, which would make a test of ours a test of the network.
BASES = ("python:3.11-slim-bookworm", "streamlabel-base:bookworm")
# As tight as compose.yaml and the manifests are.
TIGHT = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges:true")


class NoDockerError(Exception):
    """No engine, or no base image: why the image cannot be tested here."""


def docker(*arguments: str, timeout_s: float = 60, check: bool = True) -> str:
    """What Docker says."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=timeout_s, check=False)
    if check and done.returncode != 0:
        raise AssertionError(f"docker {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout.strip()


def build_image() -> str:
    """The image of this checkout, or the one that the environment names."""
    if given := os.environ.get(IMAGE_KEY):
        return given
    if shutil.which("docker") is None:
        raise NoDockerError("no docker command (Debian: apt-get install docker.io)")
    if subprocess.run(["docker", "info"], capture_output=True, timeout=30, check=False).returncode != 0:
        raise NoDockerError("no Docker engine answers")
    base = next((base for base in BASES if docker("images", "--quiet", base)), None)
    if base is None:
        raise NoDockerError(f"none of the base images {', '.join(BASES)} is here (docker/base-image.sh makes one)")
    done = subprocess.run(
        [ROOT / "docker/build.sh", IMAGE, base], capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return IMAGE


@dataclass(frozen=True, slots=True)
class Container:
    """A running service."""

    name: str
    ports: Mapping[str, int]

    def ask(self, path: str) -> tuple[int, str]:
        """Status and body of a GET."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.ports['http']}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as answer:
            return answer.code, answer.read().decode()
        except OSError as error:
            return 0, str(error)

    def wait_until_ready(self, timeout_s: float = 60) -> None:
        """Returns when /readyz says yes; fails with the reasons and the log."""
        deadline = time.monotonic() + timeout_s
        while True:
            status, body = self.ask("/readyz")
            if status == 200:
                return
            state = self.state()
            assert state["Running"], f"{self.name} ended with {state['ExitCode']}: {self.log()}"
            assert time.monotonic() < deadline, f"{self.name} is not ready: {body}; {self.log()}"
            time.sleep(0.2)

    def wait_until_healthy(self, timeout_s: float = 30) -> None:
        """Returns when the image's own health check says yes."""
        deadline = time.monotonic() + timeout_s
        while (health := self.state()["Health"])["Status"] != "healthy":
            assert time.monotonic() < deadline, health
            time.sleep(0.2)

    def state(self) -> dict[str, Any]:
        """What Docker knows about it."""
        state: dict[str, Any] = json.loads(docker("inspect", "--format", "{{json .State}}", self.name))
        return state

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        docker("stop", "--time", "30", self.name)
        return int(self.state()["ExitCode"])

    def log(self) -> str:
        """What it said."""
        done = subprocess.run(["docker", "logs", self.name], capture_output=True, text=True, timeout=30, check=False)
        return (done.stdout + done.stderr)[-4000:]


@contextlib.contextmanager
def running(image: str, program: str, environment: Mapping[str, str]) -> Iterator[Container]:
    """A service out of the image, on this machine's own network, as tight as in production."""
    name = f"streamlabel-test-{uuid.uuid4().hex[:8]}"
    ports = {"http": _free_port(), "grpc": _free_port()}
    settings = {
        **environment,
        "STREAMLABEL_HTTP_HOST": "127.0.0.1",
        "STREAMLABEL_HTTP_PORT": str(ports["http"]),
    }
    if program in {"streamlabel.ingest", "streamlabel.review"}:
        settings |= {"STREAMLABEL_GRPC_HOST": "127.0.0.1", "STREAMLABEL_GRPC_PORT": str(ports["grpc"])}
    health = ("--health-interval", "1s", "--health-start-period", "1s")
    docker("run", "--detach", "--name", name, "--network", "host", *TIGHT, *health, *_flags(settings), image, program)
    try:
        yield Container(name, ports)
    finally:
        docker("rm", "--force", name, check=False)


def run_once(image: str, arguments: Sequence[str], environment: Mapping[str, str]) -> tuple[int, str]:
    """Exit code and words of a program that ends by itself."""
    command = ["docker", "run", "--rm", "--network", "host", *TIGHT, *_flags(environment), image, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout + done.stderr


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _flags(environment: Mapping[str, str]) -> list[str]:
    return [flag for key, value in environment.items() for flag in ("--env", f"{key}={value}")]
