"""The `streamlabel` command: puts the commands of all topics together.

A topic is one module of this package with a function `register(app)` that adds its commands. A command raises the errors of
`streamlabel.errors`; this module turns them into a line on stderr and an exit code.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer

from streamlabel.errors import ConfigurationError, StreamlabelError
from streamlabel.runtime.version import installed_version
from streamlabel.wire.flow import VERSION_SUFFIX

EXIT_FAILED = 1
EXIT_CONFIGURATION = 78  # EX_CONFIG of sysexits.h: starting again without a change is in vain
EXIT_INTERRUPTED = 130

# Which modules bring which command: a command imports its own alone, which makes `status` three times as quick.
# The order is that of `--help`.
COMMANDS = {
    "up": ("stack",),
    "down": ("stack",),
    "status": ("stack",),
    "logs": ("stack",),
    "demo": ("demo.command",),
    "doctor": ("doctor",),
    "topics": ("topics",),
    "project": ("projects",),
    "model": ("model",),
    "records": ("records",),
    "review": ("review", "services"),
    "annotators": ("annotators",),
    "audit": ("audit",),
    "labels": ("labels",),
    "dead-letters": ("dead_letters",),
    "gate": ("gate",),
    "certify": ("certify",),
    "simulate": ("simulate",),
    "ingest": ("services",),
    "inference": ("services",),
    "routing": ("services",),
    "learning": ("services",),
}


def make_app(words: Sequence[str] = ()) -> typer.Typer:
    """The command line; where `words` begin with a known command, with that command's topic alone."""
    app = typer.Typer(
        name="streamlabel",
        help="Label every record of a live stream: by a model where it may, by people where it must.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_of_the_program)
    every = dict.fromkeys(module for modules in COMMANDS.values() for module in modules)
    wanted = () if words[:1] == ["--version"] else COMMANDS.get(words[0] if words else "", tuple(every))
    for module in wanted:
        importlib.import_module(f"streamlabel.cli.{module}").register(app)
    return app


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"streamlabel {installed_version()} (wire streamlabel.{VERSION_SUFFIX})")
        raise typer.Exit


def _of_the_program(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print name and version and exit."),
    ] = False,
) -> None:
    """Without a callback Typer would take a lone command for the whole of the program."""


def main() -> NoReturn:
    """Runs the command line of this process and exits."""
    # What gRPC's own library notes of connections is no word of a command's; it asks once, when it is imported.
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    try:
        make_app(sys.argv[1:])()
    except ConfigurationError as error:
        typer.echo(f"streamlabel: {error}", err=True)
        sys.exit(EXIT_CONFIGURATION)
    except StreamlabelError as error:
        typer.echo(f"streamlabel: {error}", err=True)
        sys.exit(EXIT_FAILED)
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output went away, as in `… | head`: its choice, no failure of ours.
        sys.stderr.close()
        sys.exit(EXIT_FAILED)
    sys.exit(0)


if __name__ == "__main__":
    main()
