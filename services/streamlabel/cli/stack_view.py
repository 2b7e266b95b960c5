"""How the state of a stack looks: as a table for people, as plain values for scripts."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from streamlabel.local import stack_file
from streamlabel.local.disk import MIB, free_bytes
from streamlabel.local.places import DataDir
from streamlabel.local.stack_file import ProcessPhase, StackPhase, StackState

_COLOURS = {
    ProcessPhase.READY: "green",
    ProcessPhase.STARTING: "yellow",
    ProcessPhase.WAITING: "dim",
    ProcessPhase.RESTARTING: "red",
    ProcessPhase.MISCONFIGURED: "bold red",
    ProcessPhase.STOPPED: "dim",
}


def settled(data: DataDir) -> StackState | None:
    """The state of a stack, put right where its supervisor could not tell; None where there never was one.

    A supervisor that was killed tells no end, and one whose disk is full tells nothing at all.
    """
    state = stack_file.read(data)
    if state is None:
        return None
    if not stack_file.is_running(data):
        return stack_file.stopped(state)
    for name, process in state.processes.items():
        if process.pid is not None and not Path(f"/proc/{process.pid}").exists():
            reason = f"ended; the supervisor did not tell why ({free_bytes(data.root) // MIB} MiB free on the disk)"
            gone = replace(process, phase=ProcessPhase.RESTARTING, pid=None, started_at=None, reason=reason)
            state = state.with_process(name, gone)
    return state


def facts(data: DataDir, state: StackState | None) -> dict[str, Any]:
    """The state as values for JSON; times in seconds."""
    if state is None:
        return {"data_dir": str(data.root), "phase": StackPhase.STOPPED, "running": False, "processes": {}}
    now = time.time()
    processes = {
        name: {
            "state": process.phase,
            "pid": process.pid,
            "uptime_s": round(now - process.started_at, 1) if process.started_at else None,
            "restarts": process.restarts,
            "address": process.address,
            "reason": process.reason,
            "log": str(data.log_of(name)),
        }
        for name, process in state.processes.items()
    }
    return {
        "data_dir": str(data.root),
        "phase": state.phase,
        "running": state.phase is not StackPhase.STOPPED,
        "supervisor_pid": None if state.phase is StackPhase.STOPPED else state.supervisor.pid,
        "page": state.environment.get("STREAMLABEL_CLI_REVIEW_URL"),
        "ports": dict(state.ports),
        "environment": dict(state.environment),
        "processes": processes,
    }


def table(state: StackState) -> RenderableType:
    """One row per process, and where to go from here."""
    rows = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for column in ("process", "state", "pid", "up", "restarts", "address"):
        rows.add_column(column, justify="right" if column in ("pid", "restarts") else "left", no_wrap=True)
    now = time.time()
    for name, process in state.processes.items():
        rows.add_row(
            Text(name),
            Text(process.phase, style=_COLOURS[process.phase]),
            Text(str(process.pid or "")),
            Text(duration(now - process.started_at) if process.started_at else ""),
            Text(str(process.restarts or "")),
            Text(process.address),
        )
    # Below the table, not in it: a reason is a sentence, and would squeeze the addresses on a narrow terminal.
    reasons = [
        Text.assemble((name, "bold"), f": {process.reason}")
        for name, process in state.processes.items()
        if process.reason
    ]
    parts: list[RenderableType] = [rows, *([Text(), *reasons] if reasons else [])]
    if where := addresses(state):
        parts += [Text(), where]
    return Group(*parts)


def addresses(state: StackState) -> Text:
    """The addresses that a person goes on with."""
    ports = state.ports
    lines = {}
    if "review" in state.processes:
        lines["Review page"] = state.environment["STREAMLABEL_CLI_REVIEW_URL"]
    if "learning" in state.processes:
        lines["Gates"] = f"{state.environment['STREAMLABEL_CLI_LEARNING_URL']}gate"
    if "ingest" in state.processes:
        lines["Send records"] = f"gRPC 127.0.0.1:{ports['ingest-grpc']}, HTTP http://127.0.0.1:{ports['ingest-http']}/"
    return Text("\n").join(Text.assemble((f"{name:<14}", "bold"), text) for name, text in lines.items())


def duration(seconds: float) -> str:
    """`42 s`, `5 min`, `3 h 10 min`, `2 d 4 h`."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min"
    if whole < 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3600} h"
