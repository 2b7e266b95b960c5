"""`streamlabel labels export`: the product, as a file."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, TextIO

import typer

from streamlabel.cli.connection import Connection, DataDirOption, KafkaOption, TopicPrefixOption, connect, run
from streamlabel.cli.label_export import export
from streamlabel.cli.label_rows import Format, header, lines
from streamlabel.core.identity import check_project_name
from streamlabel.errors import ConfigurationError
from streamlabel.wire.flow import LABELS


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
    data_dir: DataDirOption = None,
    kafka: KafkaOption = None,
    topic_prefix: TopicPrefixOption = None,
) -> None:
    """Export the labels of a project.

    A corrected label appears once, with its last revision; with --follow a correction comes as a row of its own.

    Examples:

      streamlabel labels export --project digits > labels.jsonl

      streamlabel labels export --project digits --output labels.csv

      streamlabel labels export --project digits --follow | jq .class_name
    """
    try:
        check_project_name(project)
    except ValueError as error:
        raise ConfigurationError(str(error)) from error
    if form is None:
        form = Format.CSV if output is not None and output.suffix.lower() == ".csv" else Format.JSONL
    connection = connect(data_dir, kafka, topic_prefix)
    with _opened(output, following=following) as stream:
        written = run(_write(connection, project, form, stream, all_revisions=all_revisions, following=following))
    if output is not None:
        typer.echo(f"{written} labels in {output}", err=True)


async def _write(
    connection: Connection, project: str, form: Format, stream: TextIO, *, all_revisions: bool, following: bool
) -> int:
    """Writes the export to `stream` and returns the number of rows."""
    stream.write(header(form))
    written = 0
    topic = connection.names.topic(LABELS)
    batches = export(connection.broker(), topic, project, all_revisions=all_revisions, following=following)
    async with contextlib.aclosing(batches):
        async for labels in batches:
            stream.write(lines(labels, form))
            stream.flush()
            written += len(labels)
    return written


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
