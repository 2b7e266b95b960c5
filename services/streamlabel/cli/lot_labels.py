"""The labels of a project that bear on a lot, out of every revision that its topic still holds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from streamlabel.cli.moments import from_ms
from streamlabel.core.control import gate_number
from streamlabel.core.decision import Purpose, Route
from streamlabel.core.label import Label, LabelSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """The evidence about one model version under one taxonomy and promise: gates from number `first_gate` on rest on it, up to the
    first of the next book. The calibration records drawn by them are complete before `confirmed_until` (None: nowhere).
    """

    number: int
    first_gate: int
    confirmed_until: datetime | None
    ended: bool = False

    def covers(self, moment: datetime) -> bool:
        """Whether the audit of that moment is complete."""
        return self.confirmed_until is not None and moment < self.confirmed_until


class Books:
    """All books of a project, as learning tells of them."""

    def __init__(self, project: str, books: Iterable[Book]) -> None:
        self._project = project
        self.all = sorted(books, key=lambda each: each.number)

    @classmethod
    def told(cls, project: str, facts: Iterable[Mapping[str, Any]]) -> Books:
        """Out of the answer of learning. A book none of whose gates is known says nothing of any label."""
        return cls(
            project,
            (
                Book(
                    number=each["book_no"],
                    first_gate=each["first_gate"],
                    confirmed_until=from_ms(each["confirmed_until_ms"]) if each["confirmed_until_ms"] else None,
                    ended=each["ended_at_ms"] is not None,
                )
                for each in facts
                if each["first_gate"] is not None
            ),
        )

    def by_gate(self, number: int) -> Book | None:
        """The book on which the gate of that number rested; None where nobody knows."""
        return next((each for each in reversed(self.all) if each.first_gate <= number), None)

    def of(self, label: Label) -> Book | None:
        """The book on which the gate rested by which the label, or its task, came about."""
        number = gate_number(self._project, label.decision.gate_id)
        return None if number is None else self.by_gate(number)


@dataclass(slots=True)
class SetByModel:
    """A label that the model set in the stretch, or may have set: then it is the correction that is known. `stands`: it is the
    record's last word."""

    label: Label
    stands: bool


# Which book; 0 where nobody knows.
_BookNo = int


class LabelsOfLot:
    """Takes revisions in, of each record in the order in which they were set."""

    def __init__(self, begin: datetime, end: datetime, books: Books) -> None:
        self._begin = begin
        self._end = end
        self._books = books
        self._set: defaultdict[str, dict[_BookNo, SetByModel]] = defaultdict(dict)
        self._answers: dict[tuple[str, _BookNo], str] = {}

    def take(self, revisions: Iterable[tuple[str, Label | None]]) -> None:
        """The next revisions by record; None where a label was deleted."""
        for record_id, label in revisions:
            # Whatever comes now, what was there is the record's last word no more.
            for known in self._set.get(record_id, {}).values():
                known.stands = False
            if label is not None:
                self._take(record_id, label)

    def set_by_model(self) -> Iterator[SetByModel]:
        """Each label that the model set in the stretch, once a book."""
        for of_record in self._set.values():
            yield from of_record.values()

    def answer(self, record_id: str, book: _BookNo) -> str | None:
        """What people say of a calibration record now; None where no label says it."""
        return self._answers.get((record_id, book))

    def gate_ids(self) -> set[str]:
        """The gates by which these labels were set."""
        return {each.label.decision.gate_id for each in self.set_by_model()}

    def _take(self, record_id: str, label: Label) -> None:
        book = self._books.of(label)
        number = 0 if book is None else book.number
        if label.source is LabelSource.MODEL:
            if self._begin <= label.labelled_at < self._end:
                self._set[record_id][number] = SetByModel(label, stands=True)
            return
        if label.decision.purpose is Purpose.CALIBRATE:
            self._answers[record_id, number] = label.class_name
        if label.decision.route is Route.AUTO_LABEL and label.labelled_at >= self._begin:
            # The model's own label may be gone by compaction: perhaps it was set in the stretch.
            self._set[record_id].setdefault(number, SetByModel(label, stands=False))
