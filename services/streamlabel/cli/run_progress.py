"""How far a long reckoning is: a bar on a terminal, nothing elsewhere, and what Ctrl-C ended."""

from __future__ import annotations

import sys
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn


class RunProgress:
    """Hears how many records of how many are done, over `runs` equally long runs; enter it to have the bar drawn on stderr."""

    def __init__(self, runs: int) -> None:
        self._runs = runs
        self._done = self._total = 0
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
            disable=not sys.stderr.isatty(),
        )
        self._task = self._bar.add_task(self.where, total=None)

    @property
    def where(self) -> str:
        """`run 3 of 20`: the run that is on."""
        run = self._done * self._runs // self._total + 1 if self._total else 1
        return f"run {min(run, self._runs)} of {self._runs}"

    def __call__(self, done: int, total: int) -> None:
        self._done, self._total = done, total
        self._bar.update(self._task, description=self.where, completed=done, total=total)

    def __enter__(self) -> RunProgress:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
