"""Requests that do not parse as a whole: one broken record must not take the others down.

A protobuf parser refuses the whole request for one string that is not UTF-8. Then, and only then, the outermost fields are taken
apart here by hand (protobuf encoding: tag, then a varint or a length and as many bytes) and each record is parsed alone.
"""

from __future__ import annotations

from collections.abc import Iterator

from google.protobuf.message import DecodeError

from streamlabel.core.submission import Reason
from streamlabel.ingest.rules.admission import Refusal
from streamlabel.v1 import ingest_service_pb2, record_pb2

BatchRequest = ingest_service_pb2.IngestRecordsRequest
StreamRequest = ingest_service_pb2.StreamRecordsRequest
Readable = record_pb2.Record | Refusal

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_RECORDS_FIELD = 1
_SEQUENCE_FIELD, _RECORD_FIELD = 1, 2


def read_batch(data: bytes) -> list[Readable] | None:
    """The records of an IngestRecordsRequest, a refusal in place of each unreadable one; None where it is no such message at all."""
    try:
        return list(BatchRequest.FromString(data).records)
    except DecodeError:
        pass
    try:
        return [
            _read_record(value)
            for field, value in _fields(data)
            if field == _RECORDS_FIELD and isinstance(value, bytes)
        ]
    except ValueError:
        return None


def read_stream(data: bytes) -> tuple[int, Readable] | None:
    """Sequence and record of a StreamRecordsRequest, a refusal in place of an unreadable one; None where it is no such message."""
    try:
        message = StreamRequest.FromString(data)
    except DecodeError:
        pass
    else:
        return message.sequence, message.record
    sequence, record = 0, b""
    try:
        for field, value in _fields(data):
            if field == _SEQUENCE_FIELD and isinstance(value, int):
                sequence = value
            elif field == _RECORD_FIELD and isinstance(value, bytes):
                record = value
    except ValueError:
        return None
    return sequence, _read_record(record)


def _read_record(data: bytes) -> Readable:
    try:
        return record_pb2.Record.FromString(data)
    except DecodeError:
        return Refusal(
            "", Reason.MALFORMED, f"{len(data)} bytes are no Record: broken encoding, or a text that is not UTF-8"
        )


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Number and value of each outermost field; raises ValueError where the encoding breaks."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        match tag & 7:
            case wire if wire == _VARINT:
                value, at = _varint(data, at)
                yield tag >> 3, value
            case wire if wire == _BYTES:
                size, at = _varint(data, at)
                if size > len(data) - at:
                    raise ValueError("a field is longer than the message")
                yield tag >> 3, data[at : at + size]
                at += size
            case wire if wire in (_FIXED64, _FIXED32):
                at += 8 if wire == _FIXED64 else 4
            case wire:
                raise ValueError(f"wire type {wire}")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for place in range(10):
        if at + place >= len(data):
            raise ValueError("a number is cut off")
        byte = data[at + place]
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return value, at + place + 1
    raise ValueError("a number has more than 10 bytes")
