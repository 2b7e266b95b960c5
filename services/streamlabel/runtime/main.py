"""The front door that every service shares: `main` is all that a `__main__` calls."""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NoReturn

import uvloop

from streamlabel.errors import ConfigurationError
from streamlabel.runtime.logs import configure_logging
from streamlabel.runtime.process import EXIT_CONFIGURATION, Process
from streamlabel.runtime.settings import (
    AnySettings,
    ServiceSettings,
    describe_settings,
    effective_settings,
    load_settings,
)
from streamlabel.runtime.version import installed_version

EXIT_OK = 0
# A batch of nouns is tens of thousands of small objects, none of them in a cycle, and all of them gone after the commit. With
# Python's own numbers the collector goes through them dozens of times a batch: a third of what routing costs.
_COLLECT_AFTER = (50_000, 20, 50)


def main(
    service: str,
    settings_cls: type[AnySettings],
    wire: Callable[[Process, AnySettings], Awaitable[None]],
    *,
    argv: Sequence[str] | None = None,
    environ: Mapping[str, str] | None = None,
) -> NoReturn:
    """Settings → logs → event loop → wiring → life → exit code (0 well, 1 failure, 78 wrong settings)."""
    arguments = _arguments(service, settings_cls, argv)
    try:
        settings = load_settings(settings_cls, os.environ if environ is None else environ)
    except ConfigurationError as error:
        sys.stderr.write(f"streamlabel {service}: cannot start: {error}\n")
        sys.exit(EXIT_CONFIGURATION)
    if arguments.print_settings:
        sys.stdout.writelines(f"{key}={value}\n" for key, value in effective_settings(settings))
        sys.exit(EXIT_OK)
    gc.set_threshold(*_COLLECT_AFTER)
    configure_logging(service=service, level=settings.log_level, log_format=settings.log_format)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        code = runner.run(_live(service, settings, wire))
    sys.exit(code)


async def _live(service: str, settings: AnySettings, wire: Callable[[Process, AnySettings], Awaitable[None]]) -> int:
    process = Process(service, settings)
    return await process.run(lambda: wire(process, settings))


def _arguments(service: str, settings_cls: type[ServiceSettings], argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=f"python -m streamlabel.{service}",
        description=f"The {service} service of Streamlabel. It takes no arguments: the environment sets it.",
        epilog=settings_table(settings_cls),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--print-settings", action="store_true", help="print the values in force, secrets masked")
    parser.add_argument("--version", action="version", version=f"streamlabel {installed_version()}")
    return parser.parse_args(argv)


def settings_table(settings_cls: type[ServiceSettings]) -> str:
    """Every key of a service for a reader at a terminal."""
    blocks = []
    for row in describe_settings(settings_cls):
        facts = [row.values, "required" if row.required else f"default {row.default}"]
        blocks.append(f"  {row.key}\n      {row.help}.\n      ({'; '.join(facts)})")
    return "environment:\n" + "\n".join(blocks)
