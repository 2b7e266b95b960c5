"""A lot: which labels and which calibration records are in it, what is promised of it, and the paper that says so."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from xml.etree import ElementTree

import pytest

from streamlabel.cli.lot_certificate import canonical, certificate, document
from streamlabel.cli.lot_evidence import NEVER_AUDITED, WITHOUT_GATE, Lot, gates_of_audits, gather_lot
from streamlabel.cli.lot_labels import Book, Books, LabelsOfLot
from streamlabel.cli.lot_page import page
from streamlabel.core.control import Gate
from streamlabel.core.decision import Decision, DecisionReason, Route
from streamlabel.core.label import Label, LabelSource
from streamlabel.gate.lot import Stratum, certify_lot
from support.gate_labels import calibrated, passed
from support.gates import NOW, a_gate

HOUR = timedelta(hours=1)
BEGIN, END = NOW, NOW + 10 * HOUR
OPEN = Book(number=1, first_gate=1, confirmed_until=END)


def gate(number: int, rate: float = 0.05, **changes: Any) -> Gate:
    return a_gate(gate_id=f"mail/{number}", lane_rate=rate, **changes).gate


def audit(record_id: str, *, rate: float = 0.05, at: datetime = NOW + HOUR, **changes: Any) -> dict[str, Any]:
    return {
        "book_no": 1,
        "record_id": record_id,
        "gate_number": 1,
        "decided_at": at.isoformat(),
        "lane_rate": rate,
        "predicted": "spam",
        "answer": "spam",
        "passable": True,
    } | changes


def corrected(label: Label, at: datetime) -> Label:
    return replace(
        label,
        source=LabelSource.HUMAN,
        annotators=("ann",),
        revision=2,
        supersedes_revision=1,
        labelled_at=at,
        class_name="ham",
    )


def gathered(
    labels: list[Label | str],
    audits: list[dict[str, Any]],
    gates: list[Gate] | None = None,
    books: tuple[Book, ...] = (OPEN,),
) -> Lot:
    """Of labels in the order in which they were set; a name is that of a record whose label was deleted."""
    known = Books("mail", books)
    of_lot = LabelsOfLot(BEGIN, END, known)
    of_lot.take([(each, None) if isinstance(each, str) else (each.key.record_id, each) for each in labels])
    return gather_lot("mail", of_lot, audits, {each.gate_id: each for each in gates or [gate(1)]}, known)


def test_labels_of_the_stretch_and_passable_records_of_the_lane() -> None:
    lot = gathered(
        [
            passed("before", BEGIN - HOUR),
            passed("first", BEGIN),
            passed("last", END - timedelta(milliseconds=1)),
            passed("after", END),
            calibrated("a", NOW),
        ],
        [audit("a"), audit("b", answer="ham"), audit("c", answer=None), audit("d", passable=False, answer="ham")],
    )
    assert lot.strata == (Stratum(lane_rate=0.05, labels=2, audited=3, found=2),)
    assert (lot.standing, lot.superseded, lot.unanswered, lot.not_covered) == (2, 0, 1, {})
    assert lot.audits == ("a", "b", "c")
    assert lot.gate_ids == ("mail/1",)


def test_a_corrected_label_stays_in_the_population_that_was_sampled() -> None:
    """Else whoever corrects the good ones alone would make the bound of the rest too small."""
    gone = corrected(passed("gone by compaction", BEGIN), END + HOUR)
    early = corrected(passed("long before", BEGIN - HOUR), BEGIN - HOUR)
    fixed = [passed("fixed", BEGIN), corrected(passed("fixed", BEGIN), BEGIN + HOUR)]
    lot = gathered([passed("stands", BEGIN), *fixed, gone, early], [audit("a")])
    assert (lot.standing, lot.superseded) == (1, 2)
    assert lot.strata[0].labels == 3


def test_strata_are_told_apart_by_the_rate_of_the_gate_that_routing_went_by() -> None:
    labels = [
        *(passed(f"x{row}", BEGIN, gate_id="mail/1") for row in range(3)),
        *(passed(f"y{row}", BEGIN, gate_id="mail/2") for row in range(2)),
    ]
    audits = [
        audit("slow", rate=0.05),
        audit("fast", rate=0.15, gate_number=2),
        # Learning's own rate was ahead of the gate that routing went by.
        audit("ahead", rate=0.15, answer="ham"),
        audit("of nobody knows which gate", rate=0.15, gate_number=0),
    ]
    assert gates_of_audits("mail", audits) == {"mail/1", "mail/2"}
    lot = gathered(labels, [*audits, audit("closed", rate=0.5, gate_number=3)], [gate(1, 0.05), gate(2, 0.15)])
    assert lot.strata == (
        Stratum(lane_rate=0.05, labels=3, audited=2, found=1),
        Stratum(lane_rate=0.15, labels=2, audited=2, found=0),
    )
    assert lot.audits == ("ahead", "fast", "of nobody knows which gate", "slow")


def test_labels_of_no_known_gate_are_not_covered() -> None:
    by_threshold = replace(
        passed("t", BEGIN), decision=Decision(route=Route.AUTO_LABEL, reason=DecisionReason.SCORE_REACHED_THRESHOLD)
    )
    lot = gathered([passed("r", BEGIN), by_threshold, passed("u", BEGIN, gate_id="mail/9")], [])
    assert (lot.standing, lot.not_covered) == (1, {WITHOUT_GATE: 2})
    assert gathered([passed("r", BEGIN)], [], books=()).not_covered == {WITHOUT_GATE: 1}


def test_labels_and_audits_of_an_ended_book_are_covered_as_far_as_it_had_come() -> None:
    """What its last calibration records said was never counted: the evidence began anew with the next book."""
    books = (
        replace(OPEN, confirmed_until=BEGIN + 3 * HOUR, ended=True),
        Book(number=2, first_gate=3, confirmed_until=None, ended=True),
        Book(number=4, first_gate=5, confirmed_until=END),
    )
    gates = [*(gate(number) for number in (1, 2)), gate(3, model_version=2), gate(6)]
    labels: list[Label | str] = [
        passed("v1", BEGIN + HOUR, gate_id="mail/1"),
        passed("v1 late", BEGIN + 3 * HOUR, gate_id="mail/2"),
        passed("v2", BEGIN + 4 * HOUR, gate_id="mail/3", model_version=2),
        passed("v1 again", BEGIN + 6 * HOUR, gate_id="mail/6"),
        # Routing had not heard yet that its gate was no more.
        passed("v1 by an old gate", BEGIN + 6 * HOUR, gate_id="mail/2"),
    ]
    audits = [
        audit("a", at=BEGIN + 2 * HOUR),
        audit("b", at=BEGIN + 3 * HOUR),
        audit("c", at=BEGIN + 4 * HOUR, book_no=2, gate_number=3),
        audit("d", at=BEGIN + 6 * HOUR, book_no=4, gate_number=6),
        audit("e", at=BEGIN + 6 * HOUR, book_no=4, gate_number=2),
        audit("f", at=BEGIN + 6 * HOUR, book_no=3, gate_number=0),
    ]
    lot = gathered(labels, audits, gates, books)
    assert (lot.standing, lot.not_covered) == (2, {NEVER_AUDITED: 3})
    assert lot.audits == ("a", "d")
    assert lot.strata == (Stratum(lane_rate=0.05, labels=1, audited=1, found=0),) * 2, "each book by itself"


def test_a_stream_that_is_sent_again_under_another_model_is_drawn_again() -> None:
    books = (replace(OPEN, ended=True), Book(number=2, first_gate=5, confirmed_until=END))
    gates = [gate(1), gate(5, model_name="other")]
    labels: list[Label | str] = [
        passed("r", BEGIN + HOUR),
        passed("s", BEGIN + HOUR),
        passed("r", BEGIN + 2 * HOUR, gate_id="mail/5"),
        passed("s", END, gate_id="mail/5"),
    ]
    lot = gathered(labels, [audit("a"), audit("a", book_no=2, gate_number=5, answer="ham")], gates, books)
    assert lot.strata == (
        Stratum(lane_rate=0.05, labels=2, audited=1, found=0),
        Stratum(lane_rate=0.05, labels=1, audited=1, found=1),
    )
    assert (lot.standing, lot.superseded) == (1, 2), "what the model replaced stands no more"


def test_a_deleted_label_is_not_promised_and_stays_in_the_population() -> None:
    lot = gathered([passed("stands", BEGIN), passed("gone", BEGIN), "gone", "never labelled"], [audit("a")])
    assert (lot.standing, lot.superseded, lot.strata[0].labels) == (1, 1, 2)
    again = gathered([passed("r", BEGIN), "r", passed("r", BEGIN + HOUR)], [])
    assert (again.standing, again.superseded) == (1, 0)


def test_an_audit_is_wrong_if_people_ever_said_so() -> None:
    """The evidence keeps the answer that was counted; whoever is corrected later was perhaps wrong."""
    later = [
        replace(calibrated(each, BEGIN), revision=2, supersedes_revision=1, class_name="ham") for each in ("a", "b")
    ]
    back = replace(calibrated("b", BEGIN), revision=3, supersedes_revision=2)
    lot = gathered(
        [passed("r", BEGIN), calibrated("a", BEGIN), *later, back], [audit("a"), audit("b"), audit("c", answer="ham")]
    )
    assert (lot.strata[0].audited, lot.strata[0].found) == (3, 2)


def test_books_are_told_by_learning() -> None:
    facts = {"book_no": 1, "first_gate": 3, "confirmed_until_ms": None, "ended_at_ms": 7}
    later = facts | {"book_no": 4, "first_gate": 9, "confirmed_until_ms": 1_000, "ended_at_ms": None}
    books = Books.told("mail", [later, facts, facts | {"book_no": 2, "first_gate": None}])
    assert [(each.number, each.ended) for each in books.all] == [(1, True), (4, False)]
    assert {number: (found.number if (found := books.by_gate(number)) else None) for number in (2, 3, 8, 9)} == {
        2: None,
        3: 1,
        8: 1,
        9: 4,
    }
    assert not books.all[0].covers(BEGIN)


def a_certificate(lot: Lot, **changes: Any) -> Any:
    given: dict[str, Any] = {"transition": {"number": 7, "digest": "ab" * 32}, "issued_at": NOW} | changes
    return certificate("mail", BEGIN, END, 0.1, lot, given["transition"], issued_at=given["issued_at"])


TWO = gathered(
    [*(passed(f"x{row}", BEGIN) for row in range(400)), *(passed(f"y{row}", BEGIN, gate_id="mail/2") for row in range(50))],
    [*(audit(f"a{row}", answer="ham" if row < 2 else "spam") for row in range(60))],
    [gate(1), gate(2, 0.15)],
)  # fmt: skip


def test_the_promise_is_the_sum_over_the_strata() -> None:
    made = a_certificate(TWO)
    assert made.parts == (certify_lot(460, 60, 2, 0.05), certify_lot(50, 0, 0, 0.05))
    assert made.wrong_at_most == made.parts[0].wrong_at_most + 50
    assert (made.audited, made.found) == (60, 2)
    stretch = "from 2026-03-01T00:00:00Z on and before 2026-03-01T10:00:00Z"
    assert f"Of 450 labels of mail set by the model {stretch}, at most {made.wrong_at_most} (" in made.words()
    assert "with confidence 0.9" in made.words()


def test_it_never_promises_less_than_nothing() -> None:
    lot = gathered([passed("stands", BEGIN), *(corrected(passed(f"g{row}", BEGIN), END) for row in range(9))], [])
    assert a_certificate(lot).wrong_at_most == 1


def test_the_digest_covers_every_word_of_the_document() -> None:
    content = document(a_certificate(TWO))
    assert content["sha256"] == hashlib.sha256(canonical(content)).hexdigest()
    assert content["evidence"]["transition"] == {"number": 7, "digest": "ab" * 32}
    assert len(content["evidence"]["audited_records"]) == 60
    again = json.loads(json.dumps(content, indent=3))
    assert hashlib.sha256(canonical(again)).hexdigest() == content["sha256"]
    again["evidence"]["audited_records"][0] = "other"
    assert hashlib.sha256(canonical(again)).hexdigest() != content["sha256"]
    assert document(a_certificate(TWO, transition=None))["evidence"]["transition"] is None


@pytest.mark.parametrize("lot", [TWO, gathered([passed("r", BEGIN)], [])])
def test_the_page_is_whole_in_itself(lot: Lot) -> None:
    made = a_certificate(lot)
    content = document(made)
    text = page(made, content["sha256"])
    for word in (content["statement"], content["sha256"], "ab" * 32, "What is not", "@page { size: A4", "<svg"):
        assert word in text
    for foreign in ("<script", "http://", "https://", "url(", "<img", "<link"):
        assert foreign not in text.replace('xmlns="http://www.w3.org/2000/svg"', "")
    svg = text[text.index("<svg") : text.index("</svg>") + 6]
    assert len(ElementTree.fromstring(svg).findall("{*}polyline")) == sum(each.audited > 0 for each in lot.strata)


def test_the_page_warns_of_what_is_not_covered() -> None:
    made = a_certificate(replace(TWO, not_covered={WITHOUT_GATE: 12}, superseded=3))
    assert f"Not covered: 12 labels {WITHOUT_GATE}" in page(made, "")
    assert "3 more were corrected, replaced or deleted" in page(made, "")
    assert f"Not covered: 12 labels {WITHOUT_GATE}" in made.words()
