"""The logs of several processes as one stream of lines."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from streamlabel.local.child import tail

_POLL_S = 0.2


class LogView:
    """Prints log files: their ends, then what is added; a file that is rotated or not there yet is no surprise."""

    def __init__(self, logs: Sequence[Path], stream: TextIO | None = None) -> None:
        self._logs = list(logs)
        self._stream = stream or sys.stdout
        self._width = max(len(log.stem) for log in logs) if len(logs) > 1 else 0
        self._offsets: dict[Path, tuple[int, int]] = {}

    def print_last(self, lines: int) -> None:
        """The last lines of each log."""
        for log in self._logs:
            self._offsets[log] = _place(log)
            if lines:
                self._print(log, tail(log, lines).splitlines())

    def follow(self) -> None:
        """Prints what is added, until it is interrupted."""
        while True:
            for log in self._logs:
                self._print(log, self._added(log))
            time.sleep(_POLL_S)

    def _added(self, log: Path) -> list[str]:
        inode, size = _place(log)
        known_inode, offset = self._offsets.get(log, (inode, 0))
        if inode != known_inode or size < offset:
            offset = 0
        if size <= offset:
            return []
        with log.open("rb") as handle:
            handle.seek(offset)
            text = handle.read(size - offset)
        # Only whole lines: the rest comes with the next look.
        whole = text[: text.rfind(b"\n") + 1]
        self._offsets[log] = (inode, offset + len(whole))
        return whole.decode("utf-8", "replace").splitlines()

    def _print(self, log: Path, lines: Sequence[str]) -> None:
        label = f"{log.stem:<{self._width}} │ " if self._width else ""
        for line in lines:
            self._stream.write(f"{label}{line}\n")
        self._stream.flush()


def _place(log: Path) -> tuple[int, int]:
    try:
        facts = log.stat()
    except FileNotFoundError:
        return 0, 0
    return facts.st_ino, facts.st_size
