"""The one header that the runtime itself reads, to measure how long a record has been under way."""

from __future__ import annotations

from streamlabel.runtime.messages import Headers

INGESTED_AT = "ingested-at"
# Enough until the year 33658; a foreign number of a thousand digits is no float, and no int of Python either.
_MAX_DIGITS = 15


def age_s(headers: Headers, now_ms: int) -> float | None:
    """How long ago the record was ingested, if it says so."""
    for name, value in headers:
        if name == INGESTED_AT and value.isdigit() and len(value) <= _MAX_DIGITS:
            return max(0.0, (now_ms - int(value)) / 1000)
    return None
