"""The labels of a project that bear on a lot, out of every revision that its topic still holds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from streamlabel.core.decision import Purpose, Route
from streamlabel.core.label import Label, LabelSource
from streamlabel.gate.lot_books import Books


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
