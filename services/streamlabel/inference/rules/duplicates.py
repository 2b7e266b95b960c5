"""Whether a record was there before: a window over the latest records of one partition."""

from __future__ import annotations

from collections import OrderedDict
from enum import Enum


class Verdict(Enum):
    """What the window says of a record."""

    FIRST = "first"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"


class DuplicateWindow:
    """Remembers the latest `capacity` keys of a partition with content and offset; the lowest offset of a key is the first.

    A message that is judged again (a batch tried again after a transient fault, while later ones were judged already)
    gets the verdict that it had: it is recognised by its offset. Repeats do not renew a key's place, so what is
    remembered depends on the messages alone, not on how often they were tried.
    """

    def __init__(self, capacity: int) -> None:
        if capacity < 0:
            raise ValueError(f"capacity must be 0 or more, not {capacity}")
        self._capacity = capacity
        self._seen: OrderedDict[bytes, tuple[bytes, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._seen)

    def judge(self, key: bytes, content_hash: bytes, offset: int) -> Verdict:
        """The verdict on the message at `offset`, which is remembered if it is the first of its key."""
        seen = self._seen.get(key)
        if seen is None or offset < seen[1]:
            self._remember(key, content_hash, offset)
            return Verdict.FIRST
        if seen[1] == offset:
            return Verdict.FIRST
        return Verdict.DUPLICATE if seen[0] == content_hash else Verdict.CONFLICT

    def replace(self, key: bytes, content_hash: bytes, offset: int) -> None:
        """The message at `offset` stands for its key from now on: a person has sent it again on purpose."""
        self._seen.pop(key, None)
        self._remember(key, content_hash, offset)

    def forget(self, key: bytes, offset: int) -> None:
        """The message at `offset` came to nothing (a dead letter): what comes under its key next is the first."""
        seen = self._seen.get(key)
        if seen is not None and seen[1] == offset:
            del self._seen[key]

    def _remember(self, key: bytes, content_hash: bytes, offset: int) -> None:
        if self._capacity == 0:
            return
        self._seen[key] = (content_hash, offset)
        if len(self._seen) > self._capacity:
            self._seen.popitem(last=False)
