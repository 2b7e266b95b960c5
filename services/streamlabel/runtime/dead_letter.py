"""What a message becomes that can never be handled: its original bytes, and headers that say where, why and by whom."""

from __future__ import annotations

from dataclasses import dataclass

from streamlabel.errors import InvalidMessageError
from streamlabel.runtime.messages import Headers, Message

REASON = "dead-letter-reason"
DETAIL = "dead-letter-detail"
STAGE = "dead-letter-stage"
ATTEMPT = "dead-letter-attempt"
TOPIC = "dead-letter-topic"
PARTITION = "dead-letter-partition"
OFFSET = "dead-letter-offset"
TIMESTAMP_MS = "dead-letter-timestamp-ms"
OMITTED_BYTES = "dead-letter-omitted-bytes"
# On a message that was sent back to its origin: the offset of the letter that it was.
REPLAYED = "dead-letter-replayed-from"

_DETAIL_MAX_CHARS = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """One record of a dead-letter topic; it lies in the partition number that the message came from."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: Headers


def dead_letter_topic(topic: str, group: str) -> str:
    """Where messages of `topic` go that `group` cannot handle."""
    return f"{topic}.{group}.dead-letter"


def dead_letter(
    message: Message,
    error: InvalidMessageError,
    *,
    stage: str,
    group: str,
    attempt: int = 1,
    with_value: bool = True,
) -> DeadLetter:
    """The dead letter of `message`: key, value and headers untouched, our own headers after the original ones.

    `with_value=False` leaves the value out and says how long it was, for a message that does not fit where it goes:
    the origin headers still lead to it. A null key comes out null only if it was empty (no byte is lost by that).
    """
    own: Headers = (
        (REASON, error.reason.encode()),
        (DETAIL, error.detail[:_DETAIL_MAX_CHARS].encode("utf-8", "replace")),
        (STAGE, stage.encode()),
        (ATTEMPT, b"%d" % attempt),
        (TOPIC, message.topic.encode()),
        (PARTITION, b"%d" % message.partition),
        (OFFSET, b"%d" % message.offset),
        (TIMESTAMP_MS, b"%d" % message.timestamp_ms),
    )
    if not with_value:
        own = (*own, (OMITTED_BYTES, b"%d" % len(message.value)))
    return DeadLetter(
        topic=dead_letter_topic(message.topic, group),
        partition=message.partition,
        key=message.key or None,
        value=None if message.tombstone else (message.value if with_value else b""),
        headers=(*message.headers, *own),
    )
