"""What the gate did during a demo, and how wrong the model's labels truly were before a change, until it was noticed, and after."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any, Protocol

from streamlabel.cli.demo.checker import ReadLabel
from streamlabel.cli.demo.gate_source import GateSource
from streamlabel.core.label import Label, LabelSource


@dataclass(frozen=True, slots=True, kw_only=True)
class GateStory:
    """The transitions of a gate during a run, in order, each as learning tells it."""

    transitions: tuple[Mapping[str, Any], ...]

    def closed_after(self, opened_gate: int) -> int | None:
        """The number of the first gate after `opened_gate` that let nothing pass; None where there was none."""
        closings = (each["gate_number"] for each in self.transitions if each["state"] in ("suspended", "revoked"))
        return next((number for number in closings if number > opened_gate), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A part of a run. `wrong` of the labels that the model set are not the truth; `error` None where it set none."""

    name: str
    records: int
    by_model: int
    wrong: int

    @property
    def error(self) -> float | None:
        """The true share of wrong labels among those that the model set."""
        return self.wrong / self.by_model if self.by_model else None


class TurningStream(Protocol):
    """The stream of a run, as far as its story goes."""

    turned_from: int | None

    def number(self, record_id: str) -> int | None:
        """Which record of the run it is."""
        ...

    def truth(self, record_id: str) -> str | None:
        """The class that is right."""
        ...


async def tell_story(source: GateSource, project: str, since_ms: int) -> GateStory:
    """What the project's gate did since then."""
    found = await source.transitions(project)
    return GateStory(transitions=tuple(each for each in found if each["at_ms"] >= since_ms))


def stretches_of(found: Sequence[ReadLabel], stream: TurningStream, story: GateStory) -> tuple[Stretch, ...]:
    """The stretches of a run whose stream turned half-way: before, until the gate closed, and after. None of a steady stream."""
    if stream.turned_from is None:
        return ()
    final: dict[str, Label] = {}
    for each in found:
        known = final.get(each.label.key.record_id)
        if known is None or each.label.revision > known.revision:
            final[each.label.key.record_id] = each.label
    numbered = [
        (number, label) for label in final.values() if (number := stream.number(label.key.record_id)) is not None
    ]
    before = [label for number, label in numbered if number < stream.turned_from]
    turned = [label for number, label in numbered if number >= stream.turned_from]
    opened = max((gate_number(label) for label in before), default=0)
    closed = story.closed_after(opened)
    noticed = [closed is not None and gate_number(label) >= closed for label in turned]
    until = [label for label, late in zip(turned, noticed, strict=True) if not late]
    after = [label for label, late in zip(turned, noticed, strict=True) if late]
    parts = (("before the change", before), ("until the gate closed", until), ("after it closed", after))
    return tuple(_stretch(name, part, stream.truth) for name, part in parts)


def gate_number(label: Label) -> int:
    """The number of the gate that decided; 0 for none."""
    number = label.decision.gate_id.rpartition("/")[2]
    return int(number) if number.isdecimal() else 0


def gate_report(story: GateStory, stretches: Iterable[Stretch]) -> dict[str, Any]:
    """The story as plain values."""
    return {
        "transitions": [dict(each) for each in story.transitions],
        "stretches": [asdict(each) | {"error": each.error} for each in stretches],
    }


def gate_lines(story: GateStory, stretches: Iterable[Stretch]) -> list[str]:
    """The story for a person, a line each."""
    # Every look may bring a better certificate: one line for all of them until the next thing happens.
    runs = [list(group) for _, group in groupby(story.transitions, key=lambda each: each["state"])]
    lines = [_told(run) for run in runs]
    for each in stretches:
        error = "none of them" if each.error is None else f"{each.error:.2%} of them wrong"
        lines.append(f"  {each.name}: {each.records:,} records, {each.by_model:,} labelled by the model, {error}")
    return lines


def _told(run: Sequence[Mapping[str, Any]]) -> str:
    first, more = run[0], len(run) - 1
    again = f" (and {more} more, the last at record {run[-1]['place']:,})" if more else ""
    return f"Gate {first['state']} at record {first['place']:,}: {first['reason']}{again}."


def _stretch(name: str, part: Sequence[Label], truth: Callable[[str], str | None]) -> Stretch:
    by_model = [label for label in part if label.source is LabelSource.MODEL]
    wrong = sum(label.class_name != truth(label.key.record_id) for label in by_model)
    return Stretch(name=name, records=len(part), by_model=len(by_model), wrong=wrong)
