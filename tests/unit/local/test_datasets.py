"""The digits come from one pinned wheel: fetched once, checked always, offline afterwards."""

from __future__ import annotations

import gzip
import hashlib
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from streamlabel.errors import ConfigurationError
from streamlabel.local.datasets import DIGITS_MEMBER, read_digits
from streamlabel.local.pinned_package import PinnedPackage, fetch_package

NAME = "tiny_digits-1.0-py3-none-any.whl"


def wheel_bytes(rows: str = "") -> bytes:
    metadata = "Metadata-Version: 2.1\nName: tiny-digits\nVersion: 1.0\n"
    files = {
        DIGITS_MEMBER: gzip.compress(rows.encode(), mtime=0),
        "tiny_digits-1.0.dist-info/METADATA": metadata.encode(),
        "tiny_digits-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "tiny_digits-1.0.dist-info/RECORD": b"",
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return buffer.getvalue()


def pin(data: bytes) -> PinnedPackage:
    return PinnedPackage(
        package="tiny-digits",
        version="1.0",
        file_name=NAME,
        sha256=hashlib.sha256(data).hexdigest(),
        size_bytes=len(data),
    )


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes for its only index."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_a_wheel_is_fetched_once_and_then_taken_from_the_cache(tmp_path: Path, index: Path) -> None:
    data = wheel_bytes()
    (index / NAME).write_bytes(data)
    said: list[str] = []

    fetched = fetch_package(pin(data), tmp_path / "cache", said.append)
    (index / NAME).unlink()

    assert fetch_package(pin(data), tmp_path / "cache", said.append) == fetched
    assert fetched.read_bytes() == data
    assert said == ["downloading tiny-digits 1.0 (0.0 MB, once)"]
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [NAME]


def test_a_wheel_of_another_hash_is_refused(tmp_path: Path, index: Path) -> None:
    (index / NAME).write_bytes(wheel_bytes("1,2\n"))

    with pytest.raises(ConfigurationError, match=r"cannot download tiny-digits 1\.0: .*; without a network, put"):
        fetch_package(pin(wheel_bytes()), tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


def test_a_damaged_file_in_the_cache_is_fetched_anew(tmp_path: Path, index: Path) -> None:
    data = wheel_bytes()
    (index / NAME).write_bytes(data)
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / NAME).write_bytes(data[:-1])

    assert fetch_package(pin(data), tmp_path / "cache").read_bytes() == data


def test_an_absent_network_is_told_with_the_way_out(tmp_path: Path, index: Path) -> None:
    wanted = pin(wheel_bytes())

    with pytest.raises(ConfigurationError, match=f"put {NAME} .SHA-256 {wanted.sha256}. into {tmp_path / 'cache'}"):
        fetch_package(wanted, tmp_path / "cache")


def test_pixels_and_labels_are_read_row_by_row(tmp_path: Path) -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (3, 28, 28))
    lines = [",".join(str(value) for value in [*picture.ravel(), label]) for label, picture in enumerate(pixels, 7)]
    (tmp_path / NAME).write_bytes(wheel_bytes("\n".join(lines) + "\n"))

    digits = read_digits(tmp_path / NAME)

    assert len(digits) == 3
    assert digits.labels.tolist() == [7, 8, 9]
    assert (digits.images == pixels).all()
    assert (np.asarray(Image.open(io.BytesIO(digits.png(2)))) == pixels[2]).all()


def test_a_file_that_is_no_wheel_is_told(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"not a zip")

    with pytest.raises(ConfigurationError, match="holds no readable"):
        read_digits(tmp_path / NAME)
