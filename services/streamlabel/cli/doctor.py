"""`streamlabel doctor`: what is missing or unreachable, and what to do."""

from __future__ import annotations

from dataclasses import asdict

import orjson
import typer
from rich.console import Console
from rich.text import Text

from streamlabel.cli.stack import DataDirOption
from streamlabel.local.examination import Finding, Verdict, examine
from streamlabel.local.places import DataDir, cache_dir

_SIGNS = {Verdict.GOOD: ("✓", "green"), Verdict.NOTE: ("!", "yellow"), Verdict.BAD: ("✗", "bold red")}
_SUBJECT_WIDTH = 24


def register(app: typer.Typer) -> None:
    """Adds `doctor` to the command line."""
    app.command("doctor", rich_help_panel="Embedded stack")(doctor)


def doctor(
    data_dir: DataDirOption = None,
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object."),
) -> None:
    """Look for what is missing or unreachable, and say what to do. Exits 1 where the stack cannot run like this."""
    findings = []
    console = Console(highlight=False, soft_wrap=True)
    for finding in examine(DataDir.at(data_dir), cache_dir()):
        findings.append(finding)
        if not as_json:
            console.print(_line(finding))
    bad = [finding for finding in findings if finding.verdict is Verdict.BAD]
    if as_json:
        report = {"healthy": not bad, "findings": [asdict(finding) for finding in findings]}
        typer.echo(orjson.dumps(report, option=orjson.OPT_INDENT_2).decode())
    else:
        console.print(f"\n{_summary(len(bad))}")
    if bad:
        raise typer.Exit(1)


def _summary(bad: int) -> str:
    if not bad:
        return "Nothing stands in the way of `streamlabel up`"
    return f"{bad} {'thing stands' if bad == 1 else 'things stand'} in the way; the arrows say what to do"


def _line(finding: Finding) -> Text:
    sign, style = _SIGNS[finding.verdict]
    line = Text.assemble((sign, style), f" {finding.subject:<{_SUBJECT_WIDTH}} ", finding.detail)
    return line.append(f"\n  → {finding.remedy}", style=style) if finding.remedy else line
