"""`streamlabel review show`, `list` and `requeue`: what became of tasks, and those that were set aside."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from streamlabel.cli.connection import DataDirOption, connect, run
from streamlabel.cli.moments import told
from streamlabel.cli.review_call import ask_review
from streamlabel.client.review import ReviewClient
from streamlabel.core.history import (
    EscalationReason,
    SkipReason,
    TaskEvent,
    TaskEventKind,
    TaskHistory,
    TaskState,
    TaskSummary,
)
from streamlabel.core.identity import RecordKey

_PAGE_SIZE = 500
_BY_PROJECT = {"project": "--project"}

ProjectOption = Annotated[str, typer.Option("--project", "-p", help="The project.", show_default=False)]


def show(
    record: Annotated[str, typer.Argument(metavar="PROJECT/RECORD", help="The record.", show_default=False)],
    annotator: Annotated[
        str,
        typer.Option(
            "--as",
            metavar="NAME",
            help="As this person may see it: nothing that could sway an answer that they could still give.",
            show_default=False,
        ),
    ] = "",
    data_dir: DataDirOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Tell what became of a record that people were asked about: who had it, what they said or why they did not, and its labels.

    A lease shows while it lasts, and when it ran out; one that was answered or skipped shows by that.

    Examples:

      streamlabel review show mail/m-01

      streamlabel review show mail/m-01 --as ann --json
    """
    try:
        key = RecordKey.parse(record)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="PROJECT/RECORD") from error
    hints = dict.fromkeys(("project", "record_id"), "PROJECT/RECORD")
    address = connect(data_dir).review_address
    found = run(ask_review(address, lambda client: client.history(key, annotator=annotator), hints))
    if as_json:
        typer.echo(orjson.dumps(_history_row(found)).decode())
        return
    Console(soft_wrap=True).print(_heading(found))
    Console().print(_timeline(found))


def list_tasks(
    project: ProjectOption,
    state: Annotated[
        TaskState | None, typer.Option("--state", help="Only tasks that stand so.", show_default=False)
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many.")] = 100,
    data_dir: DataDirOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a task, one a line.")] = False,
) -> None:
    """List the tasks of a project in the order in which they came.

    Examples:

      streamlabel review list --project mail --state escalated
    """
    address = connect(data_dir).review_address
    tasks = run(ask_review(address, lambda client: _read(client, project, state, limit), _BY_PROJECT))
    if as_json:
        for task in tasks:
            typer.echo(orjson.dumps(_task_row(task)).decode())
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("record", "state", "purpose", "arrived"):
        table.add_column(heading, overflow="fold")
    for heading in ("votes", "attempts"):
        table.add_column(heading, justify="right")
    for task in tasks:
        table.add_row(
            Text(task.key.record_id),
            _state_words(task),
            task.purpose.value,
            told(task.arrived_at),
            f"{task.votes} of {task.needed_votes}",
            f"{task.attempts}",
        )
    Console().print(table if tasks else f"no task of {project} stands so")


def requeue(project: ProjectOption, data_dir: DataDirOption = None) -> None:
    """Put the tasks that were set aside back into the queue, as if nobody had seen them.

    `streamlabel review list --state escalated` shows which these are, `streamlabel review show` why.

    Examples:

      streamlabel review requeue --project mail
    """
    count = run(ask_review(connect(data_dir).review_address, lambda client: client.requeue(project), _BY_PROJECT))
    typer.echo(f"{count:,} {'task is' if count == 1 else 'tasks are'} in the queue of {project} again")


async def _read(client: ReviewClient, project: str, state: TaskState | None, limit: int) -> list[TaskSummary]:
    found: list[TaskSummary] = []
    async for task in _pages(client, project, state):
        found.append(task)
        if len(found) == limit:
            break
    return found


async def _pages(client: ReviewClient, project: str, state: TaskState | None) -> AsyncIterator[TaskSummary]:
    token = ""
    while True:
        page = await client.tasks(project, state=state, page_size=_PAGE_SIZE, page_token=token)
        for task in page.tasks:
            yield task
        token = page.next_token
        if not token:
            return


def _heading(history: TaskHistory) -> Text:
    task, decision = history.task, history.decision
    lines = [f"{task.key}: {_state_words(task)}"]
    lines.append(f"asked to {task.purpose.value}, as routing decided: {decision.reason.value}")
    if history.model_name:
        lines.append(f"model {history.model_name} version {history.model_version}, score {decision.score:.4g}")
    if history.suggestion is not None:
        lines.append(
            f"shown with the suggestion {history.suggestion.class_name!r}, {history.suggestion.probability:.1%}"
        )
    elif task.blind:
        lines.append("asked blind: annotators do not see what the model thinks")
    if task.needed_votes > 1:
        lines.append(f"wants {task.needed_votes} answers at least, has {task.votes}")
    if history.lease is not None:
        who = history.lease.annotator or "somebody"
        lines.append(
            f"in the hands of {who} since {told(history.lease.leased_at)}, until {told(history.lease.expires_at)}"
        )
    return Text("\n".join(lines) + "\n")


def _timeline(history: TaskHistory) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("time", no_wrap=True)
    table.add_column("what happened", overflow="fold")
    table.add_column("who", overflow="fold")
    for event in history.events:
        table.add_row(told(event.at), Text(_words(event)), Text(event.annotator or "–"))
    return table


def _words(event: TaskEvent) -> str:
    note = f": {event.note}" if event.note else ""
    looked = f" after {event.think_time_ms / 1000:.1f} s" if event.think_time_ms else ""
    match event.kind:
        case TaskEventKind.ARRIVED:
            return "arrived"
        case TaskEventKind.ANSWERED:
            return f"answered {event.class_name!r}{looked}"
        case TaskEventKind.SECOND_OPINION:
            return f"answered {event.class_name!r} too late: kept as a second opinion"
        case TaskEventKind.RETRACTED:
            return f"took back {event.class_name!r}"
        case TaskEventKind.LABELLED:
            return f"label, revision {event.revision}" + (f": {event.class_name!r}" if event.class_name else "")
        case TaskEventKind.SKIPPED:
            return f"skipped, {_SKIPS[event.skip_reason or SkipReason.OTHER]}{note}"
        case TaskEventKind.EXPIRED:
            return "the lease ran out"
        case TaskEventKind.ESCALATED:
            return f"set aside, {_ESCALATIONS[event.escalation or EscalationReason.BY_PERSON]}{note}"
        case TaskEventKind.REQUEUED:
            return "put back into the queue"


_SKIPS = {
    SkipReason.CANNOT_TELL: "cannot tell",
    SkipReason.BROKEN_RECORD: "the record is broken",
    SkipReason.NOT_MY_FIELD: "not their field",
    SkipReason.OTHER: "another reason",
}
_ESCALATIONS = {
    EscalationReason.SKIPPED: "as so many skipped it",
    EscalationReason.ATTEMPTS: "as so many leases ended without an answer",
    EscalationReason.BY_PERSON: "as a person said",
    EscalationReason.CONTESTED: "as people disagree",
}
_STATES = {
    TaskState.READY: "waits",
    TaskState.LEASED: "in hand",
    TaskState.ANSWERED: "has its label",
    TaskState.BEGUN: "waits for another person",
    TaskState.ESCALATED: "set aside",
}


def _state_words(task: TaskSummary) -> str:
    reason = f", {_ESCALATIONS[task.escalation]}" if task.escalation else ""
    return _STATES[task.state] + reason


def _task_row(task: TaskSummary) -> dict[str, Any]:
    return {
        "project": task.key.project,
        "record_id": task.key.record_id,
        "state": task.state.value,
        "escalation": task.escalation.value if task.escalation else None,
        "purpose": task.purpose.value,
        "blind": task.blind,
        "arrived_at": told(task.arrived_at),
        "needed_votes": task.needed_votes,
        "votes": task.votes,
        "revision": task.revision,
        "attempts": task.attempts,
    }


def _history_row(history: TaskHistory) -> dict[str, Any]:
    decision, suggestion, lease = history.decision, history.suggestion, history.lease
    return {
        **_task_row(history.task),
        "decision": {
            "reason": decision.reason.value,
            "score": decision.score,
            "threshold": decision.threshold,
            "gate_id": decision.gate_id,
        },
        "suggestion": suggestion and {"class_name": suggestion.class_name, "probability": suggestion.probability},
        "model_name": history.model_name,
        "model_version": history.model_version,
        "lease": lease
        and {
            "annotator": lease.annotator,
            "leased_at": told(lease.leased_at),
            "expires_at": told(lease.expires_at),
            "fencing_token": lease.fencing_token,
        },
        "events": [_event_row(event) for event in history.events],
    }


def _event_row(event: TaskEvent) -> dict[str, Any]:
    """Only what there is."""
    row = {
        "at": told(event.at),
        "kind": event.kind.value,
        "annotator": event.annotator,
        "class_name": event.class_name,
        "fencing_token": event.fencing_token,
        "revision": event.revision,
        "skip_reason": event.skip_reason.value if event.skip_reason else "",
        "escalation": event.escalation.value if event.escalation else "",
        "note": event.note,
        "think_time_ms": event.think_time_ms,
    }
    return {name: value for name, value in row.items() if value}
