"""Room on the disk of a data directory."""

from __future__ import annotations

import shutil
from pathlib import Path

from streamlabel.errors import ConfigurationError

MIB = 1024 * 1024
NEEDED_FREE_BYTES = 512 * MIB


def free_bytes(place: Path) -> int:
    """Free bytes where `place` is or will be."""
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free


def require_room(place: Path, needed_bytes: int = NEEDED_FREE_BYTES) -> None:
    """Raises ConfigurationError with the figures where there is less room than a stack needs to start."""
    free = free_bytes(place)
    if free < needed_bytes:
        raise ConfigurationError(
            f"the disk of {place} has {free // MIB} MiB free; the stack needs {needed_bytes // MIB} MiB to start. "
            "Make room, or choose another place with --data-dir"
        )
