"""Which partition a record gets: decided here, once; every later stage keeps the number."""

from __future__ import annotations

import zlib


def partition_of(key: bytes, partitions: int) -> int:
    """The partition of a key, the same in every process and release; keys spread evenly."""
    return zlib.crc32(key) % partitions
