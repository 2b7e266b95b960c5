"""Triton's own virtual environment: the server out of the `nvidia-pytriton` wheel, numpy 1 and onnxruntime for the models.

numpy 2 beside this server corrupts tensors silently, therefore nothing of it is shared with Streamlabel's environment.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from streamlabel.errors import ConfigurationError
from streamlabel.local import interpreters
from streamlabel.local.child import guarded
from streamlabel.local.downloads import DownloadError, lock_text
from streamlabel.local.places import exclusive
from streamlabel.local.progress import Progress

TRITON_VERSION = "2.51.0"
_INSTALL_TIMEOUT_S = 1800


@dataclass(frozen=True, slots=True, kw_only=True)
class TritonEnvironment:
    """An installed Triton: where its parts lie and what it must find in its environment."""

    root: Path
    python_version: str
    python_library_dir: Path

    @property
    def _site_packages(self) -> Path:
        return self.root / "lib" / f"python{self.python_version}" / "site-packages"

    @property
    def server(self) -> Path:
        return self._site_packages / "pytriton" / "tritonserver" / "bin" / "tritonserver"

    @property
    def python(self) -> Path:
        return self.root / "bin" / "python"

    @property
    def backends(self) -> Path:
        return self.root / "backends"

    @property
    def caches(self) -> Path:
        return self._site_packages / "pytriton" / "tritonserver" / "caches"

    def version_of(self, distribution: str) -> str:
        """The version of a package in it; empty where it is not installed."""
        for folder in self._site_packages.glob(f"{distribution}-*.dist-info"):
            return folder.name.removeprefix(f"{distribution}-").removesuffix(".dist-info")
        return ""

    def variables(self) -> dict[str, str]:
        """The environment of the server: its stub takes `sys.path` from the `python3` that it finds first in PATH."""
        kept = {
            key: os.environ[key] for key in ("HOME", "LANG", "TZ", "TMPDIR", "OMP_NUM_THREADS") if key in os.environ
        }
        libraries = [self._site_packages / "nvidia_pytriton.libs", self.python_library_dir]
        return {
            **kept,
            "PATH": os.pathsep.join([str(self.root / "bin"), os.environ.get("PATH", os.defpath)]),
            "LD_LIBRARY_PATH": os.pathsep.join(map(str, libraries)),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
        }

    def prepare_backend(self) -> None:
        """Lays out the Python backend with the stub of this Python, as the server wants to find it."""
        bundled = self._site_packages / "pytriton" / "tritonserver"
        target = self.backends / "python"
        shutil.copytree(bundled / "backends" / "python", target, dirs_exist_ok=True)
        stub = bundled / "python_backend_stubs" / self.python_version / "triton_python_backend_stub"
        shutil.copy2(stub, target / stub.name)
        (target / stub.name).chmod(0o755)


def ensure(cache: Path, progress: Progress) -> TritonEnvironment:
    """Returns the installed Triton, installing it first where it is missing; no network where nothing is missing."""
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        raise ConfigurationError(
            f"the embedded Triton runs on Linux x86_64, not on {platform.system()} {platform.machine()}; "
            "point STREAMLABEL_INFERENCE_TRITON_URL of the inference service to a Triton elsewhere"
        )
    base = _place(cache)
    installed = _installed(base)
    if installed is not None:
        return installed
    with exclusive(cache / f"{base.name}.lock"):
        installed = _installed(base)
        return installed if installed is not None else _install(base, progress)


def find(cache: Path) -> TritonEnvironment | None:
    """The installed Triton; None where there is none yet."""
    return _installed(_place(cache))


def _place(cache: Path) -> Path:
    """Where it belongs: other pins, another place."""
    pins = [line for line in lock_text("triton.lock").splitlines() if not line.startswith("#")]
    fingerprint = hashlib.sha256("\n".join(pins).encode()).hexdigest()[:12]
    return cache / f"triton-{TRITON_VERSION}-{fingerprint}"


def _ready_file(base: Path) -> Path:
    return base / "streamlabel-ready"


def _installed(base: Path) -> TritonEnvironment | None:
    """The environment at `base`, if its installation once came to its end and its Python is still there."""
    try:
        python_version, library_dir = _ready_file(base).read_text().split("\n")[:2]
    except (FileNotFoundError, ValueError):
        return None
    environment = TritonEnvironment(root=base, python_version=python_version, python_library_dir=Path(library_dir))
    library = environment.python_library_dir / f"libpython{python_version}.so.1.0"
    return environment if library.exists() and environment.python.exists() else None


def _install(base: Path, progress: Progress) -> TritonEnvironment:
    interpreter = interpreters.find(progress, base.parent / "debian")
    library = interpreter.library
    if library is None:
        raise ConfigurationError(f"{interpreter.executable} has no shared library")
    progress.say(f"Triton {TRITON_VERSION}: installing into an environment of its own, Python {interpreter.dotted}")
    shutil.rmtree(base, ignore_errors=True)
    _run([str(interpreter.executable), "-m", "venv", str(base)], "make Triton's virtual environment", progress)
    lock = base / "triton.lock"
    lock.write_text(lock_text("triton.lock"))
    environment = TritonEnvironment(root=base, python_version=interpreter.dotted, python_library_dir=library.parent)
    pip = [
        str(environment.python),
        "-m",
        "pip",
        "--disable-pip-version-check",
        "--no-input",
        "install",
        "--no-cache-dir",
    ]
    _run([*pip, "--require-hashes", "--no-deps", "-r", str(lock)], "install Triton", progress)
    environment.prepare_backend()
    _ready_file(base).write_text(f"{interpreter.dotted}\n{library.parent}\n")
    return environment


def _run(command: list[str], what: str, progress: Progress) -> None:
    """Runs an installer and tells its downloads as they come."""
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME")}
    lines: list[str] = []
    with subprocess.Popen(
        guarded(command, death_signal=signal.SIGTERM),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line.rstrip())
            if line.strip().startswith("Downloading"):
                progress.say(f"Triton {TRITON_VERSION}: {_shortened(line.strip())}")
        code = process.wait(timeout=_INSTALL_TIMEOUT_S)
    if code:
        raise DownloadError(f"could not {what}:\n" + "\n".join(lines[-15:]))


def _shortened(line: str) -> str:
    """`Downloading https://host/…/name.whl (55.3 MB)` without the way to it."""
    words = line.split()
    return " ".join([words[0].lower(), words[1].rsplit("/", 1)[-1], *words[2:]]) if len(words) > 1 else line
