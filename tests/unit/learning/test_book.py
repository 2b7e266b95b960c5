"""The book of one subject: what becomes evidence, in which order, and what the gate makes of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from streamlabel.core.control import GateState
from streamlabel.gate.storage import pack, unpack
from streamlabel.learning.rules.book import Book
from streamlabel.learning.rules.book_storage import dump_book, load_book
from streamlabel.learning.rules.early import EarlyWord, EarlyWords
from streamlabel.learning.rules.events import UNKNOWN_CLASS, Routed, Seen, Ticked, Word
from streamlabel.learning.rules.journal import pack_events, unpack_events
from streamlabel.learning.rules.limits import BookLimits
from streamlabel.learning.rules.standing import Step
from streamlabel.learning.rules.subject import Subject
from support.gate_stream import CLASSES, GateStream, people_said

SUBJECT = Subject(
    project="p", model_name="m", model_version=1, taxonomy_version=1, class_names=CLASSES, alpha=0.1, delta=0.1
)
LIMITS = BookLimits(waiting=2000, answer_ms=60_000, decision_ms=10_000)


def stream(**more: int | bool) -> GateStream:
    return GateStream(Book(SUBJECT, LIMITS), **more)  # type: ignore[arg-type]


def states(steps: list[Step]) -> list[GateState]:
    return [step.transition.state for step in steps]


@pytest.mark.parametrize("delay", [0, 8])
def test_a_gate_opens_and_keeps_its_promise(delay: int) -> None:
    life = stream(delay=delay)
    life.live(4000)
    assert life.book.standing.state is GateState.CERTIFIED
    assert life.book.standing.lane_rate == life.book.keeper.policy.lane_rate
    assert sum(life.passed.values()) > 1000
    assert life.error() <= 0.1
    assert 0.5 < life.book.course.coverage < 1
    assert life.book.standing.certified_at_ms is not None
    assert set(states(life.book.take_steps())) == {GateState.CERTIFIED}
    assert life.book.take_steps() == []


def test_only_what_is_answered_without_a_gap_becomes_evidence() -> None:
    life = stream(delay=10**9)
    life.live(500)
    lane, book = life.lane, life.book
    asked = {record_id: entry for batch in life.pending for entry in batch for record_id in entry[:1]}
    life.answer([asked[record_id] for record_id in lane[1:40]])
    assert book.take_audits() == []
    life.answer([asked[lane[0]]])
    assert [audit.record_id for audit in book.take_audits()] == lane[:40]
    life.answer([asked[record_id] for record_id in lane[41:60]])
    assert book.take_audits() == []
    assert book.confirmed_until_ms == 1_000_000 + 100 * (int(lane[40][1:]) // life.batch)


def test_a_calibration_record_that_nobody_answers_in_time_is_an_error() -> None:
    life = stream(delay=10**9)
    life.live(100)
    book, first = life.book, life.lane[0]
    asked = {entry[0]: entry for batch in life.pending for entry in batch}
    life.answer([asked[record_id] for record_id in life.lane[1:]])
    book.apply(Ticked(at_ms=life.now_ms, horizon_ms=life.now_ms + LIMITS.answer_ms))
    audits = book.take_audits()
    assert [audit.record_id for audit in audits] == life.lane
    assert audits[0].answer == UNKNOWN_CLASS
    # Its answer comes late and changes nothing any more.
    life.answer([asked[first]])
    assert book.take_audits() == []
    assert book.room.unanswered == 0


def test_a_record_that_routing_never_spoke_of_holds_nobody_up_for_long() -> None:
    life = stream(delay=10**9)
    book = life.book
    predictions, truth = life.records(np.random.default_rng(0), 0.02)
    ids = tuple(f"lost{row}" for row in range(len(truth)))
    coins = np.zeros(len(truth))
    now_ms = life.now_ms
    book.apply(Seen(at_ms=now_ms, earliest_ms=now_ms, record_ids=ids, predictions=predictions, coins=coins))
    life.live(50)
    asked = [entry for batch in life.pending for entry in batch]
    life.answer(asked)
    book.apply(Ticked(at_ms=now_ms, horizon_ms=now_ms + LIMITS.decision_ms))
    # Routing may be behind, or away, and has labels to set when it is back: what it has not come to yet is not lost.
    assert book.take_audits() == []
    book.apply(routed("x", decided_ms=now_ms + LIMITS.decision_ms))
    book.apply(Ticked(at_ms=now_ms, horizon_ms=now_ms + LIMITS.decision_ms))
    assert [audit.record_id for audit in book.take_audits()] == life.lane
    # Its word comes after all: it teaches, but is no evidence.
    one = np.array([True])
    book.apply(people_said(("lost0",), np.array([1]), lane=one, passable=~one, at_ms=0))
    assert book.take_audits() == []


def test_who_comes_back_after_a_day_hears_the_words_of_that_day_before_time_runs_out() -> None:
    life = stream(delay=10**9)
    life.live(50)
    asked = [entry for batch in life.pending for entry in batch]
    # The clock is far ahead, what was read is not.
    life.book.apply(Ticked(at_ms=life.now_ms + 10 * LIMITS.answer_ms, horizon_ms=life.now_ms))
    life.answer(asked)
    audits = life.book.take_audits()
    assert [audit.record_id for audit in audits] == life.lane
    assert all(audit.answer != UNKNOWN_CLASS for audit in audits)


def test_a_place_of_long_ago_is_dated_too_early_rather_than_too_late() -> None:
    life = stream()
    life.batch = 1
    life.live(10_000)
    assert len(life.book.course.times) <= 4096
    began_ms = life.now_ms - 100 * 10_000
    for place in (0, 3, 777, 5_000, 9_999):
        moment_ms = began_ms + 100 * place
        found_ms = max((at_ms for begin, at_ms in life.book.course.times if begin <= place), default=None)
        assert found_ms is not None
        assert moment_ms - 2_000 <= found_ms <= moment_ms


def routed(*record_ids: str, decided_ms: int = 0, lane: bool = True, passable: bool = False, gate: int = 1) -> Routed:
    rows = len(record_ids)
    return Routed(
        at_ms=decided_ms,
        record_ids=record_ids,
        lane=np.full(rows, lane),
        passable=np.full(rows, passable),
        twice=np.zeros(rows, dtype=bool),
        passed=np.zeros(rows, dtype=bool),
        decided_ms=np.full(rows, decided_ms),
        gates=np.full(rows, gate),
    )


@pytest.mark.parametrize("order", ["task first", "answer first"])
def test_what_is_told_before_the_record_is_seen_waits_for_it(order: str) -> None:
    life = stream()
    book = life.book
    predictions, truth = life.records(np.random.default_rng(0), 0.02)
    yes, no = np.array([True]), np.array([False])
    task = routed("x0", decided_ms=70, gate=9)
    answered = people_said(("x0",), truth[:1], lane=yes, passable=no, at_ms=0)
    for event in {"task first": [task, answered], "answer first": [answered, task]}[order]:
        book.apply(event)
    coins = np.zeros(2)
    seen = Seen(at_ms=1, earliest_ms=1, record_ids=("x0", "x1"), predictions=predictions.take(slice(0, 2)), coins=coins)
    book.apply(seen)
    [audit] = book.take_audits()
    assert (audit.record_id, audit.answer, audit.at_ms, audit.gate) == ("x0", truth[0], 70, 9)
    # A second time is no second evidence.
    book.apply(task)
    book.apply(answered)
    assert book.take_audits() == []


@pytest.mark.parametrize("again", ["calibration", "train", "passed"])
def test_a_record_that_is_sent_again_while_it_waits_is_the_same_one_still(again: str) -> None:
    life = stream()
    book = life.book
    predictions, truth = life.records(np.random.default_rng(0), 0.02)
    one, yes = predictions.take(slice(0, 1)), np.array([True])
    seen = Seen(at_ms=1, earliest_ms=1, record_ids=("x0",), predictions=one, coins=np.zeros(1))
    later = routed("x0", decided_ms=900, lane=again == "calibration", gate=2)
    for event in (seen, routed("x0", decided_ms=70, passable=True, gate=1), seen):
        book.apply(event)
    book.apply(replace(later, passed=np.array([again == "passed"])))
    # Review tells of the newer decision.
    book.apply(people_said(("x0",), truth[:1], lane=yes, passable=~yes, at_ms=1000))
    [audit] = book.take_audits()
    assert (audit.at_ms, audit.gate, audit.passable, audit.answer) == (70, 1, True, truth[0])
    assert (book.keeper.place, len(book.room)) == (1, 0)


@pytest.mark.parametrize("order", ["prediction first", "task first"])
def test_a_record_that_was_evidence_or_only_taught_may_be_drawn_when_it_is_sent_again(order: str) -> None:
    life = stream()
    book = life.book
    predictions, truth = life.records(np.random.default_rng(0), 0.02)
    ids, two, yes = ("x0", "x1"), predictions.take(slice(0, 2)), np.ones(2, dtype=bool)
    seen = Seen(at_ms=1, earliest_ms=1, record_ids=ids, predictions=two, coins=np.zeros(2))
    # The first is answered, the second is no evidence and waits for an answer.
    for event in (seen, routed("x0", decided_ms=70, gate=1), routed("x1", decided_ms=70, lane=False, gate=1)):
        book.apply(event)
    book.apply(people_said(ids[:1], truth[:1], lane=yes[:1], passable=~yes[:1]))
    assert [audit.record_id for audit in book.take_audits()] == ["x0"]
    task = routed(*ids, decided_ms=900, passable=True, gate=2)
    for event in {"prediction first": (seen, task), "task first": (task, seen)}[order]:
        book.apply(event)
    assert book.room.unanswered == 2
    book.apply(people_said(ids, truth[:2], lane=yes, passable=yes, at_ms=1000))
    audits = book.take_audits()
    assert [(audit.record_id, audit.at_ms, audit.gate) for audit in audits] == [("x0", 900, 2), ("x1", 900, 2)]
    assert (book.keeper.place, book.calibrated, len(book.room), len(book.early)) == (4, 3, 0, 0)


@pytest.mark.parametrize("said", ["soon", "never"])
def test_a_calibration_record_is_dated_by_routing(said: str) -> None:
    """As the labels beside it are; where nobody says when it was decided, by when it was written."""
    life = stream()
    book, now_ms = life.book, life.now_ms
    predictions, truth = life.records(np.random.default_rng(0), 0.02)
    one = predictions.take(slice(0, 1))
    book.apply(Seen(at_ms=now_ms, earliest_ms=now_ms, record_ids=("x0",), predictions=one, coins=np.zeros(1)))
    yes, no = np.array([True]), np.array([False])
    book.apply(people_said(("x0",), truth[:1], lane=yes, passable=no, at_ms=now_ms))
    book.apply(Ticked(at_ms=now_ms, horizon_ms=now_ms + LIMITS.decision_ms - 1))
    assert book.take_audits() == []
    assert book.confirmed_until_ms == now_ms
    if said == "soon":
        book.apply(routed("x0", decided_ms=now_ms + 5_000, gate=4))
    book.apply(routed("x1", decided_ms=now_ms + LIMITS.decision_ms))
    book.apply(Ticked(at_ms=now_ms, horizon_ms=now_ms + LIMITS.decision_ms))
    [audit] = book.take_audits()
    assert (audit.at_ms, audit.gate) == ((now_ms + 5_000, 4) if said == "soon" else (now_ms, 0))


def test_nothing_is_confirmed_beyond_what_routing_decided_by_a_slower_clock() -> None:
    life = stream()
    book, now_ms = life.book, life.now_ms
    predictions, _ = life.records(np.random.default_rng(0), 0.02)
    one = predictions.take(slice(0, 1))
    book.apply(Seen(at_ms=now_ms, earliest_ms=now_ms, record_ids=("x0",), predictions=one, coins=np.zeros(1)))
    book.apply(routed("x0", decided_ms=now_ms - 700))
    book.apply(Ticked(at_ms=now_ms, horizon_ms=now_ms + 10))
    assert book.confirmed_until_ms == now_ms - 700


def test_words_that_can_be_of_no_use_any_more_are_dropped() -> None:
    """Of a record that passed nothing waits for routing's word: kept, such words would push out those that are still wanted."""
    life = stream()
    life.live(4000)
    assert any(life.passed.values())
    assert len(life.book.early) == 0
    life.book.apply(routed("still to come", decided_ms=life.now_ms))
    life.book.apply(Ticked(at_ms=life.now_ms, horizon_ms=life.now_ms))
    assert len(life.book.early) == 1
    life.book.apply(Ticked(at_ms=life.now_ms, horizon_ms=life.now_ms + 1))
    assert len(life.book.early) == 0


def test_of_words_that_come_early_the_oldest_go_first() -> None:
    early = EarlyWords(2)
    word, later = Word(lane=True, passable=False, decided_ms=5, gate=3), Word(lane=True, passable=False)
    early.keep("a", later, 1, heard_ms=1)
    early.keep("b", word, None, heard_ms=2)
    early.keep("a", word, None, heard_ms=3)
    early.keep("c", later, None, heard_ms=4)
    [(record_id, told)] = early.take(["a", "b"])
    assert (record_id, told) == ("a", EarlyWord(word=word, answer=1, heard_ms=3))
    early.keep("c", word, 2, heard_ms=5)
    early.keep("c", Word(lane=False, passable=False), 0, heard_ms=6)
    assert early.take(["c"]) == [("c", EarlyWord(word=word, answer=0, heard_ms=6))]


def test_a_record_is_evidence_by_its_coin_alone() -> None:
    """Routing may take a record into the lane that learning did not foresee: it teaches, and is never evidence."""
    life = stream()
    book = life.book
    predictions, truth = life.records(np.random.default_rng(0), 0.02)
    ids = tuple(f"x{row}" for row in range(len(truth)))
    coins = np.full(len(truth), 0.9)
    yes = np.ones(len(truth), dtype=bool)
    book.apply(Seen(at_ms=1, earliest_ms=1, record_ids=ids, predictions=predictions, coins=coins))
    book.apply(routed(*ids))
    book.apply(people_said(ids, truth, lane=yes, passable=~yes, at_ms=1))
    assert book.take_audits() == []
    assert (book.answered, book.calibrated) == (len(ids), 0)


def test_errors_that_rise_close_it_and_cast_doubt_on_labels() -> None:
    life = stream()
    life.live(4000)
    began_ms = life.now_ms
    life.book.take_steps()
    life.live(1500, error=0.6)
    # A look may still have come before the answers.
    steps = [step for step in life.book.take_steps() if step.transition.state is not GateState.CERTIFIED]
    assert steps[0].transition.state in (GateState.SUSPENDED, GateState.REVOKED)
    suspect_from_ms = steps[0].suspect_from_ms
    assert suspect_from_ms is not None
    assert began_ms - 3000 <= suspect_from_ms <= began_ms + 1500
    assert life.book.suspicions[0].from_ms == suspect_from_ms
    life.live(4000)
    assert life.book.standing.state is GateState.CERTIFIED
    until_ms = life.book.standing.suspicions[0].until_ms
    assert until_ms is not None
    assert until_ms > steps[0].at_ms
    assert life.book.standing.epoch >= 1


def test_too_many_waiting_are_not_kept_and_the_watermark_does_not_lie() -> None:
    life = stream(delay=10**9)
    life.live(20_000)
    assert life.book.room.full
    assert len(list(life.book.room)) <= 2 * LIMITS.waiting + life.batch
    kept = life.lane[: LIMITS.waiting]
    asked = {entry[0]: entry for batch in life.pending for entry in batch}
    life.answer([asked[record_id] for record_id in life.lane])
    assert [audit.record_id for audit in life.book.take_audits()][: len(kept)] == kept


def test_the_journal_tells_the_same_story() -> None:
    life = stream(delay=3)
    life.live(3000)
    told = [pack_events(life.log[begin : begin + 7]) for begin in range(0, len(life.log), 7)]
    second = Book(SUBJECT, LIMITS)
    for entry in told:
        for event in unpack_events(entry):
            second.apply(event)
    assert second.take_steps() == life.book.take_steps()
    assert second.take_audits() == life.book.take_audits()
    assert dump_book(second) == dump_book(life.book)


@pytest.mark.parametrize("pause", [0, 40, 90, 170])
def test_a_book_that_was_put_away_goes_on_as_if_nothing_had_been(pause: int) -> None:
    life = stream(delay=3)
    life.live(3000)
    life.live(2000, error=0.6)
    steps, audits = life.book.take_steps(), life.book.take_audits()
    first = Book(SUBJECT, LIMITS)
    for event in life.log[: 4 * pause]:
        first.apply(event)
    got = first.take_steps(), first.take_audits()
    second = load_book(dump_book(first), SUBJECT, LIMITS)
    for event in life.log[4 * pause :]:
        second.apply(event)
    assert got[0] + second.take_steps() == steps
    assert got[1] + second.take_audits() == audits
    assert second.suspicions == life.book.suspicions
    assert second.confirmed_until_ms == life.book.confirmed_until_ms
    assert second.course.coverage == life.book.course.coverage


def test_what_is_no_book_or_journal_is_refused() -> None:
    for wrong in (b"", b"x" * 100, pack_events([Ticked(at_ms=1, horizon_ms=1)])):
        with pytest.raises(ValueError, match="not"):
            load_book(wrong, SUBJECT, LIMITS)
    for wrong in (
        b"nothing",
        dump_book(Book(SUBJECT, LIMITS)),
        pack([{"kind": "Ticked"}], {}),
        pack([{"kind": "Seen", "at_ms": 1, "record_ids": ["r"], "classes": 3}], {}),
        pack([1], {}),
        pack(None, {}),
        pack([], {"7.coins": np.zeros(1)}),
        pack([{"kind": "Told", "at_ms": 1, "record_ids": []}], {}),
    ):
        with pytest.raises(ValueError):  # noqa: PT011
            unpack_events(wrong)


def test_a_book_of_another_form_is_refused() -> None:
    tree, arrays = unpack(dump_book(Book(SUBJECT, LIMITS)))
    load_book(pack(tree, arrays), SUBJECT, LIMITS)
    for changed in ({"form": 0}, {"form": tree["form"] + 1}, {"suspicions": [1]}, {"times": None}):
        with pytest.raises(ValueError, match="not a book"):
            load_book(pack(tree | changed, arrays), SUBJECT, LIMITS)
