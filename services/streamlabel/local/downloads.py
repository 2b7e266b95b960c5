"""Pinned files of the embedded stack: read from a lock, downloaded once, checked by SHA-256."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from streamlabel.errors import StreamlabelError


class DownloadError(StreamlabelError):
    """A pinned part could not be had, or is not the one that was pinned; the message says which and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedJar:
    """One line of `kafka.lock`."""

    sha256: str
    size_bytes: int
    group: str
    artifact: str
    version: str

    @property
    def relative_path(self) -> Path:
        """Where a Maven repository keeps it."""
        return Path(*self.group.split("."), self.artifact, self.version, f"{self.artifact}-{self.version}.jar")


def lock_text(name: str) -> str:
    """A lock file that is shipped with the package."""
    return resources.files("streamlabel.local").joinpath(name).read_text(encoding="utf-8")


def kafka_jars() -> list[PinnedJar]:
    """The jars of Apache Kafka and of its logging, in the order of the class path."""
    jars = []
    for line in lock_text("kafka.lock").splitlines():
        if line and not line.startswith("#"):
            sha256, size, coordinate = line.split()
            group, artifact, version = coordinate.split(":")
            jars.append(PinnedJar(sha256=sha256, size_bytes=int(size), group=group, artifact=artifact, version=version))
    return jars


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
