"""The JSON form of a record, the same in NDJSON over HTTP, in files and on foreign topics.

    {"record_id": "…", "text": "…", "event_at": "2026-01-31T12:00:00Z", "attributes": {"language": "en"}}

The payload is exactly one of `text`, `image` (the file in base64; `media_type` beside it if one likes), `features` (numbers),
`json` (any value) and `uri`. All else may be left out. A key that is none of these is refused, with the nearest one named: a
typo must not become a record without its id.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from streamlabel.core.nearest import did_you_mean
from streamlabel.core.record import PayloadKind, sniff_media_type
from streamlabel.core.submission import INVALID_PAYLOAD, Reason
from streamlabel.errors import InvalidMessageError
from streamlabel.v1 import record_pb2
from streamlabel.wire.timestamps import from_milliseconds, to_timestamp

PAYLOAD_KEYS: Mapping[str, PayloadKind] = {kind.value: kind for kind in PayloadKind}
KEYS = ("record_id", *PAYLOAD_KEYS, "media_type", "event_at", "attributes")
_KNOWN = frozenset(KEYS)


def parse(line: bytes | str, project: str) -> record_pb2.Record:
    """The record in one JSON object; raises InvalidMessageError with a door `Reason`. Contents are not judged yet."""
    return from_document(load(line), project)


def load(text: bytes | str) -> Any:
    """The JSON value; raises InvalidMessageError MALFORMED saying where it breaks."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidMessageError(Reason.MALFORMED, f"not JSON: {error}") from error


def from_document(document: Any, project: str) -> record_pb2.Record:
    """The record in a JSON value that was read already; raises as `parse`."""
    if not isinstance(document, dict):
        raise InvalidMessageError(Reason.MALFORMED, f"a record is a JSON object, not {_kind_of_json(document)}")
    if not document.keys() <= _KNOWN:
        raise _unknown_key(document)
    present = [key for key in PAYLOAD_KEYS if document.get(key) is not None or (key == "json" and key in document)]
    if len(present) != 1:
        what = f"{len(present)} payloads ({', '.join(present)})" if present else "no payload"
        raise InvalidMessageError(Reason.PAYLOAD_MISSING, f"{what}; give exactly one of {', '.join(PAYLOAD_KEYS)}")
    kind = PAYLOAD_KEYS[present[0]]
    message = record_pb2.Record(project=project)
    set_payload(message, kind, document[present[0]], media_type=document.get("media_type"))
    if (record_id := document.get("record_id")) is not None:
        set_record_id(message, record_id)
    if (event_at := document.get("event_at")) is not None:
        set_event_at(message, event_at)
    if (attributes := document.get("attributes")) is not None:
        set_attributes(message, attributes)
    return message


def set_payload(message: record_pb2.Record, kind: PayloadKind, value: Any, *, media_type: Any = None) -> None:
    """Put a JSON value into the message as a payload of `kind`; raises InvalidMessageError with the reason of that kind."""
    reason = INVALID_PAYLOAD[kind]
    if media_type is not None and kind is not PayloadKind.IMAGE:
        raise InvalidMessageError(Reason.UNKNOWN_FIELD, "media_type belongs to image only")
    try:
        match kind:
            case PayloadKind.TEXT:
                message.payload.text = _text(value, "text")
            case PayloadKind.URI:
                message.payload.uri = _text(value, "uri")
            case PayloadKind.JSON:
                message.payload.json = orjson.dumps(value).decode()
            case PayloadKind.FEATURES:
                _set_features(message, value)
            case PayloadKind.IMAGE:
                _set_image(message, value, media_type)
    except (ValueError, TypeError) as error:
        raise InvalidMessageError(reason, str(error)) from error


def set_record_id(message: record_pb2.Record, value: Any) -> None:
    """Take over the id; whole numbers count as their decimal text."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    try:
        message.record_id = _text(value, "record_id")
    except ValueError as error:
        raise InvalidMessageError(Reason.INVALID_RECORD_ID, str(error)) from error


def set_event_at(message: record_pb2.Record, value: Any) -> None:
    """Take over when it happened: ISO 8601 with a time zone, or milliseconds since 1970."""
    try:
        message.event_at.CopyFrom(to_timestamp(_moment(value)))
    except (ValueError, OverflowError, TypeError) as error:
        raise InvalidMessageError(
            Reason.INVALID_EVENT_AT,
            f"event_at {str(value)[:60]!r} is neither ISO 8601 with a time zone nor milliseconds since 1970",
        ) from error


def set_attributes(message: record_pb2.Record, value: Any) -> None:
    """Take over the attributes: an object of texts; numbers and truth values count as their JSON text, null as left out."""
    if not isinstance(value, dict):
        raise InvalidMessageError(Reason.INVALID_ATTRIBUTES, f"attributes is {_kind_of_json(value)}, not an object")
    for name, entry in value.items():
        if entry is None:
            continue
        if isinstance(entry, dict | list):
            raise InvalidMessageError(
                Reason.INVALID_ATTRIBUTES, f"attribute {name[:40]!r} is {_kind_of_json(entry)}; only texts are kept"
            )
        message.attributes[name] = entry if isinstance(entry, str) else orjson.dumps(entry).decode()


def _unknown_key(document: Mapping[str, Any]) -> InvalidMessageError:
    word = next(key for key in document if key not in _KNOWN)
    hint = did_you_mean(word, KEYS) or f"a record has {', '.join(KEYS)}"
    return InvalidMessageError(Reason.UNKNOWN_FIELD, f"unknown key {word[:60]!r}; {hint}")


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{what} is {_kind_of_json(value)}, not a text")
    return value


def _set_features(message: record_pb2.Record, value: Any) -> None:
    if not isinstance(value, list):
        raise ValueError(f"features is {_kind_of_json(value)}, not an array of numbers")
    for place, number in enumerate(value):
        if type(number) is not float and type(number) is not int:
            raise ValueError(f"feature {place} is {_kind_of_json(number)}, not a number")
    message.payload.features.SetInParent()
    message.payload.features.values.extend(value)


def _set_image(message: record_pb2.Record, value: Any, media_type: Any) -> None:
    text = _text(value, "image")
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"image is not base64: {error}") from error
    declared = _text(media_type, "media_type") if media_type is not None else sniff_media_type(data)
    message.payload.image.data = data
    message.payload.image.media_type = declared or ""


def _moment(value: Any) -> datetime:
    if isinstance(value, str):
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            raise ValueError("no time zone")
        return moment.astimezone(UTC)
    if isinstance(value, int) and not isinstance(value, bool):
        return from_milliseconds(value)
    raise TypeError("neither a text nor a whole number")


def _kind_of_json(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case str():
            return "a text"
        case int() | float():
            return "a number"
        case list():
            return "an array"
        case _:
            return "an object"
