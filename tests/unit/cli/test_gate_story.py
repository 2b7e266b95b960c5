"""What a demo tells of its gate: the stretches of a run whose stream turned."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest

from streamlabel.cli.demo.checker import ReadLabel
from streamlabel.cli.demo.gate_source import GateView
from streamlabel.cli.demo.gate_story import GateStory, gate_lines, gate_number, gate_report, stretches_of, tell_story
from streamlabel.core.decision import Decision, DecisionReason, Purpose, Route
from streamlabel.core.identity import RecordKey
from streamlabel.core.label import Label, LabelSource
from streamlabel.core.record import Record
from streamlabel.gate.answers_wanted import NO_NUMBER

CERTIFIED = {
    "state": "certified",
    "gate_number": 2,
    "place": 100,
    "reason": "certified",
    "count": 140,
    "errors": 1,
    "at_ms": 1,
}
REVOKED = {"state": "revoked", "gate_number": 5, "place": 260, "reason": "errors rose", "at_ms": 2}
AGAIN = {**CERTIFIED, "gate_number": 7, "place": 400, "at_ms": 3}
STORY = GateStory(transitions=(CERTIFIED, REVOKED, AGAIN))


@dataclass(frozen=True)
class Stream:
    """Records r0, r1, …: the first hundred are of part "one"."""

    turned_from: int | None = 200
    parts: tuple[str, ...] = ()
    run: str = "0123456789ab"
    project: str = "p"
    id_prefix: str = "r"

    def record_id(self, number: int) -> str:
        return f"r{number}"

    def record(self, number: int) -> Record:
        raise NotImplementedError

    def part_of(self, record_id: str) -> str | None:
        return ("one" if int(record_id[1:]) < 100 else "two") if self.parts else None

    def number(self, record_id: str) -> int | None:
        return int(record_id[1:]) if record_id.startswith("r") else None

    def truth(self, record_id: str) -> str | None:
        return "right"

    def contradiction(self, record_id: str, class_name: str) -> float:
        return 0.2 if class_name == "right" else 0.8


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
    assert lines[1] == "At record 260 the gate closed (revoked): errors rose."
    assert "between the change and the closing is suspect" in lines[5]
    assert "until the gate closed: 2 records, 2 (100.0%) labelled by the model, 50.00% of them wrong;" in lines[6]
    often = GateStory(transitions=(CERTIFIED, {**CERTIFIED, "place": 700}, REVOKED))
    opened = "At record 100 the gate opened (certified), by 140 calibration answers, 1 of them wrong"
    assert gate_lines(STORY, ())[0] == f"{opened}."
    assert gate_lines(often, ())[0] == f"{opened}; certified anew once, the last time at record 700."
    assert gate_report(STORY, (before,))["stretches"][0]["error"] == 1 / 3


def test_a_change_that_nobody_noticed_has_no_end() -> None:
    found = [label(10, 2), label(250, 2, class_name="wrong")]
    _, during, after = stretches_of(found, Stream(), GateStory(transitions=(CERTIFIED,)))
    assert (during.by_model, during.wrong, after.records, after.error) == (1, 1, 0, None)


def test_a_steady_stream_has_no_stretches() -> None:
    assert stretches_of([label(1, 2)], Stream(turned_from=None), STORY) == ()
    assert gate_number(label(1, 12).label) == 12


def test_each_part_of_a_stream_is_told_with_its_answers() -> None:
    found = [
        label(10, 2),
        label(11, 2, class_name="wrong"),
        label(12, 2, source=LabelSource.HUMAN),
        label(13, 2, source=LabelSource.HUMAN, class_name="wrong"),
        label(100, 5, source=LabelSource.HUMAN),
    ]
    one, two = stretches_of(found, Stream(turned_from=None, parts=("one", "two")), STORY)
    assert (one.records, one.by_model, one.wrong, one.answers, one.answers_wrong) == (4, 2, 1, 2, 1)
    assert (one.error, one.contradicted) == (0.5, 0.5)
    assert (two.records, two.by_model, two.error, two.contradicted, two.answers) == (1, 0, None, None, 1)
    assert gate_lines(STORY, (one, two), people_disagree=True)[3:] == [
        "  one: 4 records, 2 (50.0%) labelled by the model, 50.00% of them wrong (one person contradicts 50.00%);",
        "    2 answers of people, 50.00% of them wrong",
        "  two: 1 records, none labelled by the model;",
        "    1 answers of people, 0.00% of them wrong",
    ]
    assert "contradicts" not in "".join(gate_lines(STORY, (one, two)))
    assert gate_report(STORY, (one,))["stretches"][0]["contradicted"] == 0.5


VIEW = GateView(
    state="cold", threshold=None, count=0, errors=0, bound=1.0, evidence=20, answers_needed=98, confirmed_until_ms=0
)


@pytest.mark.parametrize(
    ("ended", "why"),
    [
        (None, "the learning service told of no gate"),
        (VIEW, "about 98 answers more of the calibration lane were wanted"),
        (replace(VIEW, evidence=0), "at least 98 answers more of the calibration lane were wanted"),
        (replace(VIEW, answers_needed=None), NO_NUMBER),
    ],
)
def test_where_nothing_could_be_certified_that_is_said_and_why(ended: GateView | None, why: str) -> None:
    story = GateStory(transitions=(), ended=ended)
    assert gate_lines(story, ()) == [f"Nothing could be certified, so people labelled everything: {why}."]
    report = gate_report(story, ())
    assert report["certified"] is False
    assert report["ended"] is None or report["ended"].keys() == {"state", "evidence", "answers_needed"}


def test_what_was_certified_before_the_run_counts() -> None:
    assert gate_lines(GateStory(transitions=(), began="certified"), ()) == []
    assert gate_report(STORY, ())["certified"] is True


class Told:
    """A learning service with a past."""

    async def transitions(self, project: str) -> list[dict[str, object]]:
        return [CERTIFIED, REVOKED, AGAIN]

    async def now(self, project: str) -> GateView | None:
        return VIEW


async def test_a_story_begins_with_the_run() -> None:
    story = await tell_story(Told(), "p", 3)  # type: ignore[arg-type]
    assert (story.began, story.transitions, story.ended) == ("revoked", (AGAIN,), VIEW)
