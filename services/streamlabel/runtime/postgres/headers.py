"""Kafka headers in one column: names may hold any character, come in any order, and several times."""

from __future__ import annotations

import struct

from streamlabel.runtime.messages import Headers

_LENGTHS = struct.Struct(">II")


def pack_headers(headers: Headers) -> bytes:
    """For each header: both lengths, the name, the value."""
    parts = []
    for name, value in headers:
        encoded = name.encode()
        parts += [_LENGTHS.pack(len(encoded), len(value)), encoded, value]
    return b"".join(parts)


def unpack_headers(packed: bytes) -> Headers:
    """What `pack_headers` was given."""
    headers, place = [], 0
    while place < len(packed):
        name_bytes, value_bytes = _LENGTHS.unpack_from(packed, place)
        place += _LENGTHS.size
        name = packed[place : place + name_bytes].decode()
        place += name_bytes
        headers.append((name, packed[place : place + value_bytes]))
        place += value_bytes
    return tuple(headers)
