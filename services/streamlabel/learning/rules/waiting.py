"""Predictions whose records await routing's word or people's, and the order in which calibration may count as evidence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from streamlabel.gate.scorer import Predictions
from streamlabel.learning.rules.events import Answer


@dataclass(slots=True)
class Waiting:
    """One record, written at `at_ms`. `eligible`: its `coin`, not its content, made it a candidate for evidence; `rate` is the lane's
    at that time.

    `lane` is None until routing's word is known, `decided_ms` until it is known when routing said it, and `gate` is the number of the
    gate that it went by then; `twice`: the coin asks two people; `prediction` is one row. `barred`: its coin would have made it one,
    but there was no room, or routing's word came too late.
    """

    record_id: str
    place: int
    at_ms: int
    eligible: bool
    coin: float
    rate: float
    prediction: Predictions
    lane: bool | None = None
    passable: bool = False
    twice: bool = False
    answer: Answer | None = None
    decided_ms: int | None = None
    gate: int = 0
    barred: bool = False

    @property
    def since_ms(self) -> int:
        """It was decided at this moment or later."""
        return self.at_ms if self.decided_ms is None else min(self.at_ms, self.decided_ms)

    @property
    def is_complete(self) -> bool:
        """Whether all is known of it that evidence has to know."""
        return self.lane is not None and self.answer is not None and self.decided_ms is not None

    @property
    def is_wrong(self) -> bool:
        """Whether the first who answered contradicts the model, or nobody answered."""
        return self.answer is None or self.answer.first != int(self.prediction.predicted[0])

    @property
    def counts(self) -> bool:
        """Whether it is evidence, or may become so."""
        return self.eligible and self.lane is not False


@dataclass(slots=True)
class WaitingRoom:
    """Records by id. Evidence leaves in the order of the stream, up to the first that is not answered yet (the watermark).

    Easy records are answered sooner than hard ones: evidence out of order would look better than the stream is.

    `most` records of each kind; fewer where their embeddings are so long that together they would have more than `most_bytes`.
    """

    most: int
    most_bytes: int
    # Both in the order of the stream: what is sent again once it is gone has a later place, and comes last.
    _lane: dict[str, Waiting] = field(default_factory=dict)
    _others: dict[str, Waiting] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._lane) + len(self._others)

    def __iter__(self) -> Iterator[Waiting]:
        yield from self._lane.values()
        yield from self._others.values()

    @property
    def awaited(self) -> int:
        """How many records may become evidence."""
        return len(self._lane)

    @property
    def full(self) -> bool:
        """Whether no more evidence can be awaited: people are far behind."""
        return len(self._lane) >= self.most

    @property
    def unanswered(self) -> int:
        """Calibration records that wait for people."""
        return sum(each.lane is True and each.answer is None for each in self._lane.values())

    @property
    def oldest_ms(self) -> int | None:
        """No record that may be evidence and is not complete was decided before this moment; None where there is none."""
        return min((each.since_ms for each in self._lane.values()), default=None)

    def is_awaited(self, record_id: str) -> bool:
        """Whether it may become evidence, or routing's word of it is still to come."""
        record = self.get(record_id)
        return record is not None and (record.counts or record.lane is None)

    def get(self, record_id: str) -> Waiting | None:
        """The record, if it is here."""
        return self._lane.get(record_id) or self._others.get(record_id)

    def add(self, record: Waiting) -> Waiting | None:
        """Takes a record in, in the order of the stream; where there are too many without evidence in them, the oldest goes: it is
        given back. One of the same id that was here is gone."""
        self.drop(record.record_id)
        near = record.prediction.embeddings
        if near is not None:
            self.most = min(self.most, max(1, self.most_bytes // (2 * near.nbytes)))
        if record.counts:
            self._lane[record.record_id] = record
            return None
        self._others[record.record_id] = record
        return self._others.pop(next(iter(self._others))) if len(self._others) > self.most else None

    def has_open_questions(self, lost_before_ms: int) -> bool:
        """Whether there is a barred record, written later, of which routing may still say that it is of the lane."""
        return any(each.barred and each.lane is None and each.at_ms > lost_before_ms for each in self._others.values())

    def drop(self, record_id: str) -> None:
        """Lets go of a record."""
        self._lane.pop(record_id, None)
        self._others.pop(record_id, None)

    def leave_lane(self, record: Waiting) -> Waiting | None:
        """It is not evidence after all; its answer may still teach. Gives back what had to go for it, as `add` does."""
        if self._lane.pop(record.record_id, None) is None:
            return None
        record.eligible = False
        return self.add(record)

    def overtaken(self, by: int) -> list[Waiting]:
        """Calibration records without an answer, behind which so many others have theirs."""
        found, behind = [], 0
        for record in reversed(self._lane.values()):
            if record.is_complete:
                behind += 1
            elif behind >= by and record.lane and record.answer is None:
                found.append(record)
        return found

    def complete(self, epoch: int) -> list[Waiting]:
        """Takes out what is complete up to the watermark, in order.

        What lies before `epoch` is evidence of nothing any more: it neither waits nor is waited for.
        """
        ready: list[Waiting] = []
        for record in self._lane.values():
            if record.is_complete:
                ready.append(record)
            elif record.place >= epoch:
                break
        for record in ready:
            del self._lane[record.record_id]
        return ready
