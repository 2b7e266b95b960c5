"""Pictures: what opens, what is refused and why, and that nothing large is decoded before it is measured."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import AsyncIterator

import numpy as np
import pytest
from PIL import Image

from streamlabel.core.project import ImageEncoder
from streamlabel.core.record import ImagePayload
from streamlabel.inference.adapters.pictures import PillowPictures

GREY = ImageEncoder(width=6, height=4, channels=1)
COLOUR = ImageEncoder(width=6, height=4, channels=3)


@pytest.fixture
async def pictures() -> AsyncIterator[PillowPictures]:
    made = PillowPictures(max_pixels=1_000_000, threads=2)
    await made.start()
    yield made
    await made.stop()


def payload(image: Image.Image, file_format: str = "PNG", **options: object) -> ImagePayload:
    buffer = io.BytesIO()
    image.save(buffer, format=file_format, **options)
    return ImagePayload(buffer.getvalue(), "image/png" if file_format == "PNG" else "image/jpeg")


def png_claiming(width: int, height: int) -> ImagePayload:
    """A PNG whose header promises a size that its data does not have."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = b""
    for kind, data in ((b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 100)), (b"IEND", b"")):
        chunks += struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return ImagePayload(b"\x89PNG\r\n\x1a\n" + chunks, "image/png")


def gradient() -> np.ndarray:
    return np.arange(24, dtype=np.uint8).reshape(4, 6) * 10


async def test_grey_pixels_come_back_as_they_were(pictures: PillowPictures) -> None:
    decoded = await pictures.decode([payload(Image.fromarray(gradient()))] * 3, GREY)

    assert decoded.rows.shape == (3, 4, 6, 1)
    assert (decoded.rows[2, :, :, 0] == gradient()).all()
    assert not decoded.refused


async def test_colour_and_grey_are_turned_into_each_other(pictures: PillowPictures) -> None:
    red = payload(Image.new("RGB", (6, 4), (255, 0, 0)))

    assert (await pictures.decode([red], GREY)).rows[0, 0, 0, 0] == 76
    assert (await pictures.decode([payload(Image.fromarray(gradient()))], COLOUR)).rows[0, 3, 5].tolist() == [230] * 3


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "P"])
async def test_transparency_shows_a_white_page(pictures: PillowPictures, mode: str) -> None:
    clear = Image.new("RGBA", (6, 4), (0, 0, 0, 0))
    image = clear if mode == "RGBA" else clear.convert("LA") if mode == "LA" else clear.quantize()
    options = {"transparency": 0} if mode == "P" else {}

    assert (await pictures.decode([payload(image, **options)], GREY)).rows.min() == 255


async def test_sixteen_bits_keep_their_upper_byte(pictures: PillowPictures) -> None:
    deep = Image.fromarray(gradient().astype(np.uint16) * 256 + 7)

    assert ((await pictures.decode([payload(deep)], GREY)).rows[0, :, :, 0] == gradient()).all()


async def test_a_photograph_stands_upright(pictures: PillowPictures) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    lying = Image.fromarray(np.repeat(np.linspace(0, 255, 4, dtype=np.uint8)[None], 6, axis=0))

    upright = (await pictures.decode([payload(lying, "JPEG", exif=exif, quality=95)], GREY)).rows[0, :, :, 0]
    assert (np.diff(upright.mean(axis=1)) > 40).all()


async def test_another_size_is_refused_unless_it_is_to_be_scaled(pictures: PillowPictures) -> None:
    large = payload(Image.new("L", (60, 40), 99))
    scaled = ImageEncoder(width=6, height=4, channels=1, resize=True)

    refusal = (await pictures.decode([large], GREY)).refused[0]
    assert refusal.reason == "IMAGE_SIZE_MISMATCH"
    assert "60x40 pixels, the model takes 6x4; set resize: true" in refusal.detail
    assert ((await pictures.decode([large], scaled)).rows == 99).all()


@pytest.mark.parametrize(("width", "height"), [(10_000, 10_000), (1, 1_000_001), (60_000, 60_000)])
async def test_too_many_pixels_are_refused_by_the_header(pictures: PillowPictures, width: int, height: int) -> None:
    refusal = (await pictures.decode([png_claiming(width, height)], GREY)).refused[0]

    assert refusal.reason == "IMAGE_TOO_LARGE"
    assert "at most 1000000 are decoded" in refusal.detail


def broken_files() -> dict[str, bytes]:
    whole = payload(Image.fromarray(np.random.default_rng(1).integers(0, 255, (4, 6), dtype=np.uint8))).data
    jpeg = payload(Image.fromarray(gradient()), "JPEG").data
    flipped = bytearray(whole)
    flipped[whole.index(b"IDAT") + 6] ^= 0xFF
    return {
        "only the signature": whole[:8],
        "cut in the header": whole[:20],
        "cut in the data": whole[: whole.index(b"IDAT") + 8],
        "damaged data": bytes(flipped),
        "a size that lies": png_claiming(6, 4).data[:-30],
        "no pixels": png_claiming(0, 4).data,
        "jpeg marker only": b"\xff\xd8\xff",
        "jpeg cut": jpeg[: len(jpeg) // 2],
        "a program": b"\x89PNG\r\n\x1a\n" + b"\x7fELF" * 50,
    }


@pytest.mark.parametrize("name", broken_files())
async def test_a_broken_file_is_refused_alone(pictures: PillowPictures, name: str) -> None:
    data = broken_files()[name]
    media_type = "image/jpeg" if data.startswith(b"\xff\xd8") else "image/png"
    good = payload(Image.fromarray(gradient()))

    decoded = await pictures.decode([good, ImagePayload(data, media_type), good], GREY)

    assert {place: refusal.reason for place, refusal in decoded.refused.items()} == {1: "INVALID_IMAGE"}
    assert "object at 0x" not in decoded.refused[1].detail
    assert decoded.rows.shape == (2, 4, 6, 1)
    assert (decoded.rows[1, :, :, 0] == gradient()).all()


async def test_another_format_is_refused_even_where_pillow_knows_it(pictures: PillowPictures) -> None:
    class Disguised(ImagePayload):
        __slots__ = ()

        def __post_init__(self) -> None:
            """No look at the bytes, as if the door had let them pass."""

    buffer = io.BytesIO()
    Image.fromarray(gradient()).save(buffer, format="GIF")
    decoded = await pictures.decode([Disguised(buffer.getvalue(), "image/png")], GREY)

    assert decoded.refused[0].reason == "INVALID_IMAGE"


async def test_large_pictures_keep_their_places(pictures: PillowPictures) -> None:
    encoder = ImageEncoder(width=2, height=2, channels=1, resize=True)
    payloads = [payload(Image.new("L", (300 if n % 2 else 5, 200), n * 7)) for n in range(30)]
    payloads[11] = png_claiming(300, 200)

    decoded = await pictures.decode(payloads, encoder)

    assert list(decoded.refused) == [11]
    assert decoded.rows[:, 0, 0, 0].tolist() == [n * 7 for n in range(30) if n != 11]
