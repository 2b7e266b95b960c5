"""`python -m streamlabel.local`: runs a supervisor in this process and tells its steps on stderr, a line each."""

from __future__ import annotations

import argparse
import asyncio
import sys

from streamlabel.errors import ConfigurationError, StreamlabelError
from streamlabel.local import topics
from streamlabel.local.options import StackOptions, parse_ports, parse_services
from streamlabel.local.places import DataDir
from streamlabel.local.progress import LineProgress
from streamlabel.local.stack import FAILURE_PREFIX
from streamlabel.local.supervisor import EXIT_CONFIGURATION, Supervisor


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m streamlabel.local", description=__doc__)
    parser.add_argument("--data-dir", default=None)
    parser.add_argument("--partitions", type=int, default=2)
    parser.add_argument("--topic-prefix", default="streamlabel")
    parser.add_argument("--port", action="append", default=[], metavar="NAME=NUMBER")
    parser.add_argument("--service", action="append", default=[], metavar="NAME")
    arguments = parser.parse_args()
    try:
        options = StackOptions(
            partitions=arguments.partitions,
            topic_prefix=arguments.topic_prefix,
            pinned_ports=parse_ports(arguments.port),
            services=parse_services(arguments.service),
        )
        asyncio.run(_run(DataDir.at(arguments.data_dir), options))
    except StreamlabelError as error:
        LineProgress().say(f"{FAILURE_PREFIX}{error}")
        return EXIT_CONFIGURATION if isinstance(error, ConfigurationError) else 1
    return 0


async def _run(data: DataDir, options: StackOptions) -> None:
    await Supervisor(data, options, LineProgress(sys.stderr), topics.apply).run()


if __name__ == "__main__":
    sys.exit(main())
