"""Runs `streamlabel …` as a process of its own, as a person would."""

from __future__ import annotations

import contextlib
import os
import pty
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command left behind."""

    code: int
    out: str
    err: str


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment without any key of ours, and then `extra`."""
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith("STREAMLABEL_") or key == "STREAMLABEL_CACHE_DIR"
    }
    return {**kept, "COLUMNS": "200", **(extra or {})}


def streamlabel(*arguments: str, environ: Mapping[str, str] | None = None, timeout_s: float = 60.0) -> Ran:
    """The command's exit code and output."""
    done = subprocess.run(
        [sys.executable, "-m", "streamlabel.cli.app", *arguments],
        env=clean_environment(environ),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def on_a_terminal(
    *arguments: str, environ: Mapping[str, str] | None = None, typed: str, timeout_s: float = 60.0
) -> Ran:
    """The same before a person who types; what the command says on either stream is `out`."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "streamlabel.cli.app", *arguments],
        env=clean_environment(environ),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        os.write(ours, typed.encode())
        screen = bytearray()
        # Linux ends a terminal that nobody holds any more with EIO.
        with contextlib.suppress(OSError):
            while piece := os.read(ours, 4096):
                screen += piece
        os.close(ours)
        code = process.wait(timeout_s)
    return Ran(code, screen.decode().replace("\r\n", "\n"), "")


def kafka_environment(servers: str, prefix: str, *, partitions: int = 2) -> dict[str, str]:
    """How commands find a test's Kafka, and what topics look like there."""
    return {
        "STREAMLABEL_KAFKA_BOOTSTRAP_SERVERS": servers,
        "STREAMLABEL_KAFKA_TOPIC_PREFIX": prefix,
        "STREAMLABEL_TOPICS_PARTITIONS": str(partitions),
        "STREAMLABEL_TOPICS_REPLICATION_FACTOR": "1",
        "STREAMLABEL_TOPICS_MIN_INSYNC_REPLICAS": "1",
    }
