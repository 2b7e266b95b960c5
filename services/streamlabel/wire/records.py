"""Record on the wire, and the content hash by which a repeated record is known."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from streamlabel.core.identity import RecordKey
from streamlabel.core.record import (
    FeaturesPayload,
    ImagePayload,
    JsonPayload,
    Payload,
    Record,
    TextPayload,
    UriPayload,
)
from streamlabel.v1 import record_pb2
from streamlabel.wire.codec import malformed_as_invalid, parse
from streamlabel.wire.timestamps import from_timestamp, to_timestamp

HASH_BYTES = 16
DERIVED_ID_PREFIX = "h-"


def content_hash(payload: Payload, attributes: Mapping[str, str]) -> bytes:
    """BLAKE2b-128 of payload and attributes; the same content gives the same 16 bytes in every release.

    Each part is prefixed with its length, so that no two contents share a preimage.
    """
    digest = hashlib.blake2b(digest_size=HASH_BYTES)
    for part in _parts(payload, attributes):
        digest.update(b"%d:" % len(part))
        digest.update(part)
    return digest.digest()


def derived_record_id(content: bytes) -> str:
    """The id of a record that came without one: a producer's retry derives the same id and is one record."""
    return DERIVED_ID_PREFIX + content.hex()


def _parts(payload: Payload, attributes: Mapping[str, str]) -> list[bytes]:
    match payload:
        case TextPayload(text):
            parts = [b"text", text.encode()]
        case ImagePayload(data, media_type):
            parts = [b"image", media_type.encode(), data]
        case FeaturesPayload(values):
            message = record_pb2.Features(values=values)
            parts = [b"features", message.SerializeToString(deterministic=True)]
        case JsonPayload(document):
            parts = [b"json", document.encode()]
        case UriPayload(uri):
            parts = [b"uri", uri.encode()]
    for name in sorted(attributes):
        parts += [name.encode(), attributes[name].encode()]
    return parts


def payload_to_message(payload: Payload) -> record_pb2.Payload:
    """The payload on the wire."""
    match payload:
        case TextPayload(text):
            return record_pb2.Payload(text=text)
        case ImagePayload(data, media_type):
            return record_pb2.Payload(image=record_pb2.Image(data=data, media_type=media_type))
        case FeaturesPayload(values):
            return record_pb2.Payload(features=record_pb2.Features(values=values))
        case JsonPayload(document):
            return record_pb2.Payload(json=document)
        case UriPayload(uri):
            return record_pb2.Payload(uri=uri)


def payload_from_message(message: record_pb2.Payload) -> Payload:
    """The payload; raises ValueError where it is missing or illegal."""
    match message.WhichOneof("kind"):
        case "text":
            return TextPayload(message.text)
        case "image":
            return ImagePayload(message.image.data, message.image.media_type)
        case "features":
            return FeaturesPayload(tuple(message.features.values))
        case "json":
            return JsonPayload(message.json)
        case "uri":
            return UriPayload(message.uri)
    raise ValueError("payload is missing")


def to_message(record: Record) -> record_pb2.Record:
    """The record on the wire."""
    message = record_pb2.Record(
        project=record.key.project,
        record_id=record.key.record_id,
        payload=payload_to_message(record.payload),
        attributes=record.attributes,
        content_hash=record.content_hash,
    )
    if record.event_at is not None:
        message.event_at.CopyFrom(to_timestamp(record.event_at))
    return message


def from_message(message: record_pb2.Record) -> Record:
    """The record; raises ValueError where a part is missing or illegal."""
    return Record(
        key=RecordKey(project=message.project, record_id=message.record_id),
        payload=payload_from_message(message.payload),
        event_at=from_timestamp(message.event_at) if message.HasField("event_at") else None,
        attributes=dict(message.attributes),
        content_hash=message.content_hash,
    )


def encode(record: Record) -> bytes:
    """Bytes for topic `records`."""
    return to_message(record).SerializeToString()


def decode(value: bytes) -> Record:
    """The record; raises InvalidMessageError MALFORMED."""
    message = parse(record_pb2.Record(), value)
    with malformed_as_invalid("record"):
        return from_message(message)
