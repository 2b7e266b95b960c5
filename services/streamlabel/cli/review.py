"""`streamlabel review`: how much waits for people, and how they are doing."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from streamlabel.cli.connection import DataDirOption, connect, run
from streamlabel.cli.review_call import ask_review
from streamlabel.cli.review_tasks import list_tasks, requeue, show
from streamlabel.core.desk import AnnotatorStats, QueueStats

_DAY_S = 86_400
_BY_PROJECT = {"project": "--project"}


def register(app: typer.Typer) -> None:
    """Adds `review` to the command line."""
    review = typer.Typer(help="The tasks that wait for people.", no_args_is_help=True)
    review.command("stats")(stats)
    review.command("people")(people)
    review.command("show")(show)
    review.command("list")(list_tasks)
    review.command("requeue")(requeue)
    app.add_typer(review, name="review")


def stats(
    project: Annotated[str, typer.Option("--project", "-p", help="Only this project.", show_default=False)] = "",
    data_dir: DataDirOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a project, one a line.")] = False,
) -> None:
    """How many tasks wait, since when, how many are in people's hands, and how fast answers come.

    Begun are those of the waiting that somebody has answered and that another person has to answer too. Set aside are those that
    so many skipped, or held without an answer: they wait for whoever asks for such tasks, and are not among the waiting. Contested are
    those of them that as many people as may be asked have left open: a reviewer decides.

    Examples:

      streamlabel review stats

      streamlabel review stats --project digits --json
    """
    address = connect(data_dir).review_address
    queues = run(ask_review(address, lambda client: client.stats(project), _BY_PROJECT))
    now = datetime.now(tz=UTC)
    if as_json:
        for queue in queues:
            typer.echo(orjson.dumps(_row(queue, now)).decode())
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("project")
    for heading in ("waiting", "begun", "in hand", "set aside", "contested", "labelled", "oldest", "answers/min"):
        table.add_column(heading, justify="right")
    for queue in queues:
        table.add_row(
            queue.project,
            f"{queue.open_tasks:,}",
            f"{queue.begun_tasks:,}",
            f"{queue.leased_tasks:,}",
            f"{queue.escalated_tasks:,}",
            f"{queue.contested_tasks:,}",
            f"{queue.answered_tasks:,}",
            _age(_age_s(queue, now)),
            f"{queue.answers_per_minute:,.0f}",
        )
    Console().print(table if queues else "no project has been applied yet: streamlabel project apply FILE")


def people(
    project: Annotated[str, typer.Option("--project", "-p", help="The project.", show_default=False)],
    days: Annotated[float, typer.Option("--days", min=0.001, max=90, help="Only answers of so many days past.")] = 7,
    data_dir: DataDirOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a person, one a line.")] = False,
) -> None:
    """What each person has answered, how fast, and how well.

    Shared are answers to tasks that have a label and that others answered too; agreed is the share of these that were for the class of
    the label. Skill is how likely the person is to be right about a task as they come: it is known after 20 shared answers.

    Examples:

      streamlabel review people --project digits

      streamlabel review people --project digits --days 1 --json
    """
    address = connect(data_dir).review_address
    found = run(ask_review(address, lambda client: client.annotators(project, within_s=days * _DAY_S), _BY_PROJECT))
    if as_json:
        for person in found:
            typer.echo(orjson.dumps({**dataclasses.asdict(person), "agreement": _agreement(person)}).decode())
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("person")
    for heading in ("answers", "shared", "agreed", "skill", "seconds each"):
        table.add_column(heading, justify="right")
    for person in found:
        table.add_row(
            escape(person.annotator),
            f"{person.answers:,}",
            f"{person.shared_votes:,}",
            _percent(_agreement(person)),
            _percent(person.skill),
            "–" if person.median_s is None else f"{person.median_s:,.1f}",
        )
    Console().print(table if found else f"nobody has answered anything in {project} lately")


def _agreement(person: AnnotatorStats) -> float | None:
    return person.agreeing_votes / person.shared_votes if person.shared_votes else None


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"


def _row(queue: QueueStats, now: datetime) -> dict[str, object]:
    return {
        "project": queue.project,
        "open_tasks": queue.open_tasks,
        "begun_tasks": queue.begun_tasks,
        "leased_tasks": queue.leased_tasks,
        "escalated_tasks": queue.escalated_tasks,
        "contested_tasks": queue.contested_tasks,
        "answered_tasks": queue.answered_tasks,
        "oldest_at": queue.oldest_at,
        "oldest_s": _age_s(queue, now),
        "answers_per_minute": queue.answers_per_minute,
    }


def _age_s(queue: QueueStats, now: datetime) -> float | None:
    return max(0.0, (now - queue.oldest_at).total_seconds()) if queue.oldest_at else None


def _age(seconds: float | None) -> str:
    """The age in its largest unit: `42 s`, `7 min`, `3 h`, `12 d`."""
    if seconds is None:
        return "–"
    for limit_s, unit_s, unit in ((120, 1, "s"), (7_200, 60, "min"), (172_800, 3_600, "h")):
        if seconds < limit_s:
            return f"{seconds / unit_s:.0f} {unit}"
    return f"{seconds / 86_400:.0f} d"
