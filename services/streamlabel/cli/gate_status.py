"""`streamlabel gate status`: how each gate stands now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.table import Table

from streamlabel.cli.connection import DataDirOption, connect, run
from streamlabel.cli.learning_records import learning_records
from streamlabel.cli.moments import from_ms, told
from streamlabel.gate.answers_wanted import NO_NUMBER, more_answers
from streamlabel.gate.policy import GatePolicy

_NOTHING = "no project has policy certified: no model may label alone by evidence (`streamlabel project list`)"
_STYLES = {"certified": "green", "suspended": "yellow", "revoked": "bold red", "none": "bold red"}


def add_to(gate: typer.Typer) -> None:
    """Adds `status`."""
    gate.command("status")(status)


def status(
    project: Annotated[str, typer.Option("--project", "-p", help="Only this project.", show_default=False)] = "",
    data_dir: DataDirOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a project, one a line.")] = False,
) -> None:
    """How each gate stands: what passes, by which evidence, and what it waits for.

    bound: at most this share of what passes is wrong, with probability 1 - delta. n, k: answers of the calibration lane behind
    it, and how many of them say that the model was wrong. coverage: the share of the latest records that passes.
    confirmed until: every calibration record before that moment is answered and counted.

    Examples:

      streamlabel gate status

      streamlabel gate status --project digits --json | jq .point.threshold
    """
    found = run(_ask(connect(data_dir).learning_url, project))
    if as_json:
        for each in found:
            typer.echo(orjson.dumps(each).decode())
        return
    console = Console()
    if not found:
        console.print(_NOTHING)
    for place, each in enumerate(found):
        if place:
            console.print()
        console.print(_table(each))


async def _ask(url: str, project: str) -> Sequence[Mapping[str, Any]]:
    async with learning_records(url) as learning:
        return [await learning.project(project)] if project else await learning.projects()


def _table(facts: Mapping[str, Any]) -> Table:
    """One project, a line a fact: a row of all of them is wider than any terminal."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name, value in rows(facts):
        table.add_row(name, value, style=_STYLES.get(value) if name == "state" else None)
    return table


def rows(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What there is to say of a gate, in the order in which a person asks."""
    point: Mapping[str, Any] | None = facts["point"]
    limit = GatePolicy(alpha=facts["alpha"], delta=facts["delta"]).alarm_limit
    named = [("project", str(facts["project"])), ("model", f"{facts['model_name']} version {facts['model_version']}")]
    # A learning service of before tells of no faults.
    if facts.get("fault"):
        return [*named, ("state", "none"), ("reason", f"{facts['fault']}; apply the project anew once that is mended")]
    if point is None:
        return [*named, ("state", "cold"), ("reason", "no evidence yet")]
    return [
        *named,
        ("state", str(point["state"])),
        ("reason", str(point["reason"])),
        ("threshold", "nothing passes" if point["threshold"] is None else f"{point['threshold']:.6g}"),
        ("alpha", f"{facts['alpha']:.2%} wrong at most, with probability {1 - facts['delta']:.4g}"),
        ("bound", f"{point['bound']:.2%}" if point["count"] else "–"),
        ("evidence", f"n {point['count']:,}, k {point['errors']:,} of {point['evidence']:,} answers in the window"),
        ("lane rate", f"{point['lane_rate']:.1%}"),
        # Of a point that an older release wrote nobody knows.
        *([("neighbours", _neighbours(point["neighbours"]))] if "neighbours" in point else []),
        ("coverage", f"{point['coverage']:.1%}"),
        ("to go", needed(point)),
        ("unanswered", f"{point['unanswered']:,} calibration records wait for people"),
        ("alarm", f"evidence of {point['alarm']:,.1f} to 1 for errors above alpha; {limit:g} revokes"),
        ("confirmed until", told(from_ms(point["confirmed_until_ms"])) if point["confirmed_until_ms"] else "–"),
        ("as of", told(from_ms(point["at_ms"]))),
    ]


def _neighbours(count: int) -> str:
    if count:
        return f"the score compares each record with {count:,} that people answered, by their embeddings"
    return "none: nothing is fitted yet, or the model gives no embeddings, or some too long to be used"


def needed(point: Mapping[str, Any]) -> str:
    """How far the certificate is away."""
    answers = point["answers_needed"]
    if answers is None:
        return NO_NUMBER
    if answers == 0:
        return "nothing: certified"
    return f"{more_answers(answers, point['evidence'])} until certified"
