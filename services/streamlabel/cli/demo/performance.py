"""A demo from its options to its verdict: prepare, start the stack, run the show, report, conclude."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import typer
from rich.console import Console
from rich.live import Live

from streamlabel.cli.connection import Connection, connect, run
from streamlabel.cli.demo import dashboard, scene
from streamlabel.cli.demo.digit_stream import DigitStream, held_out, new_run_name
from streamlabel.cli.demo.options import DemoOptions
from streamlabel.cli.demo.report import report, write
from streamlabel.cli.demo.show import Outcome, Show
from streamlabel.cli.demo.situation import Situation
from streamlabel.cli.rich_progress import RichProgress
from streamlabel.core.label import LabelSource
from streamlabel.errors import StreamlabelError
from streamlabel.local.kafka import KafkaServer
from streamlabel.local.options import StackOptions
from streamlabel.local.places import DataDir
from streamlabel.local.postgres import PostgresServer
from streamlabel.local.progress import LineProgress, Progress
from streamlabel.local.stack import Stack
from streamlabel.local.triton import TritonServer

_LINE_EVERY_S = 3.0


def perform(options: DemoOptions, example_folder: Path | None, data: DataDir, began_s: float) -> None:
    """Runs the demo to its end; raises StreamlabelError where it gets stuck, or where a record is lost or doubled."""
    example = scene.Example.find(example_folder)
    with _progress() as progress:
        digits = scene.prepare(example, data, progress.say)
    rows = held_out(digits, example.split_file)
    if options.records is None and not options.endless:
        options = dataclasses.replace(options, records=len(rows))
    stream = DigitStream(new_run_name(), digits, rows, project=example.project().name)
    _conclude(run(_perform(options, example, data, stream, began_s)))


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
                stream.run,
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
        f"Labels read back: {findings.labelled:,} of {findings.records:,} records, {len(findings.lost):,} lost, "
        f"{len(findings.duplicated):,} doubled, {outcome.dead_letters:,} dead letters.\n"
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
