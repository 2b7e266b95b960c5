"""Steps of a long start on a terminal: finished ones stay as lines, downloads move as bars."""

from __future__ import annotations

import threading
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn


class RichProgress:
    """A `streamlabel.local.progress.Progress` on a terminal; enter it to have the bars drawn."""

    def __init__(self, console: Console) -> None:
        self._bars = Progress(
            TextColumn("  {task.description}"),
            BarColumn(bar_width=30),
            DownloadColumn(binary_units=True),
            TransferSpeedColumn(),
            console=console,
            transient=True,
        )
        self._tasks: dict[str, TaskID] = {}
        self._lock = threading.Lock()

    def say(self, text: str) -> None:
        self._bars.console.print(f"[dim]·[/dim] {escape(text)}", highlight=False, soft_wrap=True)

    def downloaded(self, what: str, done_bytes: int, total_bytes: int) -> None:
        with self._lock:
            if what not in self._tasks:
                self._tasks[what] = self._bars.add_task(escape(what), total=total_bytes)
            self._bars.update(self._tasks[what], completed=done_bytes)
            if done_bytes >= total_bytes:
                self._bars.remove_task(self._tasks.pop(what))
                self._bars.console.print(f"[dim]·[/dim] {escape(what)}: downloaded", highlight=False)

    def __enter__(self) -> RichProgress:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()
