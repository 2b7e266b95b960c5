"""Looks at processes the way a test of clean endings needs to."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path


def living(pids: list[int]) -> list[int]:
    """Those that still run; a zombie does not."""
    return [pid for pid in pids if _state(pid) not in (None, "Z", "X")]


def mentioning(place: Path) -> list[int]:
    """Every process whose command line, environment or working directory names `place`, this one left out."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or entry == Path("/proc/self").resolve():
            continue
        try:
            words = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
        except OSError:
            continue
        if str(place).encode() in words:
            found.append(int(entry.name))
    return living(found)


def until(condition: Callable[[], bool], *, timeout_s: float = 30.0) -> None:
    """Waits for `condition`; fails the test when it does not come."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {condition}"
        time.sleep(0.05)


def _state(pid: int) -> str | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return text[text.rindex(")") + 2]
