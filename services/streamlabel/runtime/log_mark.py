"""By what a log is known again: what its last record before an offset looks like."""

from __future__ import annotations

import hashlib

from streamlabel.runtime.messages import Message

_DIGITS = 16
# Clocks of those who write a topic may differ by so much; where a record is gone by compaction, the one before it tells.
_CLOCKS_MS = 60_000


def mark_of(message: Message) -> str:
    """The record's offset, date and digest, as text."""
    digest = hashlib.sha256(len(message.key).to_bytes(8, "big") + message.key + message.value)
    return f"{message.offset}:{message.timestamp_ms}:{digest.hexdigest()[:_DIGITS]}"


def is_of_another_log(mark: str, next_offset: int, found: Message | None) -> bool:
    """Whether the log of the last record below `next_offset`, `found`, cannot be the one whose record there had this mark.

    False also where nobody can tell: there is no mark, or it is of another offset (whoever moved the offset knew of no marks), or
    nothing lies below. A topic that was made anew is later in all of its records.
    """
    offset, _, rest = mark.partition(":")
    if found is None or offset != str(next_offset - 1):
        return False
    if found.offset == next_offset - 1:
        return mark_of(found) != mark
    return found.timestamp_ms > int(rest.partition(":")[0]) + _CLOCKS_MS
