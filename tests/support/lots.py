"""Lots made of labels and calibration records, without a stack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from streamlabel.core.control import Gate
from streamlabel.core.label import Label, LabelSource
from streamlabel.gate.lot_books import Book, Books
from streamlabel.gate.lot_evidence import Audited, Lot, gather_lot
from streamlabel.gate.lot_labels import LabelsOfLot
from support.gates import NOW, a_gate

HOUR = timedelta(hours=1)
BEGIN, END = NOW, NOW + 10 * HOUR
OPEN = Book(number=1, first_gate=1, confirmed_until=END)


def gate(number: int, rate: float = 0.05, **changes: Any) -> Gate:
    return a_gate(gate_id=f"mail/{number}", lane_rate=rate, **changes).gate


def audit(record_id: str, *, rate: float = 0.05, at: datetime = NOW + HOUR, **changes: Any) -> Audited:
    """A record for which the model had `spam`, as people say too, drawn by the first gate."""
    drawn = Audited(
        record_id=record_id,
        book=1,
        gate=1,
        decided_at=at,
        lane_rate=rate,
        predicted="spam",
        answer="spam",
        passable=True,
    )
    return replace(drawn, **changes)


def corrected(label: Label, at: datetime) -> Label:
    return replace(
        label,
        source=LabelSource.HUMAN,
        annotators=("ann",),
        revision=2,
        supersedes_revision=1,
        labelled_at=at,
        class_name="ham",
    )


def gathered(
    labels: Sequence[Label | str],
    audits: Sequence[Audited],
    gates: Sequence[Gate] = (),
    books: Sequence[Book] = (OPEN,),
) -> Lot:
    """Of labels in the order in which they were set; a name is that of a record whose label was deleted. The first gate is kept,
    unless others are."""
    known = Books("mail", books)
    of_lot = LabelsOfLot(BEGIN, END, known)
    of_lot.take([(each, None) if isinstance(each, str) else (each.key.record_id, each) for each in labels])
    return gather_lot("mail", of_lot, audits, {each.gate_id: each for each in gates or [gate(1)]}, known)
