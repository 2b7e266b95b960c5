"""What the gate did during a demo, and how wrong the model's labels truly were in each stretch of the stream."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

from streamlabel.cli.demo.checker import ReadLabel
from streamlabel.cli.demo.gate_source import GateSource, GateView
from streamlabel.cli.demo.gate_words import wanted
from streamlabel.cli.demo.play import DemoStream
from streamlabel.core.label import Label, LabelSource
from streamlabel.gate.answers_wanted import NO_NUMBER

UNNOTICED = "until the gate closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class GateStory:
    """The transitions of a gate during a run, in order, each as learning tells it; `began` is its state before the first of them.

    `ended` is how it stood at the end, None where learning did not answer.
    """

    transitions: tuple[Mapping[str, Any], ...]
    began: str = "cold"
    ended: GateView | None = None

    @property
    def ever_certified(self) -> bool:
        """Whether anything could pass at any time during the run."""
        return "certified" in (self.began, *(each["state"] for each in self.transitions))

    def closed_after(self, opened_gate: int) -> int | None:
        """The number of the first gate after `opened_gate` that let nothing pass; None where there was none."""
        closings = (each["gate_number"] for each in self.transitions if each["state"] in ("suspended", "revoked"))
        return next((number for number in closings if number > opened_gate), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A part of a run. `wrong` of the labels that the model set are not the truth, `answers_wrong` of the people's `answers`.

    `contradicted` is how often one person, asked about a record that the model labelled, would say something else: what a certificate
    is about. It is the same as `error` where people know the truth.
    """

    name: str
    records: int
    by_model: int
    wrong: int
    contradicted: float | None
    answers: int
    answers_wrong: int

    @property
    def error(self) -> float | None:
        """The true share of wrong labels among those that the model set; None where it set none."""
        return self.wrong / self.by_model if self.by_model else None


async def tell_story(source: GateSource, project: str, since_ms: int) -> GateStory:
    """What the project's gate did since then, and how it stands."""
    found = await source.transitions(project)
    before = [each["state"] for each in found if each["at_ms"] < since_ms]
    return GateStory(
        transitions=tuple(each for each in found if each["at_ms"] >= since_ms),
        began=before[-1] if before else "cold",
        ended=await source.now(project),
    )


def stretches_of(found: Sequence[ReadLabel], stream: DemoStream, story: GateStory) -> tuple[Stretch, ...]:
    """The stretches of a run: the parts of its stream; where it was disturbed half-way: before, until the gate closed, and after."""
    final: dict[str, Label] = {}
    for each in found:
        known = final.get(each.label.key.record_id)
        if known is None or each.label.revision > known.revision:
            final[each.label.key.record_id] = each.label
    if stream.turned_from is not None:
        parts = _around(stream.turned_from, final.values(), stream, story)
    else:
        parts = {name: [label for key, label in final.items() if stream.part_of(key) == name] for name in stream.parts}
    return tuple(_stretch(name, part, stream) for name, part in parts.items())


def _around(change: int, labels: Iterable[Label], stream: DemoStream, story: GateStory) -> dict[str, list[Label]]:
    numbered = [(number, label) for label in labels if (number := stream.number(label.key.record_id)) is not None]
    before = [label for number, label in numbered if number < change]
    turned = [label for number, label in numbered if number >= change]
    opened = max((gate_number(label) for label in before), default=0)
    closed = story.closed_after(opened)
    noticed = [closed is not None and gate_number(label) >= closed for label in turned]
    until = [label for label, late in zip(turned, noticed, strict=True) if not late]
    after = [label for label, late in zip(turned, noticed, strict=True) if late]
    return {"before the change": before, UNNOTICED: until, "after it closed": after}


def gate_number(label: Label) -> int:
    """The number of the gate that decided; 0 for none."""
    number = label.decision.gate_id.rpartition("/")[2]
    return int(number) if number.isdecimal() else 0


def gate_report(story: GateStory, stretches: Iterable[Stretch]) -> dict[str, Any]:
    """The story as plain values."""
    return {
        "certified": story.ever_certified,
        "ended": None if story.ended is None else _ended(story.ended),
        "transitions": [dict(each) for each in story.transitions],
        "stretches": [asdict(each) | {"error": each.error} for each in stretches],
    }


def _ended(gate: GateView) -> dict[str, Any]:
    """Without a certificate there is neither threshold nor bound."""
    told = asdict(gate)
    return told if gate.count else {key: told[key] for key in ("state", "evidence", "answers_needed")}


def gate_lines(story: GateStory, stretches: Iterable[Stretch], *, people_disagree: bool = False) -> list[str]:
    """The story for a person, a line each; where people disagree, how often they contradict the model is told besides."""
    # Every look may bring a better certificate: one line for all of them until the next thing happens.
    runs = [list(group) for _, group in groupby(story.transitions, key=lambda each: each["state"])]
    lines = [_told(run) for run in runs]
    if not story.ever_certified:
        lines.append(f"Nothing could be certified, so people labelled everything: {_why_nothing(story.ended)}.")
    for each in stretches:
        if each.name == UNNOTICED and each.by_model:
            lines.append("  What passed between the change and the closing is suspect: nobody knew yet.")
        lines.append(f"  {each.name}: {each.records:,} records, {_by_model(each, people_disagree=people_disagree)};")
        lines.append(
            f"    {each.answers:,} answers of people, {_share(each.answers_wrong, each.answers)} of them wrong"
        )
    return lines


def _told(run: Sequence[Mapping[str, Any]]) -> str:
    first, more = run[0], len(run) - 1
    at = f"At record {first['place']:,} the gate"
    if first["state"] == "cold":
        return f"{at} was closed, for want of evidence (cold): people labelled everything."
    if first["state"] != "certified":
        return f"{at} closed ({first['state']}): {first['reason']}."
    times = "once" if more == 1 else f"{more} times"
    again = f"; certified anew {times}, the last time at record {run[-1]['place']:,}" if more else ""
    return (
        f"{at} opened (certified), by {first['count']:,} calibration answers, {first['errors']:,} of them wrong{again}."
    )


def _why_nothing(gate: GateView | None) -> str:
    if gate is None:
        return "the learning service told of no gate"
    if gate.answers_needed is None:
        return NO_NUMBER
    return f"{wanted(gate)} more of the calibration lane were wanted"


def _by_model(stretch: Stretch, *, people_disagree: bool) -> str:
    if not stretch.by_model:
        return "none labelled by the model"
    told = (
        f"{stretch.by_model:,} ({stretch.by_model / stretch.records:.1%}) labelled by the model, "
        f"{_share(stretch.wrong, stretch.by_model)} of them wrong"
    )
    if people_disagree and stretch.contradicted is not None:
        told += f" (one person contradicts {stretch.contradicted:.2%})"
    return told


def _share(count: int, total: int) -> str:
    return f"{count / total:.2%}" if total else "none"


def _stretch(name: str, part: Sequence[Label], stream: DemoStream) -> Stretch:
    def wrong(labels: Sequence[Label]) -> int:
        return sum(label.class_name != stream.truth(label.key.record_id) for label in labels)

    by_model = [label for label in part if label.source is LabelSource.MODEL]
    by_people = [label for label in part if label.source is LabelSource.HUMAN]
    doubts = [stream.contradiction(label.key.record_id, label.class_name) for label in by_model]
    return Stretch(
        name=name,
        records=len(part),
        by_model=len(by_model),
        wrong=wrong(by_model),
        contradicted=sum(doubts) / len(doubts) if doubts else None,
        answers=len(by_people),
        answers_wrong=wrong(by_people),
    )
