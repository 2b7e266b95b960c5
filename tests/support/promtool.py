"""promtool, the checker that comes with Prometheus: found, or fetched out of Debian's package without being installed."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

CACHE = Path.home() / ".cache/streamlabel/promtool"


class PromtoolMissingError(AssertionError):
    """There is no promtool, and none could be fetched."""


def promtool() -> Path:
    """The program; fails, and says what to do, where there is none: rules that nobody checked are no rules."""
    found = shutil.which("promtool")
    if found:
        return Path(found)
    kept = CACHE / "usr/bin/promtool"
    if not kept.exists():
        _fetch()
    return kept


def _fetch() -> None:
    """Unpack Debian's package `prometheus` into the cache: needs no root, starts no daemon."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(
                ["apt-get", "download", "prometheus"], cwd=folder, capture_output=True, timeout=300, check=True
            )
            package = next(Path(folder).glob("*.deb"))
            CACHE.mkdir(parents=True, exist_ok=True)
            subprocess.run(["dpkg-deb", "-x", package, CACHE], capture_output=True, timeout=120, check=True)
    except (OSError, StopIteration, subprocess.SubprocessError) as error:
        raise PromtoolMissingError(
            f"promtool is missing and Debian's package could not be fetched ({error}): "
            "sudo apt-get install --no-install-recommends prometheus"
        ) from error


def run_promtool(*arguments: str | Path) -> tuple[int, str]:
    """Exit code and everything that was said."""
    done = subprocess.run([promtool(), *arguments], capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout + done.stderr
