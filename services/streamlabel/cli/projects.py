"""`streamlabel project apply|list|show|delete`: what is labelled, and how."""

from __future__ import annotations

import asyncio
import difflib
import sys
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from streamlabel.cli.connection import Connection, DataDirOption, KafkaOption, TopicPrefixOption, connect, run
from streamlabel.cli.project_table import Applied, ProjectTable, Published, no_such_project, succeed
from streamlabel.cli.project_yaml import document_of, project_yaml
from streamlabel.core.project import CertifiedPolicy, Policy, Project, ReviewAllPolicy, ThresholdPolicy
from streamlabel.wire.project_file import load_project


def register(app: typer.Typer) -> None:
    """Adds `project` to the command line."""
    project = typer.Typer(
        help="Projects: the classes, the model and the policy of a labelling job.", no_args_is_help=True
    )
    project.command("apply")(apply)
    project.command("list")(list_)
    project.command("show")(show)
    project.command("delete")(delete)
    app.add_typer(project, name="project")


def apply(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Project files (YAML).", show_default=False)],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check the files and say what would change.")] = False,
    data_dir: DataDirOption = None,
    kafka: KafkaOption = None,
    topic_prefix: TopicPrefixOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a project.")] = False,
) -> None:
    """Publish project files to every service; the version grows by one where something changed.

    Warns where Triton does not serve the project's model: its records would wait, and those of other projects behind them.

    Examples:

      streamlabel project apply my-project.yaml

      streamlabel project apply --dry-run my-project.yaml
    """
    wanted = [load_project(file) for file in files]
    connection = connect(data_dir, kafka, topic_prefix)
    results, warnings = run(_apply(connection, wanted, dry_run=dry_run))
    for applied, warning in zip(results, warnings, strict=True):
        if as_json:
            facts = {
                "project": applied.after.name,
                "version": applied.after.version,
                "changed": applied.changed,
                "changes": applied.changes,
                "applied": not dry_run,
                "warnings": [warning] if warning else [],
            }
            typer.echo(orjson.dumps(facts).decode())
        else:
            typer.echo(_told(applied, dry_run=dry_run))
        if warning:
            typer.echo(f"streamlabel: {applied.after.name}: {warning}", err=True)


def list_(
    data_dir: DataDirOption = None,
    kafka: KafkaOption = None,
    topic_prefix: TopicPrefixOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a project.")] = False,
) -> None:
    """List the projects that the services know."""
    published = run(_table(connect(data_dir, kafka, topic_prefix)).read())
    projects = sorted(published.projects.values(), key=lambda project: project.name)
    _warn(published)
    if as_json:
        for project in projects:
            typer.echo(orjson.dumps({"version": project.version, **document_of(project)}).decode())
        return
    if not projects:
        typer.echo("no projects yet; `streamlabel project apply FILE` makes one", err=True)
        return
    table = Table("project", "version", "payload", "classes", "model", "policy", box=None, header_style="bold")
    for project in projects:
        model = f"{project.model.name} {project.model.version}" if project.model else "–"
        classes = str(len(project.taxonomy.classes))
        cells = (
            project.name,
            str(project.version),
            project.payload_kind.value,
            classes,
            model,
            _policy(project.policy),
        )
        table.add_row(*(Text(cell) for cell in cells))
    Console().print(table)


def show(
    target: Annotated[
        str, typer.Argument(metavar="PROJECT|FILE", help="A published project, or a project file.", show_default=False)
    ],
    data_dir: DataDirOption = None,
    kafka: KafkaOption = None,
    topic_prefix: TopicPrefixOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as one JSON object.")] = False,
) -> None:
    """Show a published project as a project file, or what applying a file would change in it.

    Examples:

      streamlabel project show digits > digits.yaml

      streamlabel project show my-project.yaml
    """
    file = Path(target)
    wanted = load_project(file) if file.suffix in (".yaml", ".yml") or file.is_file() else None
    published = run(_table(connect(data_dir, kafka, topic_prefix)).read())
    before = published.projects.get(wanted.name if wanted else target)
    project = succeed(before, wanted) if wanted else before
    if project is None:
        raise no_such_project(target, published)
    if as_json:
        typer.echo(orjson.dumps({"version": project.version, **document_of(project)}).decode())
    elif wanted is None or before is None:
        typer.echo(project_yaml(project), nl=False)
    else:
        typer.echo(_difference(before, project), nl=False)


def delete(
    names: Annotated[list[str], typer.Argument(metavar="NAME…", help="Published projects.", show_default=False)],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    data_dir: DataDirOption = None,
    kafka: KafkaOption = None,
    topic_prefix: TopicPrefixOption = None,
) -> None:
    """Delete projects: every service forgets them. Nothing that was labelled is lost.

    Labels stay, and `labels export` gives them out. Records that come are refused; those under way become dead letters
    UNKNOWN_PROJECT. Tasks that wait for people stay in the queue and are shown to nobody; an answer in hand is refused.
    Apply a project of that name again, as version 1: the tasks are shown again, and the letters can be replayed.

    Examples:

      streamlabel project delete mail

      streamlabel project delete --yes trial-1 trial-2
    """
    table = _table(connect(data_dir, kafka, topic_prefix))
    wanted = list(dict.fromkeys(names))
    published = run(table.read())
    for name in wanted:
        if name not in published.projects and name not in published.unreadable:
            raise no_such_project(name, published)
    if not yes and sys.stdin.isatty():
        question = f"Delete {', '.join(wanted)}? Labels stay; records still to come are refused, open tasks are hidden"
        typer.confirm(question, abort=True, err=True)
    for name in wanted:
        run(table.delete(name))
        typer.echo(
            f"{name}: deleted; its labels stay, what waits for people is kept but hidden until {name} is applied again"
        )


async def _apply(
    connection: Connection, wanted: list[Project], *, dry_run: bool
) -> tuple[list[Applied], list[str | None]]:
    """What was done for each project, and what is wrong with its model."""
    table = _table(connection)
    if dry_run:
        published = (await table.read()).projects
        before = [published.get(project.name) for project in wanted]
        results = [Applied(before=old, after=succeed(old, new)) for old, new in zip(before, wanted, strict=True)]
    else:
        results = [await table.apply(project) for project in wanted]
    # At once: a Triton that is away costs one wait, not one for each project.
    return results, await asyncio.gather(*(_model_warning(connection.triton_address, project) for project in wanted))


async def _model_warning(triton_address: str, project: Project) -> str | None:
    if not triton_address or project.model is None:
        return None
    # Triton's client takes a quarter of a second to import: only for those who need it.
    from streamlabel.cli.model_check import model_warning

    return await model_warning(triton_address, project.model)


def _table(connection: Connection) -> ProjectTable:
    return ProjectTable(connection.broker(), connection.names)


def _told(applied: Applied, *, dry_run: bool) -> str:
    project = applied.after
    if not applied.changed:
        return f"{project.name}: unchanged, version {project.version}"
    what = "new" if applied.before is None else f"changed: {', '.join(applied.changes)}"
    return f"{project.name}: {'would be ' if dry_run else ''}version {project.version} ({what})"


def _policy(policy: Policy) -> str:
    match policy:
        case ThresholdPolicy(threshold=threshold):
            return f"threshold {threshold:g}"
        case CertifiedPolicy(alpha=alpha, delta=delta, double_blind_share=share):
            twice = f", {share:.0%} of calibration by two" if share else ""
            return f"certified, error ≤ {alpha:g} (δ {delta:g}{twice})"
        case ReviewAllPolicy():
            return "people label all"


def _warn(published: Published) -> None:
    for name, detail in published.unreadable.items():
        typer.echo(f"project {name} cannot be read ({detail}); `streamlabel project apply FILE` replaces it", err=True)


def _difference(before: Project, after: Project) -> str:
    if before == after:
        return f"{after.name}: unchanged, version {after.version}\n"
    old, new = (project_yaml(project).splitlines(keepends=True) for project in (before, after))
    return "".join(difflib.unified_diff(old, new, "published", "would be applied"))
