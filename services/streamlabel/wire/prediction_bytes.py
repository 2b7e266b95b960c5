"""Prediction on the wire, straight from a model's numbers: the record's bytes are carried through untouched.

The same message as `wire.predictions` makes, an eighth of its time: inference writes one per record. Field numbers are
those of prediction.proto; a test compares both ways.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from streamlabel.v1 import prediction_pb2

_RECORD = b"\x0a"  # field 1, length-delimited
_CANDIDATE = b"\x12"  # field 2, length-delimited
_CLASS_NAME = b"\x0a"  # Candidate field 1, length-delimited
_PROBABILITY = b"\x11"  # Candidate field 2, 64 bits
_SCORE = b"\x19"  # field 3, 64 bits
_EMBEDDING = b"\x22"  # field 4, packed floats
_DOUBLE_BYTES = 8
_pack_double = struct.Struct("<d").pack


class PredictionWriter:
    """Writes predictions of one model version by the classes of one project version."""

    def __init__(
        self, *, class_names: Sequence[str], model_name: str, model_version: int, project_version: int
    ) -> None:
        self._candidates = [_candidate_start(name) for name in class_names]
        self._end = prediction_pb2.Prediction(
            model_name=model_name, model_version=model_version, project_version=project_version
        ).SerializeToString()

    def write(
        self, record: bytes, order: Sequence[int], probabilities: Sequence[float], embedding: bytes = b""
    ) -> bytes:
        """A Prediction around the serialised Record `record`.

        `order` holds places in `class_names`, best first, and `probabilities` their probabilities; the first one is the
        score. `embedding` is its float32 values, little-endian.
        """
        parts = [_RECORD, _varint(len(record)), record]
        for place, probability in zip(order, probabilities, strict=True):
            parts += (self._candidates[place], _pack_double(probability))
        if probabilities:
            parts += (_SCORE, _pack_double(probabilities[0]))
        if embedding:
            parts += (_EMBEDDING, _varint(len(embedding)), embedding)
        parts.append(self._end)
        return b"".join(parts)


def _candidate_start(class_name: str) -> bytes:
    name = class_name.encode()
    inner = _CLASS_NAME + _varint(len(name)) + name + _PROBABILITY
    return _CANDIDATE + _varint(len(inner) + _DOUBLE_BYTES) + inner


def _varint(value: int) -> bytes:
    result = bytearray()
    while value > 0x7F:
        result.append(value & 0x7F | 0x80)
        value >>= 7
    result.append(value)
    return bytes(result)
