"""What the three embedded servers have in common."""

from __future__ import annotations

from typing import Protocol

from streamlabel.errors import StreamlabelError
from streamlabel.local.child import Child
from streamlabel.local.progress import Progress


class ServerError(StreamlabelError):
    """An embedded server does not start or does not answer; the message holds the end of its log."""


class Server(Protocol):
    """One embedded server: prepared once, then started and stopped as often as wished, always on the same ports."""

    name: str
    version: str
    ports: dict[str, int]

    def prepare(self, progress: Progress) -> None:
        """Downloads and lays out what is missing; quick and without network where nothing is. From any thread."""

    def start(self) -> Child:
        """Starts the process; returns at once, from the main thread only."""

    def is_ready(self) -> bool:
        """Whether it answers its protocol now; may take up to a second. From any thread."""
