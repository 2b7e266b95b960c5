"""What is known of a lot: the labels that the model set in a stretch of time, and the calibration records drawn beside them.

label ──gate──▶ book and lane rate: a stratum ◀──gate── audit
                  └──▶ how far the audit is complete
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from streamlabel.cli.lot_labels import Book, Books, LabelsOfLot
from streamlabel.core.control import Gate
from streamlabel.core.label import Label, LabelSource
from streamlabel.gate.lot import Stratum

WITHOUT_GATE = "set without a gate, or by one that learning does not know"
NEVER_AUDITED = "set when their audit had ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lot:
    """Counts and ids. `standing` labels of the model are what is promised about; `superseded` ones are in the strata's counts
    as well, for whoever corrected, replaced or deleted them did not draw them at random. `not_covered` labels of the stretch are in
    neither; why.
    """

    strata: tuple[Stratum, ...]
    standing: int
    superseded: int
    unanswered: int
    not_covered: Mapping[str, int]
    audits: tuple[str, ...]
    gate_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Drawn:
    """An audited record: which label would have been set, what people said, and beside which labels it was drawn."""

    record_id: str
    gate_id: str
    wrong: bool
    answered: bool


# A book, and a lane rate in it: coins of the same record fall alike in two books, so these are never taken together.
_Place = tuple[int, float]


def gates_of_audits(project: str, audits: Sequence[Mapping[str, Any]]) -> set[str]:
    """The gates by which these records were drawn."""
    return {_gate_id(project, each) for each in audits if each["gate_number"]}


def gather_lot(
    project: str, labels: LabelsOfLot, audits: Sequence[Mapping[str, Any]], gates: Mapping[str, Gate], books: Books
) -> Lot:
    """The lot, stratum by stratum; of `audits` only those count whose record would have passed."""
    not_covered: Counter[str] = Counter()
    counts: Counter[_Place] = Counter()
    gate_ids: set[str] = set()
    still, superseded = 0, 0
    for each in labels.set_by_model():
        label, book = each.label, books.of(each.label)
        gate = gates.get(label.decision.gate_id)
        if gate is None or book is None:
            not_covered[WITHOUT_GATE] += each.stands
        elif not _is_covered(label, book):
            not_covered[NEVER_AUDITED] += each.stands
        else:
            counts[book.number, gate.lane_rate] += 1
            gate_ids.add(gate.gate_id)
            still, superseded = still + each.stands, superseded + (not each.stands)
    drawn = _drawn(project, labels, audits, gates, books)
    counted = [each for place in counts for each in drawn.get(place, ())]
    return Lot(
        strata=tuple(_stratum(place, counts[place], drawn.get(place, ())) for place in sorted(counts)),
        standing=still,
        superseded=superseded,
        unanswered=sum(not each.answered for each in counted),
        not_covered=+not_covered,
        audits=tuple(sorted(each.record_id for each in counted)),
        gate_ids=tuple(sorted(gate_ids | {each.gate_id for each in counted if each.gate_id in gates})),
    )


def _drawn(
    project: str,
    labels: LabelsOfLot,
    audits: Sequence[Mapping[str, Any]],
    gates: Mapping[str, Gate],
    books: Books,
) -> Mapping[_Place, Sequence[_Drawn]]:
    """What was drawn, by place. What routing drew by a gate that rested on another book than became richer by it is left out, as the
    labels that it set by such a gate are."""
    known = {each.number: each for each in books.all}
    drawn: defaultdict[_Place, list[_Drawn]] = defaultdict(list)
    for each in audits:
        book, gate_id = known.get(each["book_no"]), _gate_id(project, each)
        by = books.by_gate(each["gate_number"]) if each["gate_number"] else book
        if book is None or by is not book or not each["passable"]:
            continue
        if not book.covers(datetime.fromisoformat(each["decided_at"])):
            continue
        # The rate by which routing drew it; learning's own is ahead of it while a gate is on its way.
        rate = gates[gate_id].lane_rate if gate_id in gates else float(each["lane_rate"])
        now = labels.answer(each["record_id"], book.number)
        # Who answers nothing might have said that the model was wrong; who says something else later may be right.
        wrong = each["answer"] != each["predicted"] or now not in (None, each["predicted"])
        drawn[book.number, rate].append(
            _Drawn(record_id=each["record_id"], gate_id=gate_id, wrong=wrong, answered=each["answer"] is not None)
        )
    return drawn


def _stratum(place: _Place, labels: int, audits: Sequence[_Drawn]) -> Stratum:
    return Stratum(lane_rate=place[1], labels=labels, audited=len(audits), found=sum(each.wrong for each in audits))


def _is_covered(label: Label, book: Book) -> bool:
    # When the model set a label that is known by its correction only is not known any more: one too many makes the bound larger.
    return label.source is LabelSource.HUMAN or book.covers(label.labelled_at)


def _gate_id(project: str, audit: Mapping[str, Any]) -> str:
    return f"{project}/{audit['gate_number']}"
