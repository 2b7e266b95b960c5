"""Whether the audits are all there: people's blind answers stand on the topic of labels, too, and not only in the database."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from streamlabel.core.control import gate_number
from streamlabel.core.decision import Decision, DecisionReason, Purpose
from streamlabel.core.label import Label, LabelSource
from streamlabel.gate.lot_books import Books

# Clocks of the door, of routing, review and learning may differ by so much.
_CLOCKS = timedelta(minutes=1)


class BlindAnswers:
    """Takes revisions in; keeps the answers about calibration records that came in from `begin` on, were answered before `until`, and
    would have passed, as far as the evidence of their book is complete: each of those records became an audit."""

    def __init__(self, project: str, begin: datetime, until: datetime, books: Books) -> None:
        self._project = project
        self._begin = begin + _CLOCKS
        self._until = until - _CLOCKS
        self._books = books
        self._gate_of: dict[str, int] = {}

    def take(self, revisions: Iterable[tuple[str, Label | None]]) -> None:
        """The next revisions by record; None where a label was deleted."""
        for record_id, label in revisions:
            if label is not None and self._is_complete(label):
                self._gate_of[record_id] = gate_number(self._project, label.decision.gate_id) or 0

    def without(self, audited: Collection[str]) -> dict[str, int]:
        """The records of which no audit is told, though they were audited; with the number of the gate by which each was drawn."""
        return {record_id: gate for record_id, gate in self._gate_of.items() if record_id not in audited}

    def _is_complete(self, label: Label) -> bool:
        if label.source is not LabelSource.HUMAN or label.ingested_at is None or not would_have_passed(label.decision):
            return False
        book = self._books.of(label)
        return (
            book is not None
            and self._begin <= label.ingested_at
            and label.labelled_at < self._until
            and book.covers(label.labelled_at + _CLOCKS)
        )


def would_have_passed(decision: Decision) -> bool:
    """Whether it sent to the calibration lane what the model would have labelled alone."""
    return (
        decision.purpose is Purpose.CALIBRATE
        and decision.reason is DecisionReason.CALIBRATION_LANE
        and math.isfinite(decision.threshold)
        and decision.score >= decision.threshold
    )
