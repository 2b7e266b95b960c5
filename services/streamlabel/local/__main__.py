"""`python -m streamlabel.local`: runs a supervisor in this process and tells its steps on stderr, a line each."""

from __future__ import annotations

import argparse
import asyncio
import sys

from streamlabel.errors import ConfigurationError, StreamlabelError
from streamlabel.local import topics
from streamlabel.local.places import DataDir
from streamlabel.local.progress import LineProgress
from streamlabel.local.supervisor import EXIT_CONFIGURATION, StackOptions, Supervisor
from streamlabel.local.units import SERVICES


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m streamlabel.local", description=__doc__)
    parser.add_argument("--data-dir", default=None)
    parser.add_argument("--partitions", type=int, default=2)
    parser.add_argument("--topic-prefix", default="streamlabel")
    parser.add_argument("--port", action="append", default=[], metavar="NAME=NUMBER")
    parser.add_argument("--service", action="append", choices=SERVICES, help="only these services; default: all")
    arguments = parser.parse_args()
    try:
        options = StackOptions(
            partitions=arguments.partitions,
            topic_prefix=arguments.topic_prefix,
            pinned_ports=parse_ports(arguments.port),
            services=tuple(arguments.service or SERVICES),
        )
        asyncio.run(_run(DataDir.at(arguments.data_dir), options))
    except StreamlabelError as error:
        LineProgress().say(f"streamlabel: {error}")
        return EXIT_CONFIGURATION if isinstance(error, ConfigurationError) else 1
    return 0


async def _run(data: DataDir, options: StackOptions) -> None:
    await Supervisor(data, options, LineProgress(sys.stderr), topics.apply).run()


def parse_ports(words: list[str]) -> dict[str, int]:
    """`["kafka=9092"]` → `{"kafka": 9092}`; raises ConfigurationError for anything else."""
    ports = {}
    for word in words:
        name, _, number = word.partition("=")
        if not number.isdigit() or not 1 <= int(number) <= 65535:
            raise ConfigurationError(f"--port {word}: wanted is NAME=NUMBER with a number from 1 to 65535")
        ports[name] = int(number)
    return ports


if __name__ == "__main__":
    sys.exit(main())
