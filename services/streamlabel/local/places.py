"""Where the embedded stack keeps its things: downloads in one cache for all, everything else in a data directory."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

CACHE_DIR_KEY = "STREAMLABEL_CACHE_DIR"
DATA_DIR_KEY = "STREAMLABEL_DATA_DIR"
DEFAULT_DATA_DIR = Path(".streamlabel")


def cache_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """The directory of downloads, shared by all data directories of this account.

    `STREAMLABEL_CACHE_DIR` wins, then `$XDG_CACHE_HOME/streamlabel`, then `~/.cache/streamlabel`.
    """
    if chosen := environ.get(CACHE_DIR_KEY):
        return Path(chosen).expanduser().absolute()
    base = environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser().absolute() / "streamlabel"


@dataclass(frozen=True, slots=True)
class DataDir:
    """The files of one stack; nothing outside of `root` is ever written for it."""

    root: Path

    @classmethod
    def at(cls, path: Path | str | None = None, environ: Mapping[str, str] = os.environ) -> DataDir:
        """The data directory at `path`, else at `STREAMLABEL_DATA_DIR`, else `./.streamlabel`; symbolic links followed."""
        return cls(Path(path or environ.get(DATA_DIR_KEY) or DEFAULT_DATA_DIR).expanduser().resolve())

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def processes(self) -> Path:
        """One file per child process: who it is, so that a later start finds what an earlier one left."""
        return self.root / "processes"

    @property
    def models(self) -> Path:
        """Triton's model repository."""
        return self.root / "models"

    @property
    def kafka(self) -> Path:
        return self.root / "kafka"

    @property
    def postgres(self) -> Path:
        return self.root / "postgres"

    @property
    def stack_file(self) -> Path:
        return self.root / "stack.json"

    @property
    def lock_file(self) -> Path:
        return self.root / "supervisor.lock"

    def log_of(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def create(self) -> None:
        """Makes the directories that every stack has."""
        for directory in (self.root, self.logs, self.processes, self.models):
            directory.mkdir(parents=True, exist_ok=True)


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Holds the lock file `path` for the length of the block; waits for another process that holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
