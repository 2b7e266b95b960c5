"""When the records of a stream came, and how many of the latest would have passed."""

from __future__ import annotations

from collections import deque

_TIMES = 4096
_COVERAGE_RECORDS = 1000


class Course:
    """Batch after batch: `times` are the first place of each and a moment before which none of it was decided, `passes` how many
    records it had and how many of them would have passed."""

    def __init__(self) -> None:
        self.times: deque[tuple[int, int]] = deque()
        self.passes: deque[tuple[int, int]] = deque()

    @property
    def coverage(self) -> float:
        """The share of the latest thousand records that the gate of then would have let pass."""
        seen = sum(count for count, _ in self.passes)
        return sum(passed for _, passed in self.passes) / seen if seen else 0.0

    def add(self, place: int, earliest_ms: int, seen: int, passed: int) -> None:
        """The next batch."""
        self.times.append((place, earliest_ms))
        if len(self.times) > _TIMES:
            # Every second one goes, never the first: an older place is then dated earlier, not later.
            self.times = deque(list(self.times)[::2])
        self.passes.append((seen, passed))
        count = sum(each for each, _ in self.passes)
        while count - self.passes[0][0] >= _COVERAGE_RECORDS:
            count -= self.passes.popleft()[0]

    def time_of(self, place: int) -> int:
        """A moment before which no record from `place` on was decided."""
        later = [at_ms for begin, at_ms in self.times if begin > place]
        earlier = [at_ms for begin, at_ms in self.times if begin <= place]
        return min([*later, earlier[-1]] if earlier else later, default=0)
