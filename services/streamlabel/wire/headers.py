"""Headers that every message of the pipeline carries from end to end.

`ingested-at`: when ingest took the record, ASCII decimal milliseconds since 1970. `traceparent`: W3C Trace Context, as it came.
"""

from __future__ import annotations

from datetime import datetime

from streamlabel.runtime.headers import INGESTED_AT
from streamlabel.runtime.messages import Headers
from streamlabel.wire.timestamps import from_milliseconds

TRACEPARENT = "traceparent"


def ingest_headers(ingested_at_ms: int, traceparent: str = "") -> Headers:
    """Headers for a record that enters now."""
    stamp = ((INGESTED_AT, b"%d" % ingested_at_ms),)
    return (*stamp, (TRACEPARENT, traceparent.encode())) if traceparent else stamp


def carried(headers: Headers) -> Headers:
    """The headers that a stage copies from what it read to what it writes."""
    return tuple(header for header in headers if header[0] in (INGESTED_AT, TRACEPARENT))


def ingested_at(headers: Headers) -> datetime | None:
    """When ingest took the record; None where the header is missing or foreign."""
    for name, value in headers:
        if name == INGESTED_AT:
            try:
                return from_milliseconds(int(value))
            except (ValueError, OverflowError):
                return None
    return None
