"""Which blind answers must have become audits, as the topic of labels tells them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from streamlabel.core.decision import Decision, DecisionReason, Purpose, Route
from streamlabel.core.label import Label, LabelSource
from streamlabel.gate.lot_answers import BlindAnswers
from streamlabel.gate.lot_books import Book, Books
from support.gate_labels import calibrated, passed
from support.gates import NOW

HOUR = timedelta(hours=1)
BOOKS = Books("mail", [Book(number=1, first_gate=1, confirmed_until=NOW + 4 * HOUR, ended=True)])


def answered(record_id: str = "r", **changes: Any) -> Label:
    return replace(calibrated(record_id, NOW + 2 * HOUR, gate_id="mail/7"), **({"ingested_at": NOW + HOUR} | changes))


def wanted(*labels: Label, audited: tuple[str, ...] = ()) -> dict[str, int]:
    answers = BlindAnswers("mail", NOW, NOW + 10 * HOUR, BOOKS)
    answers.take((label.key.record_id, label) for label in labels)
    answers.take([("gone", None)])
    return answers.without(audited)


def test_an_answer_without_an_audit_is_found_with_the_gate_that_drew_it() -> None:
    assert wanted(answered("a"), answered("b"), audited=("b",)) == {"a": 7}


def test_it_is_looked_for_once_however_often_it_was_answered_or_corrected() -> None:
    later = answered("a", class_name="ham", revision=2, supersedes_revision=1, labelled_at=NOW + 3 * HOUR)
    assert wanted(answered("a"), later) == {"a": 7}


TRAIN = Decision(route=Route.REVIEW, purpose=Purpose.TRAIN, reason=DecisionReason.BELOW_GATE, threshold=0.5, score=0.4)


@pytest.mark.parametrize(
    "label",
    [
        answered(decision=replace(answered().decision, score=0.4)),
        answered(decision=replace(answered().decision, threshold=float("inf"))),
        answered(decision=replace(answered().decision, gate_id="news/1")),
        answered(decision=replace(TRAIN, gate_id="mail/7")),
        answered(ingested_at=None),
        answered(ingested_at=NOW - timedelta(seconds=1)),
        answered(labelled_at=NOW + 4 * HOUR),
        answered(labelled_at=NOW + 11 * HOUR),
        replace(passed("r", NOW + 2 * HOUR), source=LabelSource.HUMAN, annotators=("ann",), ingested_at=NOW + HOUR),
    ],
    ids=[
        "would not have passed",
        "while the gate was closed",
        "of another project's gate",
        "not of the lane",
        "nobody knows when it came in",
        "came in before",
        "not confirmed yet",
        "answered later",
        "a correction of what passed",
    ],
)
def test_what_need_not_have_become_an_audit_is_not_missed(label: Label) -> None:
    assert wanted(label) == {}
