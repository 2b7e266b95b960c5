"""The records that this process has seen acknowledged lately, by which a producer's retry is known at the door."""

from __future__ import annotations


class RecentRecords:
    """Key → content hash of at least the last `capacity` / 2 acknowledged records and at most `capacity`.

    Two generations: when the young one is full it becomes the old one, and the old one is dropped whole. That bounds the memory
    without keeping an order of use; what falls out is only written once more, and dropped by the next stage.
    """

    __slots__ = ("_generation_size", "_old", "_young")

    def __init__(self, capacity: int) -> None:
        self._generation_size = max(1, capacity // 2)
        self._young: dict[bytes, bytes] = {}
        self._old: dict[bytes, bytes] = {}

    def content_of(self, key: bytes) -> bytes | None:
        """The content hash under which this key was acknowledged; None where it is not remembered."""
        found = self._young.get(key)
        return self._old.get(key) if found is None else found

    def remember(self, key: bytes, content_hash: bytes) -> None:
        """This record is acknowledged."""
        if len(self._young) >= self._generation_size:
            self._old, self._young = self._young, {}
        self._young[key] = content_hash

    def __len__(self) -> int:
        return len(self._young) + len(self._old)
