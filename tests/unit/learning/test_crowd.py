"""People far behind: no label is set that nobody will vouch for, and none is taken for vouched that was."""

from __future__ import annotations

import re

import numpy as np
import pytest

from streamlabel.core.control import GateState
from streamlabel.learning.rules.book import Book
from streamlabel.learning.rules.book_storage import dump_book, load_book
from streamlabel.learning.rules.events import UNKNOWN_CLASS, Routed, Seen, Ticked
from streamlabel.learning.rules.limits import BookLimits
from streamlabel.learning.rules.points import point_of
from streamlabel.learning.rules.subject import Subject
from streamlabel.learning.rules.suspicions import Suspicion
from support.gate_stream import CLASSES, GateStream, people_said

SUBJECT = Subject(
    project="p", model_name="m", model_version=1, taxonomy_version=1, class_names=CLASSES, alpha=0.1, delta=0.1
)
LIMITS = BookLimits(waiting=80, answer_ms=600_000, decision_ms=10_000)


def told(life: GateStream) -> list[tuple[GateState, str]]:
    return [(step.transition.state, step.transition.reason) for step in life.book.take_steps()]


def open_gate() -> GateStream:
    life = GateStream(Book(SUBJECT, LIMITS))
    life.live(3000)
    assert life.book.standing.state is GateState.CERTIFIED
    life.book.take_steps()
    life.book.take_audits()
    return life


def crowded() -> GateStream:
    """Nobody has answered for a while."""
    life = open_gate()
    while not life.book.crowd.is_here:
        life.live(25, answer=False)
    return life


def test_a_gate_is_shut_while_people_are_too_far_behind_to_vouch_for_it() -> None:
    life = crowded()
    book, begin = life.book, life.place
    standing = book.standing
    assert (standing.state, standing.threshold) == (GateState.SUSPENDED, np.inf)
    assert standing.certified_at_ms is None
    state, reason = told(life)[-1]
    assert state is GateState.SUSPENDED
    assert re.fullmatch(r"people are far behind: \d+ calibration records wait for an answer", reason)
    assert book.room.awaited < LIMITS.waiting, "what routing lets pass until it hears of this is still audited"
    life.live(500, answer=False)
    assert not any(list(life.passed.values())[begin:])
    point = point_of(book, life.now_ms)
    assert point.state is GateState.SUSPENDED
    assert point.answers_needed == book.room.awaited - LIMITS.waiting // 2
    # Evidence goes by what was asked, and nothing is confirmed beyond what is answered.
    first = next(iter(book.room))
    assert book.confirmed_until_ms == first.at_ms
    while life.pending:
        life.answer(life.pending.pop(0))
    assert told(life)[-1] == (GateState.CERTIFIED, "people have caught up")
    standing = book.standing
    assert max(standing.threshold, standing.guard_threshold) == book.keeper.threshold < np.inf
    assert standing.suspicions == ()
    life.live(500)
    assert any(list(life.passed.values())[-500:])


def test_what_the_evidence_certifies_meanwhile_waits_for_people() -> None:
    life = GateStream(Book(SUBJECT, LIMITS))
    life.live(200, answer=False)
    while life.book.keeper.state is not GateState.CERTIFIED:
        # They keep pace, and never catch up.
        life.live(25)
    assert life.book.crowd.is_here
    [(state, reason)] = told(life)
    assert state is GateState.SUSPENDED
    assert reason.startswith("certified, but people are far behind: ")
    assert life.book.standing.state is GateState.SUSPENDED
    assert not any(life.passed.values())


def missed(life: GateStream) -> tuple[str, int]:
    """Fills the room, and has one more record come whose coin is of the lane; its id, and when it was written."""
    while not life.book.room.full:
        life.live(25, answer=False)
    predictions, _ = life.records(np.random.default_rng(7), 0.02)
    now_ms = life.now_ms
    one = predictions.take(slice(0, 1))
    life.book.apply(Seen(at_ms=now_ms, earliest_ms=now_ms, record_ids=("x",), predictions=one, coins=np.zeros(1)))
    return "x", now_ms


def routed(record_id: str, decided_ms: int, *, lane: bool = True, passable: bool = True) -> Routed:
    return Routed(
        at_ms=decided_ms,
        record_ids=(record_id,),
        lane=np.array([lane]),
        passable=np.array([passable]),
        twice=np.array([False]),
        passed=np.array([False]),
        decided_ms=np.array([decided_ms]),
        gates=np.array([3]),
    )


def test_a_calibration_record_that_found_no_room_is_an_error_and_casts_doubt_on_the_labels_beside_it() -> None:
    """Routing had not heard yet that the gate is shut."""
    life = crowded()
    record_id, at_ms = missed(life)
    book, since_ms = life.book, life.book.crowd.missed_from_ms
    assert since_ms is not None
    book.apply(routed(record_id, at_ms + 40))
    [audit] = book.take_audits()
    assert (audit.record_id, audit.at_ms, audit.gate, audit.passable) == ("x", at_ms + 40, 3, True)
    assert audit.answer == UNKNOWN_CLASS
    assert book.standing.suspicions == (Suspicion(since_ms, at_ms + 41),)
    # Told again, and answered: it is counted once.
    yes = np.array([True])
    book.apply(routed(record_id, at_ms + 40))
    book.apply(people_said((record_id,), np.array([1]), lane=yes, passable=yes, at_ms=at_ms))
    assert book.take_audits() == []


@pytest.mark.parametrize("word", ["below the threshold", "not of the lane"])
def test_one_that_would_not_have_passed_does_no_harm(word: str) -> None:
    life = crowded()
    record_id, at_ms = missed(life)
    book, held = life.book, life.book.crowd.missed_from_ms
    while life.pending:
        life.answer(life.pending.pop(0))
    book.apply(Ticked(at_ms=at_ms, horizon_ms=at_ms + 5_000))
    # Nobody knows yet what routing makes of it.
    assert (book.standing.state, book.confirmed_until_ms) == (GateState.SUSPENDED, held)
    book.take_audits()
    book.apply(routed(record_id, at_ms + 40, lane=word != "not of the lane", passable=False))
    assert book.take_audits() == []
    assert book.standing.state is GateState.CERTIFIED
    assert (book.standing.suspicions, book.confirmed_until_ms) == ((), at_ms + 5_000)


def test_one_of_which_routing_never_speaks_holds_nobody_up_for_ever() -> None:
    life = crowded()
    _, at_ms = missed(life)
    while life.pending:
        life.answer(life.pending.pop(0))
    assert life.book.standing.state is GateState.SUSPENDED
    life.book.apply(routed("later", at_ms + LIMITS.decision_ms))
    life.book.apply(Ticked(at_ms=at_ms, horizon_ms=at_ms + LIMITS.decision_ms))
    assert life.book.standing.state is GateState.CERTIFIED


def test_one_that_has_to_go_before_routing_speaks_of_it_is_an_error() -> None:
    life = crowded()
    _, at_ms = missed(life)
    life.book.take_audits()
    life.live(400, answer=False)
    audits = life.book.take_audits()
    assert [(audit.record_id, audit.at_ms, audit.answer) for audit in audits] == [("x", at_ms, UNKNOWN_CLASS)]


def test_a_word_that_comes_too_late_is_an_error_too() -> None:
    """The record was taken to be lost on the way: whatever is answered now was not in the evidence of its time."""
    life = open_gate()
    book, now_ms = life.book, life.now_ms
    predictions, _ = life.records(np.random.default_rng(7), 0.02)
    one = predictions.take(slice(0, 1))
    book.apply(Seen(at_ms=now_ms, earliest_ms=now_ms, record_ids=("x",), predictions=one, coins=np.zeros(1)))
    book.apply(routed("later", now_ms + LIMITS.decision_ms))
    book.apply(Ticked(at_ms=now_ms, horizon_ms=now_ms + LIMITS.decision_ms))
    assert book.take_audits() == []
    book.apply(routed("x", now_ms + 12_000))
    [audit] = book.take_audits()
    assert (audit.at_ms, audit.answer) == (now_ms + 12_000, UNKNOWN_CLASS)
    assert book.standing.suspicions == (Suspicion(now_ms, now_ms + 12_001),)
    assert book.standing.state is GateState.CERTIFIED


def test_a_crowded_book_that_was_put_away_goes_on_as_if_nothing_had_been() -> None:
    life = crowded()
    missed(life)
    told(life)
    second = load_book(dump_book(life.book), SUBJECT, LIMITS)
    assert dump_book(second) == dump_book(life.book)
    before = len(life.log)
    while life.pending:
        life.answer(life.pending.pop(0))
    life.book.apply(routed("x", life.now_ms))
    for event in life.log[before:]:
        second.apply(event)
    second.apply(routed("x", life.now_ms))
    assert second.take_steps() == life.book.take_steps()
    assert second.standing == life.book.standing
