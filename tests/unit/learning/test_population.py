"""Who gathers evidence and who decides by it speak of the same records."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from streamlabel.gate.coin_keys import CoinKeys
from streamlabel.gate.weigh import Weighed, weigh
from streamlabel.learning.rules.book import Book
from streamlabel.learning.rules.gates import published_gate
from streamlabel.learning.rules.limits import BookLimits
from streamlabel.learning.rules.listening import Heard
from streamlabel.learning.rules.subject import subject_of
from streamlabel.learning.rules.suspicions import NOTHING
from streamlabel.wire import gates
from support.gates import COIN_KEY, NOW, a_gate, a_prediction, binding_of
from support.learning_house import certified_project, subject_of_mail
from support.nouns import text_project

PROJECT = certified_project()
EMBEDDED = text_project("mail", policy=PROJECT.policy, embedding="near")
EMBEDDED_SUBJECT = replace(subject_of_mail(), binding=subject_of(EMBEDDED, None).binding)  # type: ignore[union-attr]
KEYS = CoinKeys.of(COIN_KEY.hex())


def test_a_gate_speaks_of_no_embedding_that_its_evidence_cannot_have() -> None:
    """Learning leaves such predictions out, whatever the scorer goes by: nobody would audit their labels."""
    cases = {
        "whole": (0.5, -0.25),
        "none": (),
        "short": (0.5,),
        "nan": (0.5, math.nan),
        "both ends": (math.inf, -math.inf),
        "large": (3e38, 3e38),
    }
    given = [a_prediction(name, 0.9, embedding=embedding) for name, embedding in cases.items()]
    for project, length, fit in (
        (EMBEDDED, 2, {"whole", "large"}),
        (PROJECT, 0, {"none"}),
        (EMBEDDED, None, {"whole", "short", "large"}),
    ):
        subject = subject_of(project, None)
        assert subject is not None
        book = Book(subject, BookLimits())
        if length:
            book.dimensions = length
        gate = a_gate(embedding_length=length, binding=binding_of(project))
        found = weigh(given, project, gate, KEYS, NOW)
        assert {name for name, each in zip(cases, found, strict=True) if isinstance(each, Weighed)} == fit
        assert {each.record.key.record_id for each in given if book.can_use(each)} == fit
        assert published_length(book) == length


@pytest.mark.parametrize("bound_since", [2, 4])
def test_a_book_takes_the_predictions_for_which_its_gate_counts(bound_since: int) -> None:
    """Of versions of the project before the binding, or of which nobody here has heard, it takes none, as routing does."""
    project = replace(PROJECT, version=5, bound_since=bound_since)
    subject = subject_of(project, None)
    assert subject is not None
    book = Book(subject, BookLimits())
    given = [a_prediction("1", 0.9, project_version=version) for version in range(1, 8)]
    counted = [isinstance(each, Weighed) for each in weigh(given, project, a_gate(), KEYS, NOW)]
    assert [book.can_use(each) for each in given] == counted
    assert sum(counted) == 6 - bound_since


def test_an_odd_first_prediction_without_an_embedding_fixes_nothing() -> None:
    heard, book = Heard(7, lambda key: 0.5), Book(EMBEDDED_SUBJECT, BookLimits())
    heard.prediction(a_prediction("odd", 0.9), written_ms=7)
    assert heard.events(book) == []
    heard.prediction(a_prediction("r1", 0.9, embedding=(0.5, -0.25)), written_ms=8)
    for event in heard.events(book):
        book.apply(event)
    assert book.dimensions == 2
    assert [record.record_id for record in book.room] == ["r1"]


def test_one_odd_prediction_among_the_first_does_not_say_how_long_an_embedding_is() -> None:
    heard, book = Heard(7, lambda key: 0.5), Book(EMBEDDED_SUBJECT, BookLimits())
    for number, embedding in enumerate(((0.5,), (0.5, -0.25), (0.25, 0.5))):
        heard.prediction(a_prediction(f"r{number}", 0.9, embedding=embedding), written_ms=7)
    for event in heard.events(book):
        book.apply(event)
    assert book.dimensions == 2
    assert {record.record_id for record in book.room} == {"r1", "r2"}


def published_length(book: Book) -> int | None:
    """What routing is told of it."""
    gate = published_gate(
        book.subject,
        book.standing,
        gate_id="mail/1",
        coin_key_id="k",
        vouched=NOTHING,
        earlier=(),
        expires_at=NOW,
    )
    return gates.decode_gate(gates.encode_gate(gate)).gate.embedding_length
