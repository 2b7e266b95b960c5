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
from streamlabel.cli.lot_evidence import NEVER_AUDITED, WITHOUT_GATE, LabelsOfLot, Lot, Standing, gather_lot
from streamlabel.cli.lot_page import page
from streamlabel.core.control import Gate
from streamlabel.core.decision import Decision, DecisionReason, Route
from streamlabel.core.label import Label, LabelSource
from streamlabel.gate.lot import Stratum, certify_lot
from support.gate_labels import calibrated, passed
from support.gates import NOW, a_gate

HOUR = timedelta(hours=1)
BEGIN, END = NOW, NOW + 10 * HOUR
STANDING = Standing(model_version=1, began_at=NOW - HOUR, confirmed_until=END)


def gate(number: int, rate: float = 0.05, **changes: Any) -> Gate:
    return a_gate(gate_id=f"mail/{number}", lane_rate=rate, **changes).gate


def audit(record_id: str, *, rate: float = 0.05, at: datetime = NOW + HOUR, **changes: Any) -> dict[str, Any]:
    return {
        "record_id": record_id,
        "model_version": 1,
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
    labels: list[Label],
    audits: list[dict[str, Any]],
    gates: list[Gate] | None = None,
    standing: Standing = STANDING,
) -> Lot:
    of_lot = LabelsOfLot(BEGIN, END)
    of_lot.take(labels)
    return gather_lot(of_lot, audits, {each.gate_id: each for each in gates or [gate(1)]}, standing)


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
        calibrated("ahead", BEGIN, gate_id="mail/1"),
    ]
    audits = [audit("slow", rate=0.05), audit("fast", rate=0.15), audit("ahead", rate=0.15, answer="ham")]
    lot = gathered(labels, [*audits, audit("closed", rate=0.5)], [gate(1, 0.05), gate(2, 0.15)])
    assert lot.strata == (
        Stratum(lane_rate=0.05, labels=3, audited=2, found=1),
        Stratum(lane_rate=0.15, labels=2, audited=1, found=0),
    )
    assert lot.audits == ("ahead", "fast", "slow"), "beside a closed gate there are no labels to speak of"


def test_labels_of_no_known_gate_are_not_covered() -> None:
    by_threshold = replace(
        passed("t", BEGIN), decision=Decision(route=Route.AUTO_LABEL, reason=DecisionReason.SCORE_REACHED_THRESHOLD)
    )
    lot = gathered([passed("r", BEGIN), by_threshold, passed("u", BEGIN, gate_id="mail/9")], [])
    assert (lot.standing, lot.not_covered) == (1, {WITHOUT_GATE: 2})


def test_an_earlier_model_version_is_covered_as_far_as_its_gates_knew() -> None:
    """What its last calibration records said was never counted: the evidence began anew with the next version."""
    standing = Standing(model_version=2, began_at=BEGIN + 5 * HOUR, confirmed_until=END)
    old = [gate(1, confirmed_until=BEGIN + HOUR), gate(2, confirmed_until=BEGIN + 3 * HOUR)]
    new = gate(3, model_version=2, confirmed_until=None)
    labels = [
        passed("v1", BEGIN + HOUR, gate_id="mail/1"),
        passed("v1 late", BEGIN + 3 * HOUR, gate_id="mail/2"),
        passed("v2", BEGIN + 6 * HOUR, gate_id="mail/3", model_version=2),
        passed("v1 after v2", BEGIN + 6 * HOUR, gate_id="mail/2"),
    ]
    audits = [
        audit("a", at=BEGIN + 2 * HOUR),
        audit("b", at=BEGIN + 4 * HOUR),
        audit("c", at=BEGIN + 6 * HOUR, model_version=2),
    ]
    lot = gathered(labels, audits, [*old, new], standing)
    assert (lot.standing, lot.not_covered) == (2, {NEVER_AUDITED: 2})
    assert lot.audits == ("a", "c")


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
    assert "3 more were corrected" in page(made, "")
    assert f"Not covered: 12 labels {WITHOUT_GATE}" in made.words()
