"""Finds a Python that can run models inside Triton: CPython 3.11 or 3.12 together with its shared library."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from streamlabel.errors import ConfigurationError
from streamlabel.local import debian_library
from streamlabel.local.progress import Progress

# nvidia-pytriton 0.7.0 has stubs for 3.8 to 3.13, numpy 1.26 has wheels up to 3.12, Streamlabel's models are written for 3.11.
SUPPORTED = ((3, 11), (3, 12))
_PROBE_TIMEOUT_S = 20
_APT_TIMEOUT_S = 600

_PROBE = """
import importlib.util as u, json, sys, sysconfig as s
print(json.dumps({
    "executable": sys.executable, "version": list(sys.version_info[:2]), "implementation": sys.implementation.name,
    "library": s.get_config_var("INSTSONAME") or "", "library_dirs": [s.get_config_var(k) or "" for k in ("LIBDIR", "LIBPL")],
    "multiarch": s.get_config_var("MULTIARCH") or "", "prefix": sys.base_prefix,
    "has_venv": all(u.find_spec(m) for m in ("venv", "ensurepip")),
}))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """A Python on this machine; `library` is its libpythonX.Y.so file, None where it was not found."""

    executable: Path
    version: tuple[int, int]
    has_venv: bool
    library: Path | None

    @property
    def dotted(self) -> str:
        return f"{self.version[0]}.{self.version[1]}"

    @property
    def is_fit(self) -> bool:
        return self.version in SUPPORTED and self.has_venv and self.library is not None

    @property
    def is_debians_own(self) -> bool:
        """Whether a Debian package can bring what is missing."""
        return self.executable.parent in (Path("/usr/bin"), Path("/bin"))

    @property
    def missing_packages(self) -> list[str]:
        """The Debian packages that would make it fit."""
        packages = [] if self.library else [f"libpython{self.dotted}"]
        return packages if self.has_venv else [*packages, f"python{self.dotted}-venv"]


def candidates() -> Iterator[Path]:
    """Pythons worth a look: the running one, those in PATH, then those of the usual version managers."""
    yield Path(getattr(sys, "_base_executable", sys.executable))
    names = [*(f"python{major}.{minor}" for major, minor in SUPPORTED), "python3"]
    for name in names:
        if found := shutil.which(name):
            yield Path(found)
        yield Path("/usr/bin") / name
    for place, pattern in (
        (Path.home(), ".pyenv/versions/3.1[12]*/bin/python3"),
        (Path.home(), ".local/share/uv/python/cpython-3.1[12]*/bin/python3"),
        (Path("/opt"), "*/bin/python3.1[12]"),
        (Path("/usr/local"), "bin/python3.1[12]"),
    ):
        yield from sorted(place.glob(pattern))


def probe(executable: Path) -> Interpreter | None:
    """What `executable` is; None where it is no working CPython."""
    try:
        answer = subprocess.run(
            [executable, "-I", "-c", _PROBE], capture_output=True, timeout=_PROBE_TIMEOUT_S, check=True
        )
        facts = json.loads(answer.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    if facts["implementation"] != "cpython":
        return None
    major, minor = facts["version"]
    return Interpreter(
        executable=Path(facts["executable"]),
        version=(major, minor),
        has_venv=facts["has_venv"],
        library=_find_library(facts, f"libpython{major}.{minor}.so.1.0"),
    )


def _find_library(facts: dict[str, str], name: str) -> Path | None:
    places = [*facts["library_dirs"], f"{facts['prefix']}/lib", f"/usr/lib/{facts['multiarch']}", "/usr/lib64"]
    for place in places:
        if place and (path := Path(place) / name).exists():
            return path
    return _from_loader_cache(name)


def _from_loader_cache(name: str) -> Path | None:
    loader = shutil.which("ldconfig") or "/sbin/ldconfig"
    try:
        listing = subprocess.run([loader, "-p"], capture_output=True, timeout=_PROBE_TIMEOUT_S, text=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    for line in listing.splitlines():
        if line.strip().startswith(f"{name} ") and "=>" in line:
            return Path(line.split("=>")[1].strip())
    return None


def all_supported() -> list[Interpreter]:
    """Every different Python 3.11 or 3.12 on the machine."""
    found: dict[Path, Interpreter] = {}
    for candidate in candidates():
        if candidate.exists() and (interpreter := probe(candidate)) and interpreter.version in SUPPORTED:
            found.setdefault(interpreter.executable.resolve(), interpreter)
    return list(found.values())


def find(progress: Progress, library_dir: Path) -> Interpreter:
    """A fit interpreter; what Debian's own lacks is fetched into `library_dir` or installed, else the one command is named."""
    known = all_supported()
    for interpreter in known:
        if interpreter.is_fit:
            return interpreter
    for interpreter in known:
        if interpreter.is_debians_own and shutil.which("apt-get"):
            return _complete(interpreter, progress, library_dir)
    raise ConfigurationError(
        "the embedded Triton needs CPython 3.11 or 3.12 with its shared library and the venv module; "
        + ("found none on this machine. " if not known else f"found only {', '.join(_describe(i) for i in known)}. ")
        + "Install one, for instance: uv python install 3.11"
    )


def _describe(interpreter: Interpreter) -> str:
    lacks = [] if interpreter.library else ["shared library"]
    lacks += [] if interpreter.has_venv else ["venv"]
    return f"{interpreter.executable} without {' and '.join(lacks)}"


def _complete(interpreter: Interpreter, progress: Progress, library_dir: Path) -> Interpreter:
    if interpreter.library is None:
        with contextlib.suppress(debian_library.UnavailableError):
            library = debian_library.fetch(interpreter.dotted, library_dir / f"python{interpreter.dotted}", progress)
            interpreter = replace(interpreter, library=library)
    return interpreter if interpreter.is_fit else _install(interpreter, progress)


def _install(interpreter: Interpreter, progress: Progress) -> Interpreter:
    packages = interpreter.missing_packages
    command = f"apt-get install -y --no-install-recommends {' '.join(packages)}"
    if os.geteuid() != 0:
        raise ConfigurationError(
            f"the embedded Triton needs {' and '.join(packages)} beside {interpreter.executable}. "
            f"Run this once, then try again:\n\n    sudo {command}\n"
        )
    progress.say(f"Installing {' and '.join(packages)} from Debian (Triton's Python backend needs it)")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for line in ("apt-get update", command):
        result = subprocess.run(
            line.split(),
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_APT_TIMEOUT_S,
        )
        if result.returncode:
            raise ConfigurationError(f"`{line}` failed:\n{result.stderr.strip() or result.stdout.strip()}")
    completed = probe(interpreter.executable)
    if completed is None or not completed.has_venv or (completed.library or interpreter.library) is None:
        raise ConfigurationError(f"{interpreter.executable} is still not fit for Triton after `{command}`")
    return replace(completed, library=completed.library or interpreter.library)
