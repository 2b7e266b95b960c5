"""Ports that the stacks of one account have promised themselves but may not listen on yet.

Between the choice of a port and the moment a server listens on it lie seconds; two stacks that start together would choose alike.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

from streamlabel.local.child import ProcessIdentity, write_atomically
from streamlabel.local.places import exclusive


class Claims:
    """What others have claimed, and the means to claim for this process."""

    def __init__(self, file: Path, mine: ProcessIdentity) -> None:
        self._file, self._mine = file, mine
        self._holders = _living(file)

    @property
    def of_others(self) -> set[int]:
        """Ports that other living processes have claimed."""
        return {port for port, holder in self._holders.items() if holder != self._mine}

    def claim(self, ports: Iterable[int]) -> None:
        """Claims ports for as long as this process lives."""
        self._holders.update(dict.fromkeys(ports, self._mine))
        content = {str(port): asdict(holder) for port, holder in self._holders.items()}
        write_atomically(self._file, json.dumps(content))


@contextlib.contextmanager
def claiming(cache: Path) -> Iterator[Claims]:
    """Nobody else claims for the length of the block: choose within it, and claim what was chosen."""
    mine = ProcessIdentity.of(os.getpid())
    if mine is None:
        raise RuntimeError("this process does not find itself in /proc")
    with exclusive(cache / "ports.lock"):
        yield Claims(cache / "ports.json", mine)


def _living(file: Path) -> dict[int, ProcessIdentity]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        holders = {int(port): ProcessIdentity(**holder) for port, holder in content.items()}
    except (FileNotFoundError, ValueError, TypeError, AttributeError):
        # None yet, or none that can be read: then nobody has a claim.
        return {}
    return {port: holder for port, holder in holders.items() if holder.is_alive()}
