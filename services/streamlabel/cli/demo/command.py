"""`streamlabel demo`: the whole of Streamlabel on one screen, with real digits, and a verdict at the end."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live

from streamlabel.cli.connection import Connection, DataDirOption, connect, run
from streamlabel.cli.demo import dashboard, scene
from streamlabel.cli.demo.digit_stream import DigitStream, held_out, new_run_name
from streamlabel.cli.demo.options import DemoOptions
from streamlabel.cli.demo.report import report, write
from streamlabel.cli.demo.show import Outcome, Show
from streamlabel.cli.demo.situation import Situation
from streamlabel.cli.rich_progress import RichProgress
from streamlabel.core.label import LabelSource
from streamlabel.errors import ConfigurationError, StreamlabelError
from streamlabel.local.kafka import KafkaServer
from streamlabel.local.options import StackOptions
from streamlabel.local.places import DataDir
from streamlabel.local.postgres import PostgresServer
from streamlabel.local.progress import LineProgress, Progress
from streamlabel.local.stack import Stack
from streamlabel.local.triton import TritonServer

_LINE_EVERY_S = 3.0
_REDRAWS_PER_S = 4
_DEFAULT_PER_SECOND = 200.0


def register(app: typer.Typer) -> None:
    """Adds `demo` to the command line."""
    app.command("demo", rich_help_panel="Embedded stack")(demo)


def demo(
    records: Annotated[
        int | None,
        typer.Option(
            min=1, help="Send this many digits.  [default: the 4,000 held-out ones, each once]", show_default=False
        ),
    ] = None,
    endless: Annotated[
        bool,
        typer.Option(
            "--endless", help="Never stop: past the 4,000 each digit comes again, written a little differently."
        ),
    ] = False,
    rate: Annotated[float, typer.Option(min=0, help="Digits a second; 0: as fast as it goes.")] = _DEFAULT_PER_SECOND,
    annotators: Annotated[
        int, typer.Option(min=0, max=200, help="Simulated people; 0 leaves the answers to you, in the browser.")
    ] = 8,
    annotator_error: Annotated[
        float, typer.Option(min=0, max=1, help="Share of wrong answers of simulated people.")
    ] = 0.02,
    think_time_ms: Annotated[
        int, typer.Option(min=0, max=600_000, help="How long they look at a digit, on average.")
    ] = 150,
    exit_when_done: Annotated[
        bool, typer.Option("--exit", help="End when every record has its label; exit code 1 if one is lost or doubled.")
    ] = False,
    report_file: Annotated[
        Path | None,
        typer.Option("--report", metavar="FILE", help="Write a report as JSON at the end.", show_default=False),
    ] = None,
    patience_s: Annotated[
        float,
        typer.Option(
            "--patience", min=5, help="Seconds without any progress after which it gives up and says what is stuck."
        ),
    ] = 60.0,
    data_dir: DataDirOption = None,
    example: Annotated[
        Path | None,
        typer.Option(help="Folder with project, model and split.  [default: examples/digits]", show_default=False),
    ] = None,
) -> None:
    """Watch handwritten digits stream in, a model label the sure ones, and people the rest.

    Starts the embedded stack unless it runs already. The page, where you label yourself, is named on the screen.

    Examples:

      streamlabel demo

      streamlabel demo --endless --annotators 0

      streamlabel demo --records 3000 --exit --report report.json
    """
    if endless and (records is not None or exit_when_done):
        raise ConfigurationError("--endless never ends: it does not go with --records or --exit")
    if report_file is not None and not report_file.absolute().parent.is_dir():
        raise ConfigurationError(f"the report {report_file} cannot be written: there is no folder {report_file.parent}")
    began_s = time.monotonic()
    found = scene.Example.find(example)
    data = DataDir.at(data_dir)
    with _progress() as progress:
        digits = scene.prepare(found, data, progress.say)
    rows = held_out(digits, found.split_file)
    options = DemoOptions(
        records=None if endless else records or len(rows),
        per_second=rate,
        annotators=annotators,
        annotator_error=annotator_error,
        think_time_s=think_time_ms / 1000,
        exit_when_done=exit_when_done,
        report=report_file,
        patience_s=patience_s,
        run=new_run_name(),
    )
    stream = DigitStream(options.run, digits, rows, project=found.project().name)
    outcome = run(_perform(options, found, data, stream, began_s))
    _conclude(outcome)


async def _perform(
    options: DemoOptions, example: scene.Example, data: DataDir, stream: DigitStream, began_s: float
) -> Outcome:
    async with contextlib.AsyncExitStack() as exits:
        with _progress() as progress:
            stack = await exits.enter_async_context(Stack(data.root, options=StackOptions(), progress=progress))
        # Its own stack and no other, whatever the environment names.
        connection = connect(data.root, environ={})
        project = await scene.install(example, stack, connection)
        show = Show(options, connection, stack, stream, project)
        with _drawing(connection, options) as draw:
            outcome = await show.run(draw)
        if options.report is not None:
            parts = {"kafka": KafkaServer.version, "triton": TritonServer.version, "postgresql": PostgresServer.version}
            content = report(
                options.run,
                outcome.findings,
                show.ledger,
                began_s=began_s,
                dead_letters=outcome.dead_letters,
                parts=parts,
            )
            write(options.report, content)
        return outcome


def _conclude(outcome: Outcome) -> None:
    findings = outcome.findings
    model, human = (
        f"{findings.by_source.get(source, 0):,} ({dashboard.share(findings.error_rate(source), 2)} wrong)"
        for source in (LabelSource.MODEL, LabelSource.HUMAN)
    )
    typer.echo(
        f"Read back from the labels topic: {findings.labelled:,} of {findings.records:,} records have a label, "
        f"{len(findings.lost):,} lost, {len(findings.duplicated):,} doubled, {outcome.dead_letters:,} dead letters.\n"
        f"By the model {model}, by people {human}."
    )
    if outcome.stuck is not None:
        raise outcome.stuck
    if not findings.clean:
        raise StreamlabelError("not every record has exactly one label; the report names some of them")


@contextlib.contextmanager
def _drawing(connection: Connection, options: DemoOptions) -> Iterator[Callable[[Situation], None]]:
    """How moments are shown: as a living screen on a terminal, else as a line now and then."""
    console = Console()
    if not console.is_terminal:
        yield _Lines()
        return
    hint = "Ctrl-C stops everything" if not options.exit_when_done else "ends when every record has its label"
    with Live(console=console, auto_refresh=False, transient=False) as live:

        def draw(moment: Situation) -> None:
            picture = dashboard.screen(moment, page_url=connection.review_url, hint=hint, width=console.width)
            live.update(picture, refresh=True)

        yield draw


class _Lines:
    """One line every few seconds, the first at once."""

    def __init__(self) -> None:
        self._next_s = 0.0

    def __call__(self, moment: Situation) -> None:
        if time.monotonic() >= self._next_s:
            self._next_s = time.monotonic() + _LINE_EVERY_S
            typer.echo(dashboard.line(moment))


@contextlib.contextmanager
def _progress() -> Iterator[Progress]:
    console = Console(stderr=True)
    if not console.is_terminal:
        yield LineProgress()
        return
    with RichProgress(console) as bars:
        yield bars
