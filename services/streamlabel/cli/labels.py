"""`streamlabel labels export`: the product, as a file."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TextIO

import typer

from streamlabel.cli.connection import Connection, DataDirOption, KafkaOption, TopicPrefixOption, connect, run
from streamlabel.cli.label_export import Choice, export
from streamlabel.cli.label_rows import Format, header, lines
from streamlabel.cli.project_table import ProjectTable, no_such_project
from streamlabel.cli.queue_hint import waiting_for_people
from streamlabel.cli.record_contents import read_contents
from streamlabel.core.identity import check_project_name
from streamlabel.errors import ConfigurationError
from streamlabel.wire.flow import LABELS, RECORDS

_SUFFIXES = {".csv": Format.CSV, ".jsonl": Format.JSONL, ".ndjson": Format.JSONL, ".json": Format.JSONL}


def register(app: typer.Typer) -> None:
    """Adds `labels` to the command line."""
    labels = typer.Typer(help="Labels: the product of it all.", no_args_is_help=True)
    labels.command("export")(export_labels)
    # Without a second command Typer would make `labels` itself the command.
    labels.callback()(lambda: None)
    app.add_typer(labels, name="labels")


def export_labels(
    project: Annotated[str, typer.Option("--project", "-p", help="Whose labels.", show_default=False)],
    form: Annotated[
        Format | None,
        typer.Option("--format", "-f", help="JSON Lines or CSV; by the file's name, else jsonl.", show_default=False),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File to write, whole or not at all; standard output if unset."),
    ] = None,
    all_revisions: Annotated[
        bool,
        typer.Option("--all-revisions", help="Every revision, in the order it was set; else the final one a record."),
    ] = False,
    following: Annotated[
        bool, typer.Option("--follow", help="Stay and write each label as it is set, until Ctrl-C.")
    ] = False,
    with_content: Annotated[
        bool,
        typer.Option(
            "--with-content",
            help="Beside each label what was labelled, while its record is kept: text, JSON or URI, and the attributes.",
        ),
    ] = False,
    confirmed: Annotated[
        bool,
        typer.Option(
            "--confirmed",
            help="Of the model's labels only those that the evidence has caught up with, and none of a suspect stretch; "
            "all of people's.",
        ),
    ] = False,
    training: Annotated[
        bool,
        typer.Option(
            "--training",
            help="Leave out the calibration lane: it is evidence, and must never reach a training store. Tells how many of the rest "
            "are suspect.",
        ),
    ] = False,
    data_dir: DataDirOption = None,
    kafka: KafkaOption = None,
    topic_prefix: TopicPrefixOption = None,
) -> None:
    """Export the labels of a project.

    A corrected label appears once, with its last revision; with --follow a correction comes as a row of its own.

    Who trains a model takes --training: labels with purpose `calibrate` are the only evidence that a gate may use, and a
    model that has learned them looks better than it is; every certificate would be void.

    Who must not be wrong takes --confirmed: labels younger than the gate's `confirmed until` come with a later export.

    Examples:

      streamlabel labels export --project digits > labels.jsonl

      streamlabel labels export --project mail --with-content --output labels.csv

      streamlabel labels export --project digits --follow | jq .class_name

      streamlabel labels export --project mail --confirmed --output safe.csv

      streamlabel labels export --project mail --training --with-content --output train.jsonl
    """
    try:
        check_project_name(project)
    except ValueError as error:
        raise ConfigurationError(str(error)) from error
    form = form or _form_of(output)
    if with_content and following:
        raise ConfigurationError("--follow goes on for ever, --with-content reads the records once: use one of them")
    if confirmed and following:
        raise ConfigurationError(
            "a label is confirmed some time after it is set, --follow writes it at once: use one of them"
        )
    wanted = Wanted(
        project=project,
        form=form,
        all_revisions=all_revisions,
        following=following,
        with_content=with_content,
        confirmed=confirmed,
        training=training,
    )
    connection = connect(data_dir, kafka, topic_prefix)
    with _opened(output, following=following) as stream:
        written = run(_write(connection, wanted, stream))
    if output is not None:
        typer.echo(f"{written:,} {'label' if written == 1 else 'labels'} in {output}", err=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be exported, and how."""

    project: str
    form: Format
    all_revisions: bool
    following: bool
    with_content: bool
    confirmed: bool
    training: bool


async def _write(connection: Connection, wanted: Wanted, stream: TextIO) -> int:
    """Writes the export to `stream` and returns the number of rows; raises ConfigurationError for an unknown project."""
    project, form, broker, names = wanted.project, wanted.form, connection.broker(), connection.names
    choice = await _choice(connection, wanted)
    contents = await read_contents(broker, names.topic(RECORDS), project) if wanted.with_content else None
    stream.write(header(form, with_content=wanted.with_content))
    written = 0
    batches = export(
        broker, names.topic(LABELS), project, all_revisions=wanted.all_revisions, following=wanted.following
    )
    async with contextlib.aclosing(batches):
        async for labels in batches:
            chosen = choice.of(labels)
            stream.write(lines(chosen, form, contents))
            stream.flush()
            written += len(chosen)
    for why, count in choice.left_out.most_common():
        typer.echo(f"left out: {count:,} {'label' if count == 1 else 'labels'} {why}", err=True)
    if choice.suspects:
        typer.echo(_suspects_told(project, choice.suspects), err=True)
    if not written and not choice.left_out:
        # Nothing yet, or a slip of the pen? An empty file would not tell. (Labels outlive their project, so they come first.)
        published = await ProjectTable(broker, names).read()
        if project not in published.projects:
            raise no_such_project(project, published)
        if waiting := await waiting_for_people(connection.review_address, project):
            typer.echo(
                f"no label of {project} yet; {waiting:,} {'record waits' if waiting == 1 else 'records wait'} for people: "
                "`streamlabel status` names the page",
                err=True,
            )
    return written


async def _choice(connection: Connection, wanted: Wanted) -> Choice:
    """What of the labels is wanted; raises ConfigurationError where only confirmed ones are, and nothing confirms any."""
    gate = None
    if wanted.confirmed or (wanted.training and not wanted.following):
        # Reading gates takes the statistics along, which take a while to import: only for those who ask.
        from streamlabel.cli.gate_table import latest_gate

        try:
            gate = await latest_gate(connection.broker(), connection.names, wanted.project)
        except ConfigurationError:
            # A project without a gate may be trained on as well: nothing of it is suspect, as far as anybody knows.
            if wanted.confirmed:
                raise
    return Choice(gate=gate, confirmed=wanted.confirmed, training=wanted.training)


def _suspects_told(project: str, count: int) -> str:
    was = "label was" if count == 1 else "labels were"
    return (
        f"suspect: {count:,} {was} set by the model between a change and the closing of its gate; "
        f"`streamlabel gate suspects --project {project}` names them, --confirmed leaves them out"
    )


def _form_of(output: Path | None) -> Format:
    """What the file's name promises; raises ConfigurationError where that is nothing we can write."""
    suffix = output.suffix.lower() if output is not None else ""
    if suffix and suffix not in _SUFFIXES:
        raise ConfigurationError(
            f"{output}: no export is written as {suffix}; known are {', '.join(_SUFFIXES)}, and --format jsonl|csv for any name"
        )
    return _SUFFIXES[suffix] if suffix else Format.JSONL


@contextlib.contextmanager
def _opened(output: Path | None, *, following: bool) -> Iterator[TextIO]:
    """Standard output, or the file: replaced once the export is whole; appended to as it goes when it follows."""
    if output is None:
        yield sys.stdout
        return
    try:
        if following:
            with output.open("w", encoding="utf-8", newline="") as stream:
                yield stream
            return
        unfinished = output.with_name(f".{output.name}.unfinished")
        try:
            with unfinished.open("w", encoding="utf-8", newline="") as stream:
                yield stream
            unfinished.replace(output)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigurationError(f"cannot write {output}: {error.strerror}") from error
