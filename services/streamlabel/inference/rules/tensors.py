"""Payloads as rows of a tensor. A payload that the encoder cannot take is refused alone; the others stay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from streamlabel.core.project import FeaturesEncoder, ImageEncoder, TextEncoder
from streamlabel.core.record import FeaturesPayload, TextPayload
from streamlabel.errors import InvalidMessageError
from streamlabel.inference.rules.reasons import ModelReason

NUMPY_TYPES: Mapping[str, type[Any]] = {
    "UINT8": np.uint8,
    "INT32": np.int32,
    "INT64": np.int64,
    "FP16": np.float16,
    "FP32": np.float32,
    "FP64": np.float64,
    "BYTES": np.object_,
}


@dataclass(frozen=True, slots=True)
class Encoded:
    """A tensor whose row i belongs to the i-th payload that is not in `refused`; keys of `refused` are places of payloads."""

    rows: npt.NDArray[Any]
    refused: Mapping[int, InvalidMessageError]


def encode_text(payloads: Sequence[TextPayload], encoder: TextEncoder, datatype: str) -> Encoded:
    """UTF-8 bytes + 1, cut or zero-padded to the encoder's length; raw: the bytes themselves, one string a row."""
    texts = [payload.text.encode() for payload in payloads]
    if encoder.raw:
        rows = np.empty((len(texts), 1), dtype=np.object_)
        rows[:, 0] = texts
        return Encoded(rows, {})
    length = encoder.length
    cut = [text[:length] for text in texts]
    values = np.frombuffer(b"".join(text.ljust(length, b"\0") for text in cut), dtype=np.uint8).reshape(-1, length)
    used = np.fromiter(map(len, cut), dtype=np.int64, count=len(cut))
    # A zero byte inside the text is the value 1, and only the padding is 0.
    rows = values.astype(NUMPY_TYPES[datatype])
    rows += np.arange(length) < used[:, None]
    return Encoded(rows, {})


def encode_features(payloads: Sequence[FeaturesPayload], encoder: FeaturesEncoder, datatype: str) -> Encoded:
    """The vectors; one of another length is refused. That every value is finite, FeaturesPayload has seen to."""
    refused = {
        place: InvalidMessageError(
            ModelReason.FEATURES_LENGTH_MISMATCH, f"{len(payload.values)} features, the model takes {encoder.length}"
        )
        for place, payload in enumerate(payloads)
        if len(payload.values) != encoder.length
    }
    kept = [payload.values for place, payload in enumerate(payloads) if place not in refused]
    rows = np.array(kept, dtype=NUMPY_TYPES[datatype]).reshape(len(kept), encoder.length)
    return Encoded(rows, refused)


def scale_pictures(pixels: npt.NDArray[np.uint8], encoder: ImageEncoder, datatype: str) -> npt.NDArray[Any]:
    """[n, height, width, channels] of pixel values as the model takes them: scaled, shifted, axes in its order."""
    rows: npt.NDArray[Any] = pixels
    if datatype != "UINT8":
        rows = pixels.astype(np.float32)
        rows *= np.float32(encoder.scale)
        rows += np.float32(encoder.offset)
        rows = rows.astype(NUMPY_TYPES[datatype], copy=False)
    return np.ascontiguousarray(rows.transpose(0, 3, 1, 2)) if encoder.channels_first else rows
