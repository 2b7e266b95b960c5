"""`streamlabel up|down|status|logs`: the embedded stack."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console

from streamlabel.cli import log_view, stack_view
from streamlabel.errors import ConfigurationError
from streamlabel.local import stack_file
from streamlabel.local.options import StackOptions, parse_ports, parse_services
from streamlabel.local.places import DataDir
from streamlabel.local.progress import LineProgress, Progress
from streamlabel.local.stack import Stack
from streamlabel.local.stack_file import StackPhase, StackState

_STOP_TIMEOUT_S = 120.0
_FIRST_WORD_TIMEOUT_S = 30.0
_POLL_S = 0.1

DataDirOption = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        help="Where the stack keeps everything (STREAMLABEL_DATA_DIR; default ./.streamlabel).",
        show_default=False,
    ),
]


def register(app: typer.Typer) -> None:
    """Adds the commands of the embedded stack to the command line."""
    for command in (up, down, status, logs):
        app.command(command.__name__, rich_help_panel="Embedded stack")(command)


def up(
    data_dir: DataDirOption = None,
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Start in the background; return when all is ready.")
    ] = False,
    partitions: Annotated[
        int, typer.Option(min=1, max=64, help="Partitions of the pipeline topics; counts when they are first made.")
    ] = 2,
    topic_prefix: Annotated[
        str,
        typer.Option(envvar="STREAMLABEL_KAFKA_TOPIC_PREFIX", help="What topics, groups and transactions begin with."),
    ] = "streamlabel",
    port: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=NUMBER",
            help="Pin a port, for instance review-http=8080; `status --json` lists the names. Repeatable.",
            show_default=False,
        ),
    ] = None,
    service: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Start only this service; repeatable. Default: all.", show_default=False),
    ] = None,
) -> None:
    """Start Kafka, Triton, PostgreSQL and the services, and keep them alive until Ctrl-C."""
    data = DataDir.at(data_dir)
    if stack_file.is_running(data):
        _tell_running(data)
        return
    options = StackOptions(
        partitions=partitions,
        topic_prefix=topic_prefix,
        pinned_ports=parse_ports(port or []),
        services=parse_services(service or []),
    )
    if detach:
        with _progress() as progress:
            _start(Stack(data.root, options=options, progress=progress, detached=True), progress)
        _tell_running(data)
        return
    _supervise(data, options)


def _start(stack: Stack, progress: Progress) -> None:
    """Starts it; who interrupts that wants nothing of it to go on in the background."""
    try:
        stack.start()
    except KeyboardInterrupt:
        if stack.was_started_here:
            progress.say("Stopping what has started")
            stack.stop()
            progress.say(f"Stopped before everything was ready; {_kept(stack.data)}")
        raise


def _kept(data: DataDir) -> str:
    return f"labels and queue stay in {data.root}, for the next `streamlabel up` here"


def down(data_dir: DataDirOption = None) -> None:
    """Stop the stack of this directory; its data stays."""
    data = DataDir.at(data_dir)
    state = _running(data)
    if state is None:
        typer.echo(f"No stack is running in {data.root}")
        return
    if state.phase is StackPhase.STARTING:
        typer.echo(f"The stack in {data.root} is still starting; stopping it")
    os.kill(state.supervisor.pid, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_TIMEOUT_S
    while stack_file.is_running(data):
        if time.monotonic() > deadline:
            raise ConfigurationError(
                f"supervisor {state.supervisor.pid} does not stop; `kill -9 {state.supervisor.pid}` takes all of it along"
            )
        time.sleep(_POLL_S)
    typer.echo(f"Stopped the stack in {data.root}")


def _running(data: DataDir) -> StackState | None:
    """What a living supervisor told last; None where there is none. One that just begins has told nothing for a moment."""
    deadline = time.monotonic() + _FIRST_WORD_TIMEOUT_S
    while stack_file.is_running(data):
        state = stack_file.read(data)
        if state is not None and state.supervisor.is_alive():
            return state
        if time.monotonic() > deadline:
            raise ConfigurationError(
                f"{data.lock_file} is held by a process that is not the supervisor; look for it with fuser"
            )
        time.sleep(_POLL_S)
    return None


def status(
    data_dir: DataDirOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show every process: state, uptime, restarts, address, and why it is not ready. Exits 0 only if all are."""
    data = DataDir.at(data_dir)
    state = stack_view.settled(data)
    if as_json:
        typer.echo(orjson.dumps(stack_view.facts(data, state), option=orjson.OPT_INDENT_2).decode())
    elif state is None:
        typer.echo(f"There is no stack in {data.root}; `streamlabel up` starts one")
    else:
        Console().print(stack_view.table(state))
        if state.phase is not StackPhase.READY:
            typer.echo(f"\nThe stack in {data.root} is {state.phase}")
    if state is None or not stack_file.is_all_ready(state):
        raise typer.Exit(1)


def logs(
    service: Annotated[
        str | None,
        typer.Argument(help="kafka, triton, postgres, a service, or supervisor; default: all.", show_default=False),
    ] = None,
    data_dir: DataDirOption = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes.")] = False,
    lines: Annotated[int, typer.Option("-n", "--lines", min=0, help="Lines to begin with, of each log.")] = 20,
) -> None:
    """Print the end of the logs."""
    data = DataDir.at(data_dir)
    known = sorted(path.stem for path in data.logs.glob("*.log"))
    if service is not None and service not in known:
        raise ConfigurationError(f"there is no log of {service} in {data.logs}; there are {', '.join(known) or 'none'}")
    if not known:
        raise ConfigurationError(f"there are no logs in {data.logs}; `streamlabel up` starts a stack")
    view = log_view.LogView([data.log_of(name) for name in ([service] if service else known)])
    view.print_last(lines)
    if follow:
        view.follow()


def _supervise(data: DataDir, options: StackOptions) -> None:
    # Imported here: a supervisor needs the Kafka client, which `status` and `logs` need not wait for.
    from streamlabel.local import topics
    from streamlabel.local.supervisor import AlreadyRunningError, Supervisor
    from streamlabel.runtime.tasks import end

    async def run() -> None:
        with _progress() as progress:
            told = asyncio.create_task(_tell_when_ready(data, progress))
            try:
                await Supervisor(data, options, progress, topics.apply).run()
                progress.say(f"{'Stopped' if told.done() else 'Stopped before everything was ready'}; {_kept(data)}")
            finally:
                await end([told])

    try:
        asyncio.run(run())
    except AlreadyRunningError:
        _tell_running(data)


async def _tell_when_ready(data: DataDir, progress: Progress) -> None:
    while True:
        state = stack_file.read(data)
        if state is not None and state.supervisor.pid == os.getpid() and state.phase is StackPhase.READY:
            for line in stack_view.addresses(state).plain.splitlines():
                progress.say(line)
            progress.say("Everything is ready; Ctrl-C stops it")
            return
        await asyncio.sleep(_POLL_S)


@contextlib.contextmanager
def _progress() -> Iterator[Progress]:
    """Bars on a terminal, lines elsewhere."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield LineProgress(sys.stderr)
        return
    from streamlabel.cli.rich_progress import RichProgress

    with RichProgress(console) as bars:
        yield bars


def _tell_running(data: DataDir) -> None:
    state = stack_file.read(data)
    console = Console()
    if state is None or state.phase is not StackPhase.READY:
        phase = state.phase if state else StackPhase.STARTING
        console.print(
            f"A stack is already running in {data.root} and is {phase}; `streamlabel status` shows how far it is"
        )
        raise typer.Exit(1)
    console.print(f"A stack is running in {data.root} (supervisor {state.supervisor.pid})\n", highlight=False)
    console.print(stack_view.table(state))
