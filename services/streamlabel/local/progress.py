"""How long steps tell a person what they are doing."""

from __future__ import annotations

import sys
import time
from typing import Protocol, TextIO

_MEBIBYTE = 1024 * 1024


class Progress(Protocol):
    """Receives what a preparation is doing; must return at once, may be called from several threads."""

    def say(self, text: str) -> None:
        """Tells one step, as a short sentence."""

    def downloaded(self, what: str, done_bytes: int, total_bytes: int) -> None:
        """Tells how far a download is; called often."""


class SilentProgress:
    """Tells nothing."""

    def say(self, text: str) -> None:
        pass

    def downloaded(self, what: str, done_bytes: int, total_bytes: int) -> None:
        pass


class LineProgress:
    """Writes one line per step, and at most one line a second per download."""

    def __init__(self, stream: TextIO | None = None, *, interval_s: float = 1.0) -> None:
        self._stream = stream or sys.stderr
        self._interval_s = interval_s
        self._last: dict[str, float] = {}

    def say(self, text: str) -> None:
        print(text, file=self._stream, flush=True)

    def downloaded(self, what: str, done_bytes: int, total_bytes: int) -> None:
        now = time.monotonic()
        if done_bytes < total_bytes and now - self._last.get(what, 0.0) < self._interval_s:
            return
        self._last[what] = now
        self.say(f"{what}: {done_bytes / _MEBIBYTE:.0f} of {total_bytes / _MEBIBYTE:.0f} MiB")
