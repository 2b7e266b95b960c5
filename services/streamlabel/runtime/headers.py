"""The one header that the runtime itself reads, to measure how long a record has been under way."""

from __future__ import annotations

from streamlabel.runtime.messages import Headers

INGESTED_AT = "ingested-at"


def age_s(headers: Headers, now_ms: int) -> float | None:
    """How long ago the record was ingested, if it says so."""
    for name, value in headers:
        if name == INGESTED_AT and value.isdigit():
            return max(0.0, (now_ms - int(value)) / 1000)
    return None
