"""One record that nobody answers holds up the evidence behind it; it must blind nothing and bury nothing."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from streamlabel.core.control import GateState
from streamlabel.gate.guard import PriceGuard
from streamlabel.gate.sample import NOT_ASKED
from streamlabel.learning.rules.book import Book
from streamlabel.learning.rules.book_storage import dump_book, load_book
from streamlabel.learning.rules.events import UNKNOWN_CLASS, Flags, Seen
from streamlabel.learning.rules.limits import BookLimits
from streamlabel.learning.rules.subject import Subject
from support.gate_stream import CLASSES, Asked, GateStream, people_said

SUBJECT = Subject(
    project="p", model_name="m", model_version=1, taxonomy_version=1, class_names=CLASSES, alpha=0.05, delta=0.1
)
LIMITS = BookLimits(overtaken=50, overtaken_ms=20_000)


@dataclass
class HeldUp(GateStream):
    """A stream in which the answer to one calibration record can be kept back."""

    holds: bool = False
    held: Asked | None = None
    drawn: list[str] = field(default_factory=list)

    def answer(self, asked: list[Asked]) -> None:
        """All but the one."""
        if self.holds and self.held is None:
            self.held = next((each for each in asked if each[2]), None)
        super().answer([each for each in asked if each is not self.held])

    def route(self, ids: tuple[str, ...], *, lane: Flags, passable: Flags, twice: Flags, passed: Flags) -> None:
        """Remembers the calibration records that would have passed."""
        self.drawn += [record_id for record_id, drawn in zip(ids, lane & passable, strict=True) if drawn]
        super().route(ids, lane=lane, passable=passable, twice=twice, passed=passed)

    def live_until_certified(self) -> None:
        """Well past the first certificate."""
        while not (self.book.standing.state is GateState.CERTIFIED and len(self.book.keeper.window) > 300):
            self.step(error=0.01)

    def hold_one(self) -> Asked:
        """From now on nobody answers this one."""
        self.holds = True
        while self.held is None:
            self.step(error=0.01)
        return self.held


def held_up(limits: BookLimits) -> HeldUp:
    life = HeldUp(Book(SUBJECT, limits))
    life.live_until_certified()
    return life


def test_the_guard_hears_errors_behind_a_record_that_nobody_answers() -> None:
    """What passes may be wrong no more often than the guard promises, and one more for the one that is not answered."""
    life = held_up(BookLimits())
    life.hold_one()
    begin = len(life.drawn)
    while life.book.standing.state is GateState.CERTIFIED and life.place < 20_000:
        life.step(error=0.2)
    excess = sum(life.wrong[record_id] - SUBJECT.alpha for record_id in life.drawn[begin:])
    assert excess <= PriceGuard(alpha=SUBJECT.alpha).excess_bound + 1
    assert life.book.standing.state is not GateState.CERTIFIED


def test_a_record_of_an_epoch_that_is_over_does_not_hold_up_the_next() -> None:
    life = held_up(BookLimits())
    life.hold_one()
    while life.book.standing.state is GateState.CERTIFIED:
        life.step(error=0.7)
    begin = life.place
    while life.book.standing.state is not GateState.CERTIFIED and life.place - begin < 8_000:
        life.step(error=0.01)
    assert life.book.standing.state is GateState.CERTIFIED
    assert life.held is not None
    record = life.book.room.get(life.held[0])
    assert record is not None
    # What came before it is not confirmed all the same.
    assert life.book.confirmed_until_ms <= record.at_ms


def test_what_many_have_overtaken_counts_as_an_error_until_somebody_answers_it() -> None:
    life = held_up(LIMITS)
    record_id, first, *_ = life.hold_one()
    life.live(2_500)
    assert life.book.room.get(record_id) is not None
    life.live(5_000)
    assert life.book.room.get(record_id) is None
    use = life.book.used.get(record_id)
    assert use is not None
    assert use.place is not None
    row = life.book.keeper.window.at(use.place)
    assert row is not None
    assert row.truth.tolist() == [UNKNOWN_CLASS]
    [audit] = [each for each in life.book.take_audits() if each.record_id == record_id]
    assert audit.answer == UNKNOWN_CLASS
    life.book.apply(people_said((record_id,), [first], lane=[True], passable=[use.passable]))
    row = life.book.keeper.window.at(use.place)
    assert row is not None
    assert row.truth.tolist() == [first]


def test_who_corrects_an_answer_that_is_evidence_already_is_heard() -> None:
    life = held_up(BookLimits())
    book = life.book
    rows = book.keeper.window.rows()
    assert rows is not None
    uses = {use.place: record_id for record_id, use in book.used if use.place is not None and use.passable}
    right = [place for place in rows.places[~rows.wrong].tolist() if place in uses][-40:]
    for place in right:
        model = int(rows.predictions.predicted[rows.places == place][0])
        said = people_said((uses[place],), [(model + 1) % 3], lane=[True], passable=[True])
        book.apply(said)
        # Heard twice, it counts once.
        book.apply(said)
    assert len(right) == 40
    assert book.standing.state is GateState.REVOKED


def test_a_record_that_is_sent_again_is_audited_again_and_is_no_second_piece_of_evidence() -> None:
    life = held_up(BookLimits())
    book = life.book
    book.take_audits()
    evidence = len(book.keeper.window)
    again = next(record_id for record_id, use in reversed(list(book.used)) if use.place is not None)
    predictions, truth = life.records(np.random.default_rng(1), 0.0)
    one = predictions.take(slice(0, 1))
    now_ms = life.now_ms
    book.apply(Seen(at_ms=now_ms, earliest_ms=now_ms, record_ids=(again,), predictions=one, coins=np.zeros(1)))
    flags = {name: np.array([name == "lane"]) for name in ("lane", "passable", "twice", "passed")}
    life.route((again,), **flags)
    book.apply(people_said((again,), truth[:1], lane=[True], passable=[False]))
    assert [audit.record_id for audit in book.take_audits()] == [again]
    assert len(book.keeper.window) == evidence
    book.take_steps()
    assert dict(load_book(dump_book(book), SUBJECT, book.limits).used) == dict(book.used)


def test_what_a_correction_says_is_the_latest_word_of_both_people() -> None:
    life = held_up(BookLimits())
    keeper = life.book.keeper
    rows = keeper.window.rows()
    assert rows is not None
    place = int(rows.places[-1])
    keeper.amend(place, 2, 1, passable=False)
    row = keeper.window.at(place)
    assert row is not None
    assert (row.truth.tolist(), row.second.tolist()) == ([2], [1])
    keeper.amend(place, 2, NOT_ASKED, passable=False)
    keeper.amend(10**9, 0, NOT_ASKED, passable=False)
    assert len(keeper.window) == len(rows)
