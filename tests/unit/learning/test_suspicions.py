"""What becomes of doubts and of what was confirmed, when there are many of them, and when another book begins."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from streamlabel.core.control import Gate, GateState
from streamlabel.core.project import ReviewAllPolicy
from streamlabel.learning.ports import ShelvedBook
from streamlabel.learning.rules.book import Book
from streamlabel.learning.rules.book_storage import dump_book
from streamlabel.learning.rules.gates import moment
from streamlabel.learning.rules.limits import BookLimits
from streamlabel.learning.rules.suspicions import Suspicion, Vouched, folded
from support.gate_stream import GateStream, people_said
from support.gates import NOW, a_gate
from support.learning_house import NOW_MS, House, certified_project, learner, subject_of_mail, told

FIRST = Vouched(
    first_gate=3, confirmed_until_ms=NOW_MS - 5_000, suspicions=(Suspicion(NOW_MS - 9_000, NOW_MS - 8_000),)
)


def test_many_doubts_are_folded_and_none_is_forgotten() -> None:
    doubts = [Suspicion(10 * number, 10 * number + 5) for number in range(8)]
    assert folded(doubts, 8) == tuple(doubts)
    assert folded(reversed(doubts), 3) == (Suspicion(0, 55), Suspicion(60, 65), Suspicion(70, 75))
    lasting = [Suspicion(0), *doubts[1:]]
    assert folded(lasting, 3)[0] == Suspicion(0)


def test_a_certificate_ends_every_doubt_there_was() -> None:
    life = GateStream(Book(subject_of_mail(), BookLimits()))
    life.book.suspicions = [Suspicion(1), Suspicion(2, 3)]
    life.live(2000)
    assert [each.until_ms is None for each in life.book.suspicions] == [False, False]
    assert life.book.suspicions[1] == Suspicion(2, 3)


def a_house(vouched: Vouched, *, suspicions: tuple[Suspicion, ...] = ()) -> House:
    """One where a book has been open for a while, and told so much."""
    life = GateStream(Book(subject_of_mail(), BookLimits()))
    life.live(2000)
    life.book.suspicions = list(suspicions)
    house = House(certified_project())
    house.numbers = {"mail": 7}
    house.shelved = [ShelvedBook(subject=life.book.subject, snapshot=dump_book(life.book), events=[], vouched=vouched)]
    return house


async def test_a_new_book_takes_doubts_over_and_confirms_nothing_of_the_one_before() -> None:
    lasting = Suspicion(NOW_MS - 2_000)
    house = a_house(replace(FIRST, suspicions=(*FIRST.suspicions, lasting)), suspicions=(*FIRST.suspicions, lasting))
    house.project = certified_project(alpha=0.02)
    learning = learner(house)
    await learning.turn(0)
    [gate] = told(house)
    assert (gate.gate_id, gate.first_gate) == ("mail/8", 8)
    assert [(each.begin, each.end) for each in gate.suspects] == [
        (moment(NOW_MS - 9_000), moment(NOW_MS - 8_000)),
        (moment(NOW_MS - 2_000), moment(NOW_MS)),
    ]
    assert confirmed(gate) == {2: None, 3: NOW_MS - 5_000, 7: NOW_MS - 5_000, 8: gate.confirmed_until}
    # Back again: both books of before are known, in order.
    house.project = certified_project()
    await learning.turn(0)
    [_, last] = told(house)
    assert last.first_gate == 9
    assert [each.first_gate for each in last.earlier] == [3, 8]
    assert last.suspects == gate.suspects


async def test_what_was_kept_when_a_book_ended_is_known_to_the_next_process() -> None:
    house = a_house(FIRST)
    house.project = replace(house.project, policy=ReviewAllPolicy())
    await learner(house).turn(0)
    [ended] = house.pages
    assert (ended.ended, ended.vouched) == (True, FIRST)
    house.shelved, house.project = [], certified_project(alpha=0.02)
    house.ended = {
        subject_of_mail().model: [FIRST],
        ("mail", "m", 2): [Vouched(first_gate=1, confirmed_until_ms=NOW_MS)],
    }
    await learner(house).turn(0)
    [gate] = told(house)
    assert confirmed(gate)[3] == NOW_MS - 5_000
    assert confirmed(gate)[2] is None, "another version's"


@pytest.mark.parametrize("what", ["snapshot", "journal", "an event that does not fit"])
async def test_a_book_that_cannot_be_read_ends_and_another_begins(what: str) -> None:
    house = a_house(FIRST)
    [shelved] = house.shelved
    wrong = people_said(("r",), np.array([0]), lane=np.zeros(2), passable=np.zeros(2), at_ms=1)
    house.shelved = [
        {
            "snapshot": replace(shelved, snapshot=b"of another release"),
            "journal": replace(shelved, unreadable="journal: of another release"),
            "an event that does not fit": replace(shelved, events=[wrong]),
        }[what]
    ]
    learning = learner(house)
    await learning.turn(0)
    ended, began = house.pages
    assert (ended.ended, ended.vouched) == (True, FIRST)
    assert began.began
    [step] = began.steps
    assert step.transition.state is GateState.COLD
    assert step.transition.reason.startswith("the book before cannot be read (ValueError: ")
    assert "begins anew, and so does the count of certificates" in step.transition.reason
    [gate] = told(house)
    assert (gate.state, gate.first_gate, gate.reason) == (GateState.COLD, 8, step.transition.reason)
    assert confirmed(gate)[3] == NOW_MS - 5_000
    # Once: what begins then is a book like any other.
    await learning.turn(0)
    await learning.put_away()
    assert [page.ended for page in house.pages].count(True) == 1


async def test_a_restart_is_no_new_book() -> None:
    house = a_house(FIRST, suspicions=FIRST.suspicions)
    await learner(house).turn(0)
    [gate] = told(house)
    assert (gate.gate_id, gate.first_gate, gate.earlier) == ("mail/8", 3, ())
    [page] = house.pages
    assert page.vouched is not None
    assert page.vouched.suspicions == FIRST.suspicions


@pytest.mark.parametrize("gate_id", ["", "mail/1", "news/9", "mail/x"])
def test_a_gate_says_nothing_of_gates_that_it_does_not_know(gate_id: str) -> None:
    gate = a_gate(confirmed_until=NOW, first_gate=3).gate
    assert gate.confirmed_under(gate_id) is None
    assert not gate.rests_on_the_same(gate_id)


def confirmed(gate: Gate) -> dict[int, object]:
    """Up to when labels set by gates of these numbers are confirmed, in ms."""
    found = {number: gate.confirmed_under(f"mail/{number}") for number in (2, 3, 7, 8)}
    return {
        number: at if at is None or number >= gate.first_gate else round(at.timestamp() * 1000)
        for number, at in found.items()
    }
