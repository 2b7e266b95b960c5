"""The `streamlabel` command: puts the commands of all topics together.

A topic is one module of this package with a function `register(app)` that adds its commands. A command raises the errors of
`streamlabel.errors`; this module turns them into a line on stderr and an exit code.
"""

from __future__ import annotations

import sys
from typing import NoReturn

import typer

from streamlabel.cli import dead_letters, doctor, labels, model, projects, records, review, services, stack, topics
from streamlabel.cli.demo import command as demo
from streamlabel.errors import ConfigurationError, StreamlabelError

EXIT_FAILED = 1
EXIT_CONFIGURATION = 78  # EX_CONFIG of sysexits.h: starting again without a change is in vain
EXIT_INTERRUPTED = 130

app = typer.Typer(
    name="streamlabel",
    help="Label every record of a live stream: by a model where it may, by people where it must.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for topic in (stack, demo, doctor, topics, projects, model, records, review, labels, dead_letters, services):
    topic.register(app)


def main() -> NoReturn:
    """Runs the command line of this process and exits."""
    try:
        app()
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
