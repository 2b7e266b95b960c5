"""A lot: which labels and which calibration records are in it, and which are not, and why."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from streamlabel.core.control import Suspects
from streamlabel.core.decision import Decision, DecisionReason, Route
from streamlabel.core.label import Label
from streamlabel.gate.lot import Stratum
from streamlabel.gate.lot_books import Book
from streamlabel.gate.lot_evidence import GATE_GONE, NEVER_AUDITED, WITHOUT_GATE, LabelledBy, gates_of_audits
from support.gate_labels import calibrated, passed
from support.gates import NOW
from support.lots import BEGIN, END, HOUR, OPEN, audit, corrected, gate, gathered


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
    assert lot.strata == (Stratum(lane_rate=0.05, labels=2, audited=3, found=2, unanswered=1),)
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
        audit("fast", rate=0.15, gate=2),
        # Learning's own rate was ahead of the gate that routing went by.
        audit("ahead", rate=0.15, answer="ham"),
        audit("of nobody knows which gate", rate=0.15, gate=0),
    ]
    assert gates_of_audits("mail", audits) == {"mail/1", "mail/2"}
    lot = gathered(labels, [*audits, audit("closed", rate=0.5, gate=3)], [gate(1, 0.05), gate(2, 0.15)])
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
    assert (lot.standing, lot.not_covered) == (1, {WITHOUT_GATE: 1, GATE_GONE: 1})
    assert gathered([passed("r", BEGIN)], [], books=()).not_covered == {GATE_GONE: 1}


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
        audit("c", at=BEGIN + 4 * HOUR, book=2, gate=3),
        audit("d", at=BEGIN + 6 * HOUR, book=4, gate=6),
        audit("e", at=BEGIN + 6 * HOUR, book=4, gate=2),
        audit("f", at=BEGIN + 6 * HOUR, book=3, gate=0),
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
    lot = gathered(labels, [audit("a"), audit("a", book=2, gate=5, answer="ham")], gates, books)
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


def test_records_drawn_by_a_gate_that_is_gone_audit_nothing() -> None:
    """The labels beside which they were drawn are not in the lot; those of another gate of the same rate they say nothing of."""
    labels: list[Label | str] = [passed("kept", BEGIN, gate_id="mail/2"), passed("gone", BEGIN)]
    audits = [audit("a", gate=1), audit("b", gate=1, passable=False), audit("c", gate=2), audit("d", gate=0)]
    lot = gathered(labels, audits, [gate(2)])
    assert lot.audits == ("c", "d")
    assert lot.strata == (Stratum(lane_rate=0.05, labels=1, audited=2, found=0),)
    assert (lot.audits_gone, lot.not_covered) == (1, {GATE_GONE: 1})


def test_a_lot_says_who_labelled_it_and_which_of_it_is_suspect() -> None:
    book = replace(OPEN, suspects=(Suspects(BEGIN + HOUR, BEGIN + 2 * HOUR),))
    labels: list[Label | str] = [
        passed("calm", BEGIN),
        passed("bad", BEGIN + HOUR, gate_id="mail/2"),
        passed("bad and mended", BEGIN + HOUR),
        corrected(passed("bad and mended", BEGIN + HOUR), END),
        passed("after", BEGIN + 2 * HOUR, gate_id="mail/2"),
    ]
    lot = gathered(labels, [], [gate(1), gate(2, alpha=0.1)], (book,))
    assert (lot.standing, lot.suspects) == (3, 1)
    assert lot.labelled_by == (LabelledBy("m", 1, 0.05), LabelledBy("m", 1, 0.1))


def test_a_record_that_is_drawn_again_by_the_same_evidence_is_one() -> None:
    """Its coin falls as before, and the labels beside it that were set again are each one label as well."""
    labels: list[Label | str] = [passed("r", BEGIN), passed("r", BEGIN + HOUR), passed("s", BEGIN)]
    audits = [audit("a", answer="ham"), audit("a", at=BEGIN + 2 * HOUR), audit("b"), audit("b", answer=None)]
    lot = gathered(labels, audits)
    assert lot.strata == (Stratum(lane_rate=0.05, labels=2, audited=2, found=2, unanswered=1),)
    assert lot.audits == ("a", "b")
