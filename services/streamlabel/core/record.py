"""One item of the stream and what it holds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from types import MappingProxyType

from streamlabel.core.identity import RecordKey

MAX_ATTRIBUTES = 64
MAX_ATTRIBUTE_BYTES = 1024


class PayloadKind(Enum):
    """What a project's records hold; the value is the word used in project files."""

    TEXT = "text"
    IMAGE = "image"
    FEATURES = "features"
    JSON = "json"
    URI = "uri"


@dataclass(frozen=True, slots=True)
class TextPayload:
    """UTF-8 text, not empty."""

    text: str

    def __post_init__(self) -> None:
        if not self.text:
            raise ValueError("text is empty")


@dataclass(frozen=True, slots=True)
class ImagePayload:
    """An encoded picture, untouched; `media_type` agrees with its first bytes."""

    data: bytes
    media_type: str

    def __post_init__(self) -> None:
        if not self.data:
            raise ValueError("image has 0 bytes")
        found = sniff_media_type(self.data)
        if found is None:
            raise ValueError("bytes are neither PNG nor JPEG")
        if found != self.media_type:
            raise ValueError(f"media_type says {self.media_type[:40]!r} but the bytes are {found}")


@dataclass(frozen=True, slots=True)
class FeaturesPayload:
    """A dense vector of finite numbers."""

    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.values:
            raise ValueError("features are empty")
        if not all(map(math.isfinite, self.values)):
            position = next(i for i, value in enumerate(self.values) if not math.isfinite(value))
            raise ValueError(f"feature {position} is {self.values[position]}; every value must be finite")


@dataclass(frozen=True, slots=True)
class JsonPayload:
    """A JSON document as the text it came in."""

    document: str

    def __post_init__(self) -> None:
        if not self.document:
            raise ValueError("json document is empty")


@dataclass(frozen=True, slots=True)
class UriPayload:
    """Where the content lies; shown as a link, never fetched."""

    uri: str

    def __post_init__(self) -> None:
        scheme, colon, rest = self.uri.partition(":")
        if not (colon and rest and scheme.isascii() and scheme.isalnum()):
            raise ValueError(f"{self.uri[:80]!r} is not an absolute URI")


Payload = TextPayload | ImagePayload | FeaturesPayload | JsonPayload | UriPayload

_KINDS: Mapping[type, PayloadKind] = MappingProxyType(
    {
        TextPayload: PayloadKind.TEXT,
        ImagePayload: PayloadKind.IMAGE,
        FeaturesPayload: PayloadKind.FEATURES,
        JsonPayload: PayloadKind.JSON,
        UriPayload: PayloadKind.URI,
    }
)


def kind_of(payload: Payload) -> PayloadKind:
    """The kind that a project declares for this payload."""
    return _KINDS[type(payload)]


def sniff_media_type(data: bytes) -> str | None:
    """`image/png` or `image/jpeg` by the first bytes (PNG §5.2, JFIF/Exif SOI marker); None for anything else."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One item of the stream, as ingest took it; never changed after."""

    key: RecordKey
    payload: Payload
    content_hash: bytes
    event_at: datetime | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.content_hash) != 16:
            raise ValueError(f"content_hash has {len(self.content_hash)} bytes; it must have 16")
        check_attributes(self.attributes)


def check_attributes(attributes: Mapping[str, str]) -> None:
    """Raises ValueError past 64 attributes, or where a name and value together pass 1 KiB."""
    if len(attributes) > MAX_ATTRIBUTES:
        raise ValueError(f"{len(attributes)} attributes; at most {MAX_ATTRIBUTES}")
    for name, value in attributes.items():
        if not name or len(name.encode()) + len(value.encode()) > MAX_ATTRIBUTE_BYTES:
            raise ValueError(f"attribute {name[:40]!r} is empty or larger than {MAX_ATTRIBUTE_BYTES} bytes")
