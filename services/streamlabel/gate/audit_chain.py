"""The chain of audits (`core/hash_chain.py`): whether one was changed, taken out or put in, anybody can check.

Transitions carry how far it went when they came about, so that its end cannot be cut off, or written anew, behind them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from streamlabel.core.hash_chain import FIRST, chain_digest


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditHead:
    """How far the chain goes: the number of the last audit, 0 where there is none yet, and its digest."""

    last_no: int = 0
    digest: bytes = FIRST


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainedAudit:
    """A calibration record as it became evidence, the `number`th of all; decided at `decided_ms` by routing. `answer` is None where
    nobody answered in time."""

    number: int
    project: str
    book_no: int
    record_id: str
    model_version: int
    decided_ms: int
    gate_number: int
    lane_rate: float
    predicted: str
    answer: str | None
    passable: bool
    digest: bytes

    def content(self) -> Sequence[int | str]:
        """What the digest covers besides the digest before it."""
        return (
            self.number,
            self.project,
            self.book_no,
            self.record_id,
            self.model_version,
            self.decided_ms,
            self.gate_number,
            # The shortest text that is this number and no other.
            repr(self.lane_rate),
            self.predicted,
            "" if self.answer is None else f"={self.answer}",
            int(self.passable),
        )


class AuditWalk:
    """Goes along the chain from its first audit; `broken` says what is wrong first. `marks` are the digests of audits by number, as
    transitions carry them."""

    def __init__(self, marks: Mapping[int, bytes] | None = None) -> None:
        self._marks = dict(marks or {})
        self.count = 0
        self.digest = FIRST
        self.broken = ""

    def take(self, audits: Iterable[ChainedAudit]) -> None:
        """The next audits, in order."""
        for each in audits:
            if self.broken:
                return
            expected = self.count + 1
            if each.number != expected:
                self.broken = f"audit {expected:,} is gone"
                return
            self.digest, self.count = chain_digest(self.digest, each.content()), expected
            if each.digest != self.digest:
                self.broken = f"audit {expected:,} is not what was written, or does not follow the one before it"
            elif self._marks.pop(expected, self.digest) != self.digest:
                self.broken = f"audit {expected:,} is not the one that a transition tells of"

    def finish(self, head: AuditHead) -> None:
        """There are no more, though the chain goes as far as `head` says."""
        if self.broken:
            return
        last_no = max([head.last_no, *(number for number in self._marks if number)])
        if last_no > self.count:
            self.broken = f"audits {self.count + 1:,}-{last_no:,} are gone"
        elif (head.last_no, head.digest) != (self.count, self.digest):
            self.broken = f"there are {self.count:,} audits, and learning wrote {head.last_no:,}"
