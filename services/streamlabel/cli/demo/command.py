"""`streamlabel demo`: the whole of Streamlabel on one screen, with real data, and a verdict at the end."""

from __future__ import annotations

import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from streamlabel.cli.connection import DataDirOption
from streamlabel.cli.demo.options import DemoOptions
from streamlabel.errors import ConfigurationError
from streamlabel.local.places import DataDir


def register(app: typer.Typer) -> None:
    """Adds `demo` to the command line."""
    app.command("demo", rich_help_panel="Embedded stack")(demo)


class Name(StrEnum):
    """The demos that there are."""

    DIGITS = "digits"
    SENTIMENT = "sentiment"


def demo(
    name: Annotated[Name, typer.Argument(metavar="[digits|sentiment]", help="Which one.")] = Name.DIGITS,
    records: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Send this many records, then no more; some 2,000 are the least by which a gate opens and shows what it can. "
            "Default: all that the model has not seen, each once: 4,000 digits, 13,895 texts. Digits beyond that come again, "
            "written a little differently.",
            show_default=False,
        ),
    ] = None,
    endless: Annotated[
        bool,
        typer.Option(
            "--endless", help="Never stop: past the 4,000 each digit comes again, written a little differently."
        ),
    ] = False,
    drift: Annotated[
        bool, typer.Option("--drift", help="Turn all digits by 35 degrees from the middle on: the gate must notice.")
    ] = False,
    rate: Annotated[
        float | None,
        typer.Option(
            min=0, help="Records a second; 0: as fast as it goes. Default: 200 digits, 100 texts.", show_default=False
        ),
    ] = None,
    annotators: Annotated[
        int, typer.Option(min=0, max=200, help="Simulated people; 0 leaves the answers to you, in the browser.")
    ] = 16,
    annotator_error: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="Share of digits that simulated people read wrongly. Default: 0.005.",
            show_default=False,
        ),
    ] = None,
    think_time_ms: Annotated[
        int, typer.Option(min=0, max=600_000, help="How long they look at a record, on average.")
    ] = 150,
    exit_when_done: Annotated[
        bool, typer.Option("--exit", help="End when every record has its label; exit code 1 if one is lost or doubled.")
    ] = False,
    report_file: Annotated[
        Path | None,
        typer.Option(
            "--report",
            metavar="FILE",
            help="Write a report as JSON at the end: what was lost, doubled or wrong, what the gate did, how long labels took.",
            show_default=False,
        ),
    ] = None,
    patience_s: Annotated[
        float,
        typer.Option(
            "--patience",
            min=5,
            help="Give up once nothing was sent, accepted or labelled for so many seconds, and say where the records are. More, "
            "for people who think longer, or a machine that is busy; with --annotators 0 it waits for ever.",
        ),
    ] = 60.0,
    data_dir: DataDirOption = None,
    example: Annotated[
        Path | None,
        typer.Option(
            help="Folder with project, model and split. Default: that of its name in examples.", show_default=False
        ),
    ] = None,
) -> None:
    """Watch records stream in, a model label those where its error is certified to be small, and people the rest.

    digits: handwritten digits; at most 5 % of what the model labels may be wrong, and simulated people read nearly all rightly.

    sentiment: how texts feel. Films first, of the kind that the model has learnt from, then tweets, then a newspaper; simulated people
    say what real people said of each text, one by one, and those disagree. Up to 20 % may be wrong, where that can be certified.

    Starts the embedded stack unless it runs already. The page, where you label yourself, is named on the screen.

    The report knows two clocks. first_label_after_s counts from the start of the command, that of the stack included;
    duration_s, by which records_per_s is reckoned, from the first record sent to the last label read. Latencies count from
    the sending of a record to the reading of its label. gate.ended has a threshold and a bound where the gate was open at
    the end; gate.stretches tell how wrong the model was before a change, from then until the gate closed, and after that.

    Examples:

      streamlabel demo

      streamlabel demo --endless --annotators 0

      streamlabel demo --records 3000 --exit --report report.json

      streamlabel demo --records 20000 --drift --exit

      streamlabel demo sentiment --exit --report report.json
    """
    if report_file is not None and not report_file.absolute().parent.is_dir():
        raise ConfigurationError(f"the report {report_file} cannot be written: there is no folder {report_file.parent}")
    began_s = time.monotonic()
    # Imported here: pictures, gRPC and all that cost half a second, which no other command need pay.
    from streamlabel.cli.demo.performance import perform
    from streamlabel.cli.demo.repertoire import REPERTOIRE

    piece = REPERTOIRE[name.value]
    options = DemoOptions(
        records=records,
        endless=endless,
        drift=drift,
        per_second=piece.per_second if rate is None else rate,
        annotators=annotators,
        annotator_error=annotator_error,
        think_time_s=think_time_ms / 1000,
        exit_when_done=exit_when_done,
        report=report_file,
        patience_s=patience_s,
    )
    piece.refuse(options)
    perform(name.value, piece, options, example, DataDir.at(data_dir), began_s)
