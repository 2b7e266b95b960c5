"""What a handler sees of Kafka, and what it may answer: bytes, never an offset to commit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from streamlabel.errors import InvalidMessageError

Headers = tuple[tuple[str, bytes], ...]

RawRecord = tuple[bytes | None, bytes | None, Headers]
"""One record on its way out: key, value, headers. None is Kafka's null (a null value is a tombstone)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One record as it was read from a topic.

    A null key or value arrives as `b""`; `tombstone` tells a null value from an empty one.
    """

    topic: str
    partition: int
    offset: int
    key: bytes
    value: bytes
    headers: Headers
    timestamp_ms: int
    tombstone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Emit:
    """One record to write; it goes to the partition number that its input came from.

    Only a stage at the edge, whose source topic is not of the flow, names another `partition`.
    """

    topic: str
    key: bytes
    value: bytes
    headers: Headers = ()
    partition: int | None = None


Outcome = Sequence[Emit] | InvalidMessageError
"""What became of one message: records to write (an empty sequence: consumed, nothing out), or the reason it is dead."""
