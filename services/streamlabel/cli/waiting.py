"""Says what a command waits for, at once and once: silence looks like a command that hangs."""

from __future__ import annotations

from collections.abc import Callable


class Waiting:
    """Tells of a peer that takes nothing now, when that begins and when it ends."""

    def __init__(self, peer: str, give_up_s: float | None, say: Callable[[str], None]) -> None:
        self._peer = peer
        self._until = "Ctrl-C ends it" if give_up_s is None else f"for {give_up_s:g} s at most; Ctrl-C ends it sooner"
        self._say = say
        self._waits = False

    def trouble(self, why: str) -> None:
        """Something failed in passing, or takes long."""
        if not self._waits:
            self._waits = True
            self._say(f"streamlabel: waiting for {self._peer} ({why}), {self._until}")

    def progress(self) -> None:
        """The peer took something."""
        if self._waits:
            self._waits = False
            self._say(f"streamlabel: {self._peer} goes on")
