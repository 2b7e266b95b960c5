"""What is known of a lot: the labels that the model set in a stretch of time, and the calibration records drawn beside them.

label ──gate──▶ book and lane rate: a stratum ◀──gate── audit
                  └──▶ how far the audit is complete
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from streamlabel.core.control import Gate, gate_number
from streamlabel.core.label import Label, LabelSource
from streamlabel.gate.lot import Stratum
from streamlabel.gate.lot_books import Book, Books
from streamlabel.gate.lot_labels import LabelsOfLot

WITHOUT_GATE = "set without a gate"
GATE_GONE = "set by a gate that learning does not keep (any more)"
NEVER_AUDITED = "set when their audit had ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """A calibration record as it became evidence of book number `book`. `gate` is the number of the one by which routing drew it
    (0: nobody knows), `lane_rate` the rate that learning knew of; `answer` is None where nobody answered in time, and `passable`
    says whether the model would have labelled it alone.
    """

    record_id: str
    book: int
    gate: int
    decided_at: datetime
    lane_rate: float
    predicted: str
    answer: str | None
    passable: bool


@dataclass(frozen=True, slots=True, order=True)
class LabelledBy:
    """Who set labels of a lot, and what was promised of them."""

    model_name: str
    model_version: int
    alpha: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Lot:
    """Counts and ids. `standing` labels of the model are what is promised about, `suspects` of them suspect; `superseded` ones are in
    the strata's counts as well, for whoever corrected, replaced or deleted them did not draw them at random. `not_covered` labels of
    the stretch are in neither; why. `audits_gone` records were drawn by gates of which nothing is kept, and left out.
    """

    strata: tuple[Stratum, ...]
    standing: int
    suspects: int
    superseded: int
    not_covered: Mapping[str, int]
    audits_gone: int
    audits: tuple[str, ...]
    gate_ids: tuple[str, ...]
    labelled_by: tuple[LabelledBy, ...]

    @property
    def unanswered(self) -> int:
        """How many of the audited records count as wrong only because nobody answered."""
        return sum(each.unanswered for each in self.strata)


@dataclass(frozen=True, slots=True)
class _Drawn:
    """An audited record: which label would have been set, what people said, and beside which labels it was drawn."""

    record_id: str
    gate_id: str
    wrong: bool
    answered: bool

    def joined(self, earlier: _Drawn | None) -> _Drawn:
        """With what was found of it before: wrong where it ever was."""
        if earlier is None:
            return self
        return replace(self, wrong=self.wrong or earlier.wrong, answered=self.answered and earlier.answered)


# A book, and a lane rate in it: coins of the same record fall alike in two books, so these are never taken together.
_Place = tuple[int, float]


def gates_of_audits(project: str, audits: Sequence[Audited]) -> set[str]:
    """The gates by which these records were drawn."""
    return {_gate_id(project, each) for each in audits if each.gate}


def gather_lot(
    project: str, labels: LabelsOfLot, audits: Sequence[Audited], gates: Mapping[str, Gate], books: Books
) -> Lot:
    """The lot, stratum by stratum; of `audits` only those count whose record would have passed. `gates` are those that are kept."""
    not_covered: Counter[str] = Counter()
    counts: Counter[_Place] = Counter()
    by: dict[str, Gate] = {}
    still = superseded = suspects = 0
    for each in labels.set_by_model():
        label, book = each.label, books.of(each.label)
        gate = gates.get(label.decision.gate_id)
        if gate is None or book is None:
            named = gate_number(project, label.decision.gate_id) is not None
            not_covered[GATE_GONE if named else WITHOUT_GATE] += each.stands
        elif not _is_covered(label, book):
            not_covered[NEVER_AUDITED] += each.stands
        else:
            counts[book.number, gate.lane_rate] += 1
            by[gate.gate_id] = gate
            still, superseded = still + each.stands, superseded + (not each.stands)
            suspects += each.stands and book.doubts(label.labelled_at)
    drawn, gone = _drawn(project, labels, audits, gates, books)
    counted = [each for place in counts for each in drawn.get(place, ())]
    return Lot(
        strata=tuple(_stratum(place, counts[place], drawn.get(place, ())) for place in sorted(counts)),
        standing=still,
        suspects=suspects,
        superseded=superseded,
        not_covered=+not_covered,
        audits_gone=gone,
        audits=tuple(sorted(each.record_id for each in counted)),
        gate_ids=tuple(sorted(by.keys() | {each.gate_id for each in counted if each.gate_id in gates})),
        labelled_by=tuple(
            sorted({LabelledBy(gate.model_name, gate.model_version, gate.alpha) for gate in by.values()})
        ),
    )


def _drawn(
    project: str, labels: LabelsOfLot, audits: Sequence[Audited], gates: Mapping[str, Gate], books: Books
) -> tuple[Mapping[_Place, Sequence[_Drawn]], int]:
    """What was drawn, by place, and how many records were left out because their gate is gone.

    The labels that such a gate set are left out too: its records would be an audit of labels beside which they were not drawn. Left
    out is as well what routing drew by a gate that rested on another book than the one that took it in: so are such a gate's labels.
    """
    known = {each.number: each for each in books.all}
    drawn: defaultdict[_Place, dict[str, _Drawn]] = defaultdict(dict)
    gone = 0
    for each in audits:
        book, gate_id = known.get(each.book), _gate_id(project, each)
        by = books.by_gate(each.gate) if each.gate else book
        if book is None or by is not book or not each.passable or not book.covers(each.decided_at):
            continue
        if each.gate and gate_id not in gates:
            gone += 1
            continue
        # The rate by which routing drew it; learning's own is ahead of it while a gate is on its way.
        rate = gates[gate_id].lane_rate if each.gate else each.lane_rate
        now = labels.answer(each.record_id, book.number)
        # Who answers nothing might have said that the model was wrong; who says something else later may be right.
        wrong = each.answer != each.predicted or now not in (None, each.predicted)
        # Of a record that is sent again the coin falls alike: it is one record that was drawn, as its label is one.
        of_place, told = drawn[book.number, rate], _Drawn(each.record_id, gate_id, wrong, each.answer is not None)
        of_place[each.record_id] = told.joined(of_place.get(each.record_id))
    return {place: list(found.values()) for place, found in drawn.items()}, gone


def _stratum(place: _Place, labels: int, audits: Sequence[_Drawn]) -> Stratum:
    return Stratum(
        lane_rate=place[1],
        labels=labels,
        audited=len(audits),
        found=sum(each.wrong for each in audits),
        unanswered=sum(not each.answered for each in audits),
    )


def _is_covered(label: Label, book: Book) -> bool:
    # When the model set a label that is known by its correction only is not known any more: one too many makes the bound larger.
    return label.source is LabelSource.HUMAN or book.covers(label.labelled_at)


def _gate_id(project: str, audit: Audited) -> str:
    return f"{project}/{audit.gate}"
