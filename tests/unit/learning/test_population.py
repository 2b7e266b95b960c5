"""Who gathers evidence and who decides by it speak of the same records."""

from __future__ import annotations

import math

from streamlabel.gate.coin_keys import CoinKeys
from streamlabel.gate.weigh import Weighed, weigh
from streamlabel.learning.rules.book import Book, BookLimits
from streamlabel.learning.rules.gates import published_gate
from streamlabel.learning.rules.listening import Heard
from streamlabel.learning.rules.suspicions import NOTHING
from streamlabel.wire import gates
from support.gates import COIN_KEY, NOW, a_gate, a_prediction
from support.learning_house import certified_project, subject_of_mail

PROJECT = certified_project()
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
    for length, fit in ((2, {"whole", "large"}), (0, {"none"}), (None, {"whole", "none", "short", "large"})):
        found = weigh(given, PROJECT, a_gate(embedding_length=length), KEYS, NOW)
        assert {name for name, each in zip(cases, found, strict=True) if isinstance(each, Weighed)} == fit
        book = Book(subject_of_mail(), BookLimits())
        book.dimensions = length
        assert {each.record.key.record_id for each in given if book.can_use(each)} == fit
        assert published_length(book) == length


def test_one_odd_prediction_among_the_first_does_not_say_how_long_an_embedding_is() -> None:
    heard, book = Heard(7, lambda key: 0.5), Book(subject_of_mail(), BookLimits())
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
