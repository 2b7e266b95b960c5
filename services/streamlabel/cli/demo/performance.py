"""A demo from its options to its verdict: prepare, start the stack, run the show, report, conclude."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import typer
from rich.console import Console
from rich.live import Live

from streamlabel.cli.connection import Connection, connect, run
from streamlabel.cli.demo import dashboard, scene
from streamlabel.cli.demo.gate_story import gate_lines, gate_report
from streamlabel.cli.demo.going_on import going_on
from streamlabel.cli.demo.options import DemoOptions
from streamlabel.cli.demo.play import Play
from streamlabel.cli.demo.repertoire import Piece
from streamlabel.cli.demo.report import report, write
from streamlabel.cli.demo.show import Outcome, Show
from streamlabel.cli.demo.situation import Situation
from streamlabel.cli.rich_progress import RichProgress
from streamlabel.core.label import LabelSource
from streamlabel.core.project import CertifiedPolicy, Policy
from streamlabel.errors import StreamlabelError
from streamlabel.local.kafka import KafkaServer
from streamlabel.local.options import StackOptions
from streamlabel.local.places import DataDir
from streamlabel.local.postgres import PostgresServer
from streamlabel.local.progress import LineProgress, Progress
from streamlabel.local.stack import Stack
from streamlabel.local.triton import TritonServer

_LINE_EVERY_S = 3.0


def perform(
    name: str, piece: Piece, options: DemoOptions, example_folder: Path | None, data: DataDir, began_s: float
) -> None:
    """Runs the demo of that name to its end; raises StreamlabelError where it gets stuck, or where a record is lost or doubled.

    Ctrl-C is the end of a demo that has no other; of one that ends by itself it is an interrupt, as of any command.
    """
    example = scene.Example.find(name, example_folder)
    project = example.project()
    farewell, began = _Farewell(data), datetime.now(UTC)
    try:
        with _progress() as progress:
            play = piece.open(options, project, example.split_file, progress.say)
        scene.lay_out(example, data)
        outcome = run(_perform(options, example, data, play, began_s, farewell))
        _tell(outcome, play, project.policy)
        for text in going_on(project.name, options, data, began, outcome.gate.ended, is_ours=farewell.is_ours):
            typer.echo(text)
        _judge(outcome)
    except KeyboardInterrupt:
        typer.echo(f"\n{farewell.words()}")
        if options.exit_when_done:
            raise


@dataclass(slots=True)
class _Farewell:
    """What is said to a person who ends the demo; `show` from when there is one, `is_ours` if its stack ends with it."""

    data: DataDir
    items: str = ""
    show: Show | None = None
    is_ours: bool = True

    def words(self) -> str:
        """What was labelled, and what becomes of it."""
        if self.show is None:
            return "Stopped before the first record."
        ledger = self.show.ledger
        model, human = (ledger.scores[source].labels for source in (LabelSource.MODEL, LabelSource.HUMAN))
        stays = (
            f"Everything has stopped; labels and queue stay in {self.data.root}, for the next `streamlabel demo` or `up` here."
            if self.is_ours
            else "The stack goes on, as before; `streamlabel down` stops it."
        )
        return f"Labelled {ledger.labelled:,} of {ledger.sent:,} {self.items}: {model:,} by the model, {human:,} by people.\n{stays}"


async def _perform(
    options: DemoOptions,
    example: scene.Example,
    data: DataDir,
    play: Play,
    began_s: float,
    farewell: _Farewell,
) -> Outcome:
    async with contextlib.AsyncExitStack() as exits:
        with _progress() as progress:
            stack = await exits.enter_async_context(Stack(data.root, options=StackOptions(), progress=progress))
        # Its own stack and no other, whatever the environment names.
        connection = connect(data.root, environ={})
        project = await scene.install(example, stack, connection)
        show = Show(options, connection, stack, play, project)
        farewell.show, farewell.items, farewell.is_ours = show, play.wording.items, stack.was_started_here
        hint = _hint(options, is_ours=stack.was_started_here)
        with _drawing(play.wording.headline, connection, hint) as draw:
            outcome = await show.run(draw)
        if options.report is not None:
            parts = {"kafka": KafkaServer.version, "triton": TritonServer.version, "postgresql": PostgresServer.version}
            content = report(
                play.stream.run,
                outcome.findings,
                show.ledger,
                began_s=began_s,
                dead_letters=outcome.dead_letters,
                parts=parts,
            ) | {"gate": gate_report(outcome.gate, outcome.stretches)}
            write(options.report, content)
        return outcome


def _tell(outcome: Outcome, play: Play, policy: Policy) -> None:
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
    if play.wording.truth:
        typer.echo(play.wording.truth)
    if isinstance(policy, CertifiedPolicy):
        typer.echo(
            f"Asked for: at most {policy.alpha:.0%} of what the model labels alone is wrong; each look at the evidence may say so "
            f"falsely with a probability of {policy.delta:.0%}."
        )
    for text in gate_lines(outcome.gate, outcome.stretches, people_disagree=bool(play.wording.truth)):
        typer.echo(text)


def _judge(outcome: Outcome) -> None:
    if outcome.stuck is not None:
        raise outcome.stuck
    if not outcome.findings.clean:
        raise StreamlabelError("not every record has exactly one label; the report names some of them")


def _hint(options: DemoOptions, *, is_ours: bool) -> str:
    if options.exit_when_done:
        return "ends when every record has its label"
    return "Ctrl-C stops everything" if is_ours else "Ctrl-C ends the demo; the stack goes on, as before"


@contextlib.contextmanager
def _drawing(headline: str, connection: Connection, hint: str) -> Iterator[Callable[[Situation], None]]:
    """How moments are shown: as a living screen on a terminal, else as a line now and then."""
    console = Console()
    if not console.is_terminal:
        yield _Lines()
        return
    with Live(console=console, auto_refresh=False, transient=False) as live:

        def draw(moment: Situation) -> None:
            picture = dashboard.screen(
                moment,
                headline=headline,
                page_url=connection.review_url,
                gate_url=f"{connection.learning_url}gate",
                hint=hint,
                width=console.width,
            )
            live.update(picture, refresh=True)

        yield draw


class _Lines:
    """One line every few seconds, the first at once; why something is not well is said when it begins or changes."""

    def __init__(self) -> None:
        self._next_s = 0.0
        self._told: Mapping[str, str] = {}

    def __call__(self, moment: Situation) -> None:
        if time.monotonic() >= self._next_s:
            self._next_s = time.monotonic() + _LINE_EVERY_S
            for text in (*dashboard.news(self._told, moment), dashboard.line(moment)):
                typer.echo(text)
            self._told = moment.ailing


@contextlib.contextmanager
def _progress() -> Iterator[Progress]:
    console = Console(stderr=True)
    if not console.is_terminal:
        yield LineProgress()
        return
    with RichProgress(console) as bars:
        yield bars
