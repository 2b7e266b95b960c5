"""What a picture's header says, without decoding it: a broken or gigantic one is refused where its sender still listens.

Sources: PNG specification §5.2 and §11.2.2 (IHDR), ITU-T T.81 (JPEG) annex B.
"""

from __future__ import annotations

_PNG_IHDR_END = 33  # signature 8, length 4, "IHDR" 4, width 4, height 4, five bytes, checksum 4
# Start-of-frame markers; C4, C8 and CC lie among them and mean something else.
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_BARE = frozenset({0x01, *range(0xD0, 0xD9)})  # markers without a length


def picture_fault(data: bytes, media_type: str, max_pixels: int) -> str:
    """Why the bytes cannot become a picture of at most `max_pixels` (width x height); empty where nothing speaks against it."""
    size = _png_size(data) if media_type == "image/png" else _jpeg_size(data)
    if size is None:
        return f"{len(data)} bytes end or break within the header of the {media_type}"
    width, height = size
    if width == 0 or height == 0:
        return f"the picture has {width} x {height} pixels"
    if width * height > max_pixels:
        return f"the picture has {width} x {height} pixels; at most {max_pixels} in all"
    end = b"IEND" if media_type == "image/png" else b"\xff\xd9"
    if end not in data:
        return f"the {media_type} is cut off: its end is missing"
    return ""


def _png_size(data: bytes) -> tuple[int, int] | None:
    if len(data) < _PNG_IHDR_END or data[12:16] != b"IHDR":
        return None
    return int.from_bytes(data[16:20]), int.from_bytes(data[20:24])


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    place = 2
    while place + 9 <= len(data):
        if data[place] != 0xFF:
            return None
        marker = data[place + 1]
        if marker == 0xFF:  # fill bytes may stand before a marker
            place += 1
        elif marker in _JPEG_BARE:
            place += 2
        elif marker in _JPEG_FRAMES:
            return int.from_bytes(data[place + 7 : place + 9]), int.from_bytes(data[place + 5 : place + 7])
        else:
            place += 2 + int.from_bytes(data[place + 2 : place + 4])
    return None
