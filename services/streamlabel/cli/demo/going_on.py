"""What a person may do next, once a demo is over: where its report lies, and the commands that look closer."""

from __future__ import annotations

import shlex
from datetime import datetime

from streamlabel.cli.demo.gate_source import GateView
from streamlabel.cli.demo.options import DemoOptions
from streamlabel.cli.moments import from_ms, told
from streamlabel.local.places import DataDir


def going_on(
    project: str, options: DemoOptions, data: DataDir, began: datetime, gate: GateView | None, *, is_ours: bool
) -> list[str]:
    """Lines to be read and pasted, about the run since `began`; where its stack ended with it (`is_ours`), first how it comes back.

    `gate` is how the gate stands at the end: its evidence says up to when a lot can be certified.
    """
    where = "" if data == DataDir.at() else f" --data-dir {shlex.quote(str(data.root))}"
    steps = [
        (f"streamlabel status{where}", "the address of the page of gates: how this one stands, and why"),
        (f"streamlabel gate history --project {project}{where}", "all that the gate did, and by which evidence"),
        (f"streamlabel gate suspects --project {project}{where}", "labels set between a change and the closing"),
    ]
    begin, end = began.replace(microsecond=0), from_ms(gate.confirmed_until_ms if gate else 0)
    if end > begin:
        stretch = f"--from {told(begin)} --to {told(end)}"
        steps.append(
            (
                f"streamlabel certify lot --project {project} {stretch}{where}",
                "how many of the labels that the model set in this run are wrong at most",
            )
        )
    if is_ours:
        steps.insert(0, (f"streamlabel up --detach{where}", "the stack has stopped with the demo; this brings it back"))
    report = (
        "No report was written: --report FILE writes one."
        if options.report is None
        else f"Report: {options.report.absolute()}"
    )
    return [report, "Look closer:", *[f"  {command}\n      {what}" for command, what in steps]]
