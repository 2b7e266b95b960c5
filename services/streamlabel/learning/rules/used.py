"""Records that have been evidence, or have taught: one that is sent again is no second piece of evidence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Use:
    """At which `place` of the stream a record was drawn, and whether it would have passed; `place` is None where it only taught."""

    place: int | None
    passable: bool = False


class UsedRecords:
    """The latest `most` of them, by id: as many as evidence and lessons can hold."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._uses: dict[str, Use] = {}

    def __contains__(self, record_id: str) -> bool:
        return record_id in self._uses

    def __iter__(self) -> Iterator[tuple[str, Use]]:
        yield from self._uses.items()

    def get(self, record_id: str) -> Use | None:
        """What the record was used for."""
        return self._uses.get(record_id)

    def add(self, uses: Iterable[tuple[str, Use]]) -> None:
        """From now on these are used; what was said first of a record stands."""
        for record_id, use in uses:
            self._uses.setdefault(record_id, use)
        while len(self._uses) > self._most:
            del self._uses[next(iter(self._uses))]
