"""Trace context from callers, who may send anything."""

from __future__ import annotations

import re

# W3C Trace Context, version 00: version, trace id, parent id, flags.
_TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


def traceparent_of(value: object) -> str:
    """The value if it is a trace context, else nothing: it goes into headers that every later stage reads."""
    return value if isinstance(value, str) and _TRACEPARENT.fullmatch(value) else ""
