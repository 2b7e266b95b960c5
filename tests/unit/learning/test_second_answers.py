"""Two people about one record: what becomes of the second answer on its way into the evidence."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from streamlabel.core.control import GateState
from streamlabel.core.decision import Decision, DecisionReason, Purpose, Route
from streamlabel.core.identity import RecordKey
from streamlabel.core.label import Label, LabelSource, Vote
from streamlabel.gate.sample import NOT_ASKED
from streamlabel.learning.rules.book import Book
from streamlabel.learning.rules.book_storage import dump_book, load_book
from streamlabel.learning.rules.events import UNKNOWN_CLASS, Answered
from streamlabel.learning.rules.journal import pack_events, unpack_events
from streamlabel.learning.rules.limits import BookLimits
from streamlabel.learning.rules.listening import Heard
from streamlabel.learning.rules.subject import Subject
from support.gate_stream import CLASSES, GateStream

SUBJECT = Subject(
    project="p", model_name="m", model_version=1, taxonomy_version=1, class_names=CLASSES, alpha=0.1, delta=0.1
)
TWICE = replace(SUBJECT, double_blind_share=0.5)
DECISION = Decision(
    route=Route.REVIEW, reason=DecisionReason.CALIBRATION_LANE, purpose=Purpose.CALIBRATE, gate_id="p/1", needed_votes=2
)

PASSED = Decision(route=Route.AUTO_LABEL, reason=DecisionReason.GATE_PASSED, gate_id="p/1")


def label(record_id: str, said: str, *voted: str, decision: Decision = DECISION) -> Label:
    """A label that these people made, one after the other."""
    votes = tuple(Vote(annotator=f"ann{number}", class_name=each) for number, each in enumerate(voted))
    return Label(
        key=RecordKey(project="p", record_id=record_id),
        class_name=said,
        source=LabelSource.HUMAN,
        decision=decision,
        model_name="m",
        model_version=1,
        annotators=tuple(vote.annotator for vote in votes) or ("ann",),
        votes=votes,
        project_version=1,
        taxonomy_version=1,
        content_hash=b"0" * 16,
        labelled_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


def test_what_the_first_two_said_goes_beside_the_label_where_the_coin_asked_two() -> None:
    heard = Heard(7, lambda key: 0.5)
    for each in (
        label("agreed", "a", "a", "a"),
        label("a third was asked", "b", "a", "b", "b"),
        label("of a class that is gone", "a", "a", "z", "a"),
        label("asked once", "c", decision=replace(DECISION, needed_votes=1)),
        label("two by chance", "b", "a", "b", "b", decision=replace(DECISION, needed_votes=1)),
        label("one of two", "c"),
        label("put right", "c", decision=PASSED),
    ):
        heard.label(each)
    [answered] = heard.events(Book(TWICE, BookLimits()))
    assert isinstance(answered, Answered)
    assert answered.classes.tolist() == [0, 1, 0, 2, 1, 2]
    nobody = [NOT_ASKED, NOT_ASKED]
    assert answered.votes.tolist() == [[0, 0], [0, 1], [0, UNKNOWN_CLASS], nobody, nobody, [2, UNKNOWN_CLASS]]
    assert answered.twice.tolist() == [True, True, True, False, False, True]
    told = {record_id: answer for record_id, _, answer in answered.words()}
    assert (told["a third was asked"].label, told["a third was asked"].first, told["a third was asked"].second) == (
        1,
        0,
        1,
    )
    assert (told["two by chance"].first, told["two by chance"].second) == (1, NOT_ASKED)
    assert list(unpack_events(pack_events([answered]))[0].words()) == list(answered.words())  # type: ignore[union-attr]


@pytest.mark.parametrize("subject", [SUBJECT, TWICE])
def test_a_gate_over_answers_that_repeat_the_models_errors(subject: Subject) -> None:
    """Half of what the model gets wrong passes the first person: the one gate opens too far, the other hardly at all."""
    life = GateStream(Book(subject, BookLimits()), overlooks=0.9)
    life.live(5000, error=0.25)
    if subject is SUBJECT:
        assert life.error() > SUBJECT.alpha
    else:
        assert sum(life.passed.values()) == 0
        assert life.book.standing.state is GateState.COLD


def test_two_who_never_agree_count_though_no_third_person_ever_decides() -> None:
    """The answers that would show the errors are just those that never become labels."""
    life = GateStream(Book(TWICE, BookLimits(answer_ms=2_000)), overlooks=0.9, ties_end=False)
    life.live(5000, error=0.25)
    window = life.book.keeper.window.rows()
    assert window is not None
    assert window.overlooked.sum() > 0.1 * window.twice.sum() > 50
    assert sum(life.passed.values()) == 0


def test_a_good_model_is_certified_with_second_answers_and_its_book_can_be_read_again() -> None:
    life = GateStream(Book(TWICE, BookLimits()), delay=4)
    life.live(3000)
    assert life.book.standing.state is GateState.CERTIFIED
    assert life.error() <= TWICE.alpha
    window = life.book.keeper.window.rows()
    assert window is not None
    assert 0.4 < window.twice.mean() < 0.6
    life.book.take_steps()
    life.book.take_audits()
    again = GateStream(load_book(dump_book(life.book), TWICE, life.book.limits), delay=4)
    again.place, again.now_ms, again.pending = life.place, life.now_ms, [*life.pending]
    for each in (life, again):
        each.live(500)
    assert again.book.standing == life.book.standing
    assert dump_book(again.book) == dump_book(life.book)
