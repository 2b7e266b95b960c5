"""Opens PNG and JPEG files: never more pixels than allowed, never a format that was not asked for, never a blocked loop."""

from __future__ import annotations

import asyncio
import io
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from streamlabel.core.project import ImageEncoder
from streamlabel.core.record import ImagePayload
from streamlabel.core.submission import Reason
from streamlabel.errors import InvalidMessageError
from streamlabel.inference.rules.reasons import ModelReason
from streamlabel.inference.rules.tensors import Encoded

_FORMATS = ("PNG", "JPEG")
_MODES = {1: "L", 3: "RGB"}
# A picture of up to this many pixels costs about 20 µs, less than its way to a thread and back (60 µs).
_INLINE_PIXELS = 64 * 64
# After so many small pictures in a row (about 1 ms) the loop gets a turn.
_INLINE_ROWS = 48


class PillowPictures:
    """Pictures by Pillow: small ones at once, others on threads; a component of the process, which owns the threads."""

    name = "pictures"

    def __init__(self, *, max_pixels: int, threads: int) -> None:
        self._max_pixels = max_pixels
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=self.name)

    async def start(self) -> None:
        """Silences Pillow's warning of huge pictures: here they are refused, whatever its own limit says."""
        warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)

    async def run(self) -> None:
        """Nothing to do by itself."""

    async def stop(self) -> None:
        """Lets the threads end with the picture that they have in hand."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    async def decode(self, payloads: Sequence[ImagePayload], encoder: ImageEncoder) -> Encoded:
        """Pixel values as uint8 [n, height, width, channels] of those that could be opened, and why the others could not."""
        loop = asyncio.get_running_loop()
        rows = np.empty((len(payloads), encoder.height, encoder.width, encoder.channels), dtype=np.uint8)
        refused: dict[int, InvalidMessageError] = {}
        elsewhere: list[asyncio.Future[None]] = []
        places: list[int] = []
        for place, payload in enumerate(payloads):
            if place % _INLINE_ROWS == _INLINE_ROWS - 1:
                await asyncio.sleep(0)
            try:
                picture = self._open(payload.data)
                if picture.width * picture.height <= _INLINE_PIXELS:
                    _draw(picture, encoder, rows[place])
                else:
                    elsewhere.append(loop.run_in_executor(self._executor, _draw, picture, encoder, rows[place]))
                    places.append(place)
            except InvalidMessageError as error:
                refused[place] = error
        for place, outcome in zip(places, await asyncio.gather(*elsewhere, return_exceptions=True), strict=True):
            if isinstance(outcome, InvalidMessageError):
                refused[place] = outcome
            elif outcome is not None:
                raise outcome
        if refused:
            rows = np.delete(rows, list(refused), axis=0)
        return Encoded(rows, refused)

    def _open(self, data: bytes) -> Image.Image:
        """The picture with its header read and nothing decoded."""
        try:
            picture = Image.open(io.BytesIO(data), formats=_FORMATS)
        except Image.DecompressionBombError as error:
            raise self._too_large(str(error)) from error
        except UnidentifiedImageError as error:
            # Pillow would name its buffer, not the bytes.
            raise InvalidMessageError(
                Reason.INVALID_IMAGE, f"no PNG or JPEG that can be read: its {len(data)} bytes break within the header"
            ) from error
        except MemoryError:
            raise
        except Exception as error:
            # Whatever the parser of a foreign file trips over is a fault of these bytes.
            raise _broken(error) from error
        if picture.width * picture.height > self._max_pixels:
            raise self._too_large(f"picture has {picture.width}x{picture.height} pixels")
        return picture

    def _too_large(self, what: str) -> InvalidMessageError:
        return InvalidMessageError(ModelReason.IMAGE_TOO_LARGE, f"{what}; at most {self._max_pixels} are decoded")


def _draw(picture: Image.Image, encoder: ImageEncoder, row: npt.NDArray[np.uint8]) -> None:
    """Decodes the picture into `row`: upright, on white where it is transparent, in the model's colours and size."""
    try:
        picture.load()
        upright = ImageOps.exif_transpose(picture) if picture.format == "JPEG" else picture
        flat = _on_white(_eight_bits(upright))
        coloured = flat if flat.mode == _MODES[encoder.channels] else flat.convert(_MODES[encoder.channels])
    except MemoryError:
        raise
    except Exception as error:
        raise _broken(error) from error
    size = (encoder.width, encoder.height)
    if coloured.size != size:
        if not encoder.resize:
            raise InvalidMessageError(
                ModelReason.IMAGE_SIZE_MISMATCH,
                f"picture has {coloured.width}x{coloured.height} pixels, the model takes {size[0]}x{size[1]}; "
                "set resize: true in the project to scale it",
            )
        coloured = coloured.resize(size, Image.Resampling.BILINEAR)
    row[...] = np.asarray(coloured).reshape(row.shape)


def _eight_bits(picture: Image.Image) -> Image.Image:
    """16-bit grey as 8-bit grey: its upper byte (Pillow's own conversion cuts at 255)."""
    if not picture.mode.startswith("I"):
        return picture
    values: npt.NDArray[Any] = np.asarray(picture)
    return Image.fromarray((values >> 8).astype(np.uint8))


def _on_white(picture: Image.Image) -> Image.Image:
    """What a person sees on a white page."""
    if picture.mode not in ("RGBA", "LA", "PA") and "transparency" not in picture.info:
        return picture
    layer = picture.convert("RGBA")
    page = Image.new("RGBA", layer.size, "white")
    page.alpha_composite(layer)
    return page.convert("RGB")


def _broken(error: Exception) -> InvalidMessageError:
    return InvalidMessageError(Reason.INVALID_IMAGE, f"cannot be decoded: {type(error).__name__}: {str(error)[:200]}")
