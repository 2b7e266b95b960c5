"""What a demo tells of its gate: the stretches of a run whose stream turned."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from streamlabel.cli.demo.checker import ReadLabel
from streamlabel.cli.demo.gate_story import GateStory, gate_lines, gate_number, gate_report, stretches_of
from streamlabel.core.decision import Decision, DecisionReason, Purpose, Route
from streamlabel.core.identity import RecordKey
from streamlabel.core.label import Label, LabelSource

CERTIFIED = {"state": "certified", "gate_number": 2, "place": 100, "reason": "certified", "at_ms": 1}
REVOKED = {"state": "revoked", "gate_number": 5, "place": 260, "reason": "errors rose", "at_ms": 2}
AGAIN = {"state": "certified", "gate_number": 7, "place": 400, "reason": "certified", "at_ms": 3}
STORY = GateStory(transitions=(CERTIFIED, REVOKED, AGAIN))


@dataclass
class Stream:
    turned_from: int | None = 200

    def number(self, record_id: str) -> int | None:
        return int(record_id[1:]) if record_id.startswith("r") else None

    def truth(self, record_id: str) -> str | None:
        return "right"


def label(number: int, gate: int, *, source: LabelSource = LabelSource.MODEL, class_name: str = "right") -> ReadLabel:
    by_model = source is LabelSource.MODEL
    decision = Decision(
        route=Route.AUTO_LABEL if by_model else Route.REVIEW,
        reason=DecisionReason.GATE_PASSED if by_model else DecisionReason.BELOW_GATE,
        purpose=None if by_model else Purpose.TRAIN,
        gate_id=f"p/{gate}",
    )
    made = Label(
        key=RecordKey(project="p", record_id=f"r{number}"),
        class_name=class_name,
        source=source,
        decision=decision,
        project_version=1,
        taxonomy_version=1,
        content_hash=b"",
        labelled_at=datetime(2026, 1, 1, tzinfo=UTC),
        annotators=() if by_model else ("ann",),
    )
    return ReadLabel(label=made, partition=0, offset=number, written_ms=0)


def test_a_label_belongs_to_the_stretch_of_the_gate_that_let_it_pass() -> None:
    found = [
        label(10, 2),
        label(150, 3, class_name="wrong"),
        label(199, 4),
        label(160, 2, source=LabelSource.HUMAN),
        label(200, 4, class_name="wrong"),
        label(210, 4),
        label(230, 5, source=LabelSource.HUMAN),
        label(300, 7),
    ]
    before, during, after = stretches_of(found, Stream(), STORY)
    assert (before.records, before.by_model, before.wrong) == (4, 3, 1)
    assert (during.records, during.by_model, during.wrong, during.error) == (2, 2, 1, 0.5)
    assert (after.records, after.by_model, after.wrong, after.error) == (2, 1, 0, 0.0)
    lines = gate_lines(STORY, (before, during, after))
    assert lines[1] == "Gate revoked at record 260: errors rose."
    assert "until the gate closed: 2 records, 2 labelled by the model, 50.00% of them wrong" in lines[4]
    often = GateStory(transitions=(CERTIFIED, {**CERTIFIED, "place": 700}, REVOKED))
    assert gate_lines(often, ())[0] == "Gate certified at record 100: certified (and 1 more, the last at record 700)."
    assert gate_report(STORY, (before,))["stretches"][0]["error"] == 1 / 3


def test_a_change_that_nobody_noticed_has_no_end() -> None:
    found = [label(10, 2), label(250, 2, class_name="wrong")]
    _, during, after = stretches_of(found, Stream(), GateStory(transitions=(CERTIFIED,)))
    assert (during.by_model, during.wrong, after.records, after.error) == (1, 1, 0, None)


def test_a_steady_stream_has_no_stretches() -> None:
    assert stretches_of([label(1, 2)], Stream(turned_from=None), STORY) == ()
    assert gate_number(label(1, 12).label) == 12
