"""The secret key of a stack's calibration coin: made once, kept as long as its data, read by nobody but its owner."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from streamlabel.local.places import DataDir

_KEY_BYTES = 32
_NAME = "coin.key"


def kept_coin_key(data: DataDir) -> Path | None:
    """The file with the key; None where no stack has made one yet."""
    path = data.root / _NAME
    return path if path.exists() else None


def coin_key_file(data: DataDir) -> Path:
    """The file with the key, made where it is missing. A key that were made anew at each start would toss every coin twice."""
    kept = kept_coin_key(data)
    if kept is not None:
        return kept
    path = data.root / _NAME
    data.root.mkdir(parents=True, exist_ok=True)
    written = path.with_name(f"coin.key.{os.getpid()}")
    handle = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(secrets.token_hex(_KEY_BYTES) + "\n")
        file.flush()
        os.fsync(file.fileno())
    # Linked, not renamed over: of two that make it at once, both take the first one's.
    with contextlib.suppress(FileExistsError):
        path.hardlink_to(written)
    written.unlink()
    return path
