"""Broken and gigantic pictures are known by their header alone."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from streamlabel.ingest.rules.pictures import picture_fault

MAX_PIXELS = 10_000


def encoded(file_format: str, size: tuple[int, int] = (40, 30), mode: str = "L", **options: object) -> bytes:
    target = io.BytesIO()
    Image.new(mode, size).save(target, file_format, **options)
    return target.getvalue()


JPEGS = [
    encoded("JPEG"),
    encoded("JPEG", mode="RGB", progressive=True),
    encoded("JPEG", mode="RGB", comment=b"a comment before the frame", exif=b"Exif\0\0" + b"x" * 300),
]


@pytest.mark.parametrize("data", JPEGS)
def test_a_whole_jpeg_of_any_make_passes(data: bytes) -> None:
    assert picture_fault(data, "image/jpeg", MAX_PIXELS) == ""


@pytest.mark.parametrize("mode", ["1", "L", "RGB", "RGBA", "P", "I;16"])
def test_a_whole_png_of_any_make_passes(mode: str) -> None:
    assert picture_fault(encoded("PNG", mode=mode), "image/png", MAX_PIXELS) == ""


@pytest.mark.parametrize(("file_format", "media_type"), [("PNG", "image/png"), ("JPEG", "image/jpeg")])
def test_too_many_pixels_are_counted_without_decoding(file_format: str, media_type: str) -> None:
    assert "101 x 100 pixels; at most 10000" in picture_fault(encoded(file_format, (101, 100)), media_type, MAX_PIXELS)


@pytest.mark.parametrize(("file_format", "media_type"), [("PNG", "image/png"), ("JPEG", "image/jpeg")])
def test_every_cut_is_noticed(file_format: str, media_type: str) -> None:
    whole = encoded(file_format)
    # The last bytes of a PNG are a checksum that nobody needs in order to see where the picture ends.
    for length in range(8, len(whole) - 4, 7):
        assert picture_fault(whole[:length], media_type, MAX_PIXELS), f"cut at {length} of {len(whole)}"


def test_a_picture_without_pixels_is_none() -> None:
    data = bytearray(encoded("PNG"))
    data[16:20] = bytes(4)
    assert "0 x 30 pixels" in picture_fault(bytes(data), "image/png", MAX_PIXELS)


def test_a_jpeg_that_breaks_between_its_segments_is_refused() -> None:
    data = JPEGS[0][:2] + b"no marker" + JPEGS[0][2:]
    assert "break within the header" in picture_fault(data, "image/jpeg", MAX_PIXELS)


def test_a_segment_that_claims_to_be_empty_ends_the_search() -> None:
    endless = b"\xff\xd8" + b"\xff\xe0\0\0" * 50_000
    assert "break within the header" in picture_fault(endless, "image/jpeg", MAX_PIXELS)
