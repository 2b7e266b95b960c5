"""A lot's certificate: what is promised, why no less, the paper that says so, and whether it was changed; and what is refused."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import orjson
import pytest

from streamlabel.cli.app import make_app
from streamlabel.cli.lot import incomplete, nothing_to_certify
from streamlabel.cli.lot_certificate import Certificate, canonical, certificate, digest_of, document
from streamlabel.cli.lot_check import fault_of
from streamlabel.cli.lot_facts import audited, books_of, turn
from streamlabel.cli.lot_page import LINES, page
from streamlabel.core.control import GateState, Suspects
from streamlabel.core.label import Label
from streamlabel.errors import ConfigurationError
from streamlabel.gate.chain import FIRST, linked
from streamlabel.gate.lot import certify_lot
from streamlabel.gate.lot_closings import Turn
from streamlabel.gate.lot_evidence import GATE_GONE, WITHOUT_GATE, Lot
from support.gate_labels import passed
from support.lots import BEGIN, END, HOUR, OPEN, audit, corrected, gate, gathered

LINK = linked(number=7, project="mail", model_name="m", model_version=1, facts="{}", previous=FIRST)
SHUT = Turn(at=BEGIN + HOUR, state=GateState.SUSPENDED, reason="inputs changed")
TWO = gathered(
    [*(passed(f"x{row}", BEGIN) for row in range(400)), *(passed(f"y{row}", BEGIN, gate_id="mail/2") for row in range(50))],
    [*(audit(f"a{row}", answer=("ham", None)[row] if row < 2 else "spam") for row in range(60))],
    [gate(1), gate(2, 0.15)],
)  # fmt: skip


def a_certificate(lot: Lot, **changes: Any) -> Certificate:
    given: dict[str, Any] = {"transition": LINK, "closed": (), "issued_at": END} | changes
    return certificate("mail", BEGIN, END, 0.1, lot, **given)


def test_books_are_told_by_learning() -> None:
    facts = {"book_no": 1, "first_gate": 3, "confirmed_until_ms": None, "ended_at_ms": 7}
    facts |= {"model_name": "m", "model_version": 1, "suspects": [{"from_ms": 0, "until_ms": None}]}
    later = facts | {"book_no": 4, "first_gate": 9, "confirmed_until_ms": 1_000, "ended_at_ms": None, "suspects": []}
    other = later | {"book_no": 5, "first_gate": 20, "model_version": 2}
    books = books_of("mail", [other, later, facts, facts | {"book_no": 2, "first_gate": None}])
    assert [(each.number, each.ended) for each in books.all] == [(1, True), (4, False), (5, False)]
    assert {number: (found.number if (found := books.by_gate(number)) else None) for number in (2, 3, 8, 9)} == {
        2: None,
        3: 1,
        8: 1,
        9: 4,
    }
    assert not books.all[0].covers(BEGIN)
    assert [each.doubts(BEGIN) for each in books.all] == [True, True, False], "a doubt is about a model version"


def test_audits_and_transitions_are_told_by_learning() -> None:
    told = {
        "book_no": 1,
        "record_id": "a",
        "gate_number": 1,
        "decided_at": (BEGIN + HOUR).isoformat(),
        "lane_rate": 0.05,
    }
    assert audited(told | {"predicted": "spam", "answer": "spam", "passable": True}) == audit("a")
    facts = {"at_ms": 1_772_366_400_000, "state": "revoked", "reason": "errors"}
    found = turn(replace(LINK, facts=json.dumps(facts)))
    assert (found.at, found.state, found.reason) == (BEGIN + 12 * HOUR, GateState.REVOKED, "errors")


def test_the_promise_is_the_sum_over_the_strata() -> None:
    made = a_certificate(TWO)
    assert made.parts == (certify_lot(460, 60, 2, 0.1), certify_lot(50, 0, 0, 0.1))
    assert made.wrong_at_most == made.parts[0].wrong_at_most + 50
    assert (made.audited, made.found) == (60, 2)
    stretch = "from 2026-03-01T00:00:00Z on and before 2026-03-01T10:00:00Z"
    assert f"Of 450 labels of mail set by the model {stretch}, at most {made.wrong_at_most} (" in made.words()
    assert "with confidence 0.9" in made.words()


def test_it_never_promises_less_than_nothing() -> None:
    lot = gathered([passed("stands", BEGIN), *(corrected(passed(f"g{row}", BEGIN), END) for row in range(9))], [])
    made = a_certificate(lot)
    assert made.wrong_at_most == 1
    assert made.widened_by.startswith("What widens the bound of 1 (100.00%): 10 labels stand where nobody looked")


def test_it_says_in_a_sentence_why_the_bound_is_no_smaller() -> None:
    made = a_certificate(TWO)
    (said,) = [line for line in made.words().splitlines() if line.startswith("What widens")]
    answered, faultless, bound = (
        f"{wrong} ({wrong / 450:.2%})"
        for wrong in (*(certify_lot(460, 60, found, 0.1).wrong_at_most + 50 for found in (1, 0)), made.wrong_at_most)
    )
    assert said == (
        f"What widens the bound of {bound}: 1 unanswered record counts as wrong (answered and right, it would be {answered}); "
        "50 labels stand where nobody looked, and each counts as wrong; people found 1 of the audited records wrong; 60 records were "
        f"audited, and had all of them been right, it would still be {faultless}: only more audits lower that."
    )
    assert made.widened_by in page(made, "").replace("&#x27;", "'")


def test_it_says_who_labelled_and_whether_anything_was_amiss() -> None:
    calm = a_certificate(TWO).words()
    assert "Set by model m version 1, under a gate for at most 5.00% wrong (alpha)." in calm
    assert "None of these labels is suspect." in calm
    assert "The gate was never closed in this stretch." in calm
    doubted = replace(OPEN, suspects=(Suspects(BEGIN, BEGIN + HOUR),))
    lot = gathered([passed("a", BEGIN), passed("b", BEGIN + HOUR)], [], books=(doubted,))
    amiss = a_certificate(lot, closed=(SHUT,) * 5)
    for text in (amiss.words(), page(amiss, "")):
        assert "Suspect: 1 of the 2, set between a change and the closing of the gate" in text
        assert "suspended at 2026-03-01T01:00:00Z (inputs changed)" in text
        assert "; and 2 times more." in text
    content = document(amiss)
    assert (content["suspects"], content["closed"][4]["state"]) == (1, "suspended")
    assert content["labelled_by"] == [{"model_name": "m", "model_version": 1, "alpha": 0.05}]


def test_what_is_gone_is_counted_and_named_with_the_way_out() -> None:
    lot = gathered(
        [passed("r", BEGIN), passed("s", BEGIN, gate_id="mail/2")], [audit("a"), audit("b", gate=2)], [gate(2)]
    )
    for text in (a_certificate(lot).words(), page(a_certificate(lot), "")):
        assert f"Not covered: 1 label {GATE_GONE}." in text
        assert "Left out: 1 audited record drawn by such gates." in text
        assert "STREAMLABEL_LEARNING_HISTORY_DAYS" in text
    assert document(a_certificate(lot))["audits_left_out"] == 1
    assert "HISTORY_DAYS" not in a_certificate(TWO).words()


def test_a_lot_of_which_all_evidence_is_gone_is_refused_with_the_way_out() -> None:
    said = str(nothing_to_certify("mail", BEGIN, END, gathered([passed("r", BEGIN)], [audit("a")], [gate(2)])))
    assert f"(1 were {GATE_GONE})" in said
    assert "STREAMLABEL_LEARNING_HISTORY_DAYS (30)" in said
    assert "choose a later stretch" in said
    assert "HISTORY_DAYS" not in str(nothing_to_certify("mail", BEGIN, END, gathered([], [])))


def test_a_stretch_that_ends_later_than_is_known_is_refused_with_the_way_out() -> None:
    confirmed, now = BEGIN + HOUR, BEGIN + 2 * HOUR
    late = str(incomplete("mail", now, now, confirmed, 1))
    assert late == (
        "the audit of mail is complete up to 2026-03-01T01:00:00Z only: 1 calibration record waits for people; "
        "say --to 2026-03-01T01:00:00Z, or certify later"
    )
    future = str(incomplete("mail", END, now + timedelta(microseconds=5), confirmed, 0))
    assert future.startswith(
        "--to 2026-03-01T10:00:00Z lies in the future (it is 2026-03-01T02:00:00Z now), and only what is past can be certified, "
        "and the audit of mail is complete up to 2026-03-01T01:00:00Z only"
    )
    assert future.endswith("say --to 2026-03-01T01:00:00Z, or certify later")
    assert "not even begun" in str(incomplete("mail", END, now, None, 0))


def test_the_digest_covers_every_word_of_the_document() -> None:
    content = document(a_certificate(TWO))
    assert content["sha256"] == hashlib.sha256(canonical(content)).hexdigest()
    assert content["evidence"]["transition"] == {"number": 7, "digest": LINK.digest.hex()}
    assert len(content["evidence"]["audited_records"]) == 60
    again = json.loads(json.dumps(content, indent=3))
    assert hashlib.sha256(canonical(again)).hexdigest() == content["sha256"]
    again["evidence"]["audited_records"][0] = "other"
    assert hashlib.sha256(canonical(again)).hexdigest() != content["sha256"]
    assert document(a_certificate(TWO, transition=None))["evidence"]["transition"] is None


@pytest.mark.parametrize("source", ["page", "guarantees"])
def test_a_reader_computes_the_digest_by_the_few_lines_that_are_written_down(tmp_path: Path, source: str) -> None:
    lines = LINES
    if source == "guarantees":
        text = (Path(__file__).parents[3] / "docs" / "guarantees.md").read_text()
        (lines,) = [each for each in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "lot.json" in each]
    content = document(a_certificate(replace(TWO, audits=("ä", *TWO.audits[1:]))))
    (tmp_path / "lot.json").write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2))
    ran = subprocess.run([sys.executable, "-c", lines], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ran.stdout == "True\n"


def run_check(*words: str) -> int:
    found = make_app(["certify", "check", *words])(["certify", "check", *words], standalone_mode=False)
    return found if isinstance(found, int) else 0


def test_a_certificate_is_checked_by_the_command_that_the_page_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = a_certificate(TWO)
    content = document(made)
    file = tmp_path / "lot.json"
    file.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2))
    (command,) = re.findall(r"<pre>(streamlabel certify check .*?)</pre>", page(made, content["sha256"]))
    words = command.replace("lot.json", str(file)).split()[3:]
    assert run_check(*words) == 0
    said = capsys.readouterr().out
    assert said.startswith("whole: as it was written")
    assert f"streamlabel gate verify --contains {LINK.digest.hex()}" in said
    assert f"streamlabel gate verify --contains {LINK.digest.hex()}" in page(made, "")
    file.write_text(file.read_text().replace('"found_wrong": 2', '"found_wrong": 1'))
    assert run_check(str(file)) == 1
    assert capsys.readouterr().out.startswith("BROKEN: its text has the SHA-256 ")


def resealed(**changes: Any) -> dict[str, Any]:
    content = document(a_certificate(TWO)) | changes
    return content | {"sha256": digest_of(content)}


def test_who_seals_a_changed_certificate_anew_is_found_by_its_counts_or_by_the_digest_of_the_page() -> None:
    content = document(a_certificate(TWO))
    assert fault_of(content) is None
    assert fault_of(content, content["sha256"]) is None
    assert "it is another certificate" in str(fault_of(resealed(statement="none is wrong"), content["sha256"]))
    assert "are wrong, but it says 1" in str(fault_of(resealed(wrong_at_most=1)))
    assert "it names 59 audited records, but counts 60" in str(
        fault_of(
            resealed(evidence=content["evidence"] | {"audited_records": content["evidence"]["audited_records"][1:]})
        )
    )
    assert "its counts are none" in str(fault_of(resealed(strata=[{}])))


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "is no JSON"), ("[]", "is no certificate of a lot"), ('{"sha256": ""}', "is no certificate of a lot")],
)
def test_what_is_no_certificate_is_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "lot.json"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=message):
        run_check(str(file))
    with pytest.raises(ConfigurationError, match="cannot read"):
        run_check(str(tmp_path / "none.json"))
    with pytest.raises(ConfigurationError, match="64 hexadecimal digits"):
        run_check(str(file), "--sha256", "8c1f")


@pytest.mark.parametrize("lot", [TWO, gathered([passed("r", BEGIN)], [])])
def test_the_page_is_whole_in_itself(lot: Lot) -> None:
    made = a_certificate(lot)
    content = document(made)
    text = page(made, content["sha256"])
    for word in (content["statement"], content["sha256"], LINK.digest.hex(), "What is not", "@page { size: A4", "<svg"):
        assert word in text
    for foreign in ("<script", "http://", "https://", "url(", "<img", "<link"):
        assert foreign not in text.replace('xmlns="http://www.w3.org/2000/svg"', "")
    svg = ElementTree.fromstring(text[text.index("<svg") : text.index("</svg>") + 6])
    assert len(svg.findall("{*}polyline")) == sum(each.audited > 0 for each in lot.strata)
    words = [each.text for each in svg.findall("{*}text")]
    assert {
        "0%",
        "50%",
        "100%",
        "chance of an audit as good as this one",
        "share of these labels that is wrong",
    } <= set(words)


def test_of_many_strata_those_of_the_most_labels_are_drawn() -> None:
    labels: list[Label | str] = [
        passed(f"{number} {row}", BEGIN, gate_id=f"mail/{number}")
        for number in range(1, 7)
        for row in range(10 * number)
    ]
    audits = [audit(f"{number} a{row}", gate=number) for number in range(1, 7) for row in range(5)]
    made = a_certificate(gathered(labels, audits, [gate(number, number / 10) for number in range(1, 7)]))
    text = page(made, "")
    svg = ElementTree.fromstring(text[text.index("<svg") : text.index("</svg>") + 6])
    assert [each.get("class") for each in svg.findall("{*}polyline")] == ["of-A", "of-B", "of-C", "of-D"]
    assert re.findall(r'<tr><td>(?:<b class="key-(\w)">\w</b>)?</td>', text) == ["", "", "A", "B", "C", "D"]


def contrast(one: str, other: str) -> float:
    """As WCAG 2.2 reckons it."""

    def luminance(colour: str) -> float:
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("place", [0, 1])
def test_every_ink_stands_out_from_its_ground(place: int) -> None:
    palettes = re.findall(r":root \{ (?:color-scheme: light dark; )?(--ground.*?) \}", page(a_certificate(TWO), ""))
    assert len(palettes) == 2, "light and dark"
    inks = dict(re.findall(r"--(\w+): (#\w{6})", palettes[place]))
    ground = inks.pop("ground")
    code, line = inks.pop("code"), inks.pop("line")
    assert {name: round(contrast(ink, ground), 1) for name, ink in inks.items() if contrast(ink, ground) < 4.5} == {}
    assert contrast(inks["ink"], code) >= 4.5
    assert contrast(line, ground) >= 1.3


def test_the_page_warns_of_what_is_not_covered() -> None:
    made = a_certificate(replace(TWO, not_covered={WITHOUT_GATE: 12}, superseded=3))
    assert f"Not covered: 12 labels {WITHOUT_GATE}" in page(made, "")
    assert "3 more were corrected, replaced or deleted" in page(made, "")
    assert f"Not covered: 12 labels {WITHOUT_GATE}" in made.words()
