"""Debian's shared library of Python without being root: the signed package is unpacked into the cache, nothing is installed."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from streamlabel.local.progress import Progress

_TIMEOUT_S = 600


class UnavailableError(Exception):
    """Debian's package cannot be had this way; the message is that of the program that failed."""


def fetch(python_version: str, target: Path, progress: Progress) -> Path:
    """Puts `libpythonX.Y.so.1.0` below `target` and returns its path; raises UnavailableError where that fails."""
    name = f"libpython{python_version}.so.1.0"
    if found := _find(target, name):
        return found
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise UnavailableError("there is no apt-get here")
    progress.say(f"Fetching libpython{python_version} from Debian (Triton's Python backend needs it)")
    with tempfile.TemporaryDirectory(prefix="streamlabel-apt-") as directory:
        place = Path(directory)
        package = _download(f"libpython{python_version}", place)
        target.mkdir(parents=True, exist_ok=True)
        _run(["dpkg-deb", "--extract", str(package), str(target)], place)
    library = _find(target, name)
    if library is None:
        raise UnavailableError(f"the package libpython{python_version} holds no {name}")
    return library


def _find(target: Path, name: str) -> Path | None:
    return next(iter(target.glob(f"usr/lib/*/{name}")), None)


def _download(package: str, place: Path) -> Path:
    """Downloads by the package lists of the machine, or, where those are missing or old, by fresh ones of our own."""
    own_lists = [
        "-o", f"Dir::State::Lists={place / 'lists'}", "-o", f"Dir::Cache={place / 'cache'}",
        "-o", "Dir::State::Status=/var/lib/dpkg/status", "-o", "APT::Sandbox::User=", "-o", "Acquire::Languages=none",
    ]  # fmt: skip
    for folder in ("lists/partial", "cache/archives/partial"):
        (place / folder).mkdir(parents=True)
    try:
        _run(["apt-get", "-q", "-o", "APT::Sandbox::User=", "download", package], place)
    except UnavailableError:
        _run(["apt-get", "-q", *own_lists, "update"], place)
        _run(["apt-get", "-q", *own_lists, "download", package], place)
    return next(place.glob(f"{package}_*.deb"))


def _run(command: Sequence[str], place: Path) -> None:
    try:
        result = subprocess.run(
            command, cwd=place, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnavailableError(f"{command[0]}: {error}") from error
    if result.returncode:
        raise UnavailableError(f"{' '.join(command)}: {(result.stderr or result.stdout).strip()[-500:]}")
