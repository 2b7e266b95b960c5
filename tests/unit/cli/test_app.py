"""Every command is found by its name alone, and the help knows all of them."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import metadata

import pytest
import typer.main

from streamlabel.cli.app import COMMANDS, make_app
from support.command_line import streamlabel


def commands_of(words: list[str]) -> set[str]:
    group = typer.main.get_group(make_app(words))
    return set(group.commands)


def test_the_table_names_exactly_the_commands_that_there_are() -> None:
    assert commands_of([]) == set(COMMANDS)
    assert commands_of(["--help"]) == set(COMMANDS)


def test_each_command_is_there_when_only_its_own_modules_are() -> None:
    for name in COMMANDS:
        assert name in commands_of([name]), name


def test_a_command_has_the_same_subcommands_alone_as_among_all() -> None:
    whole = typer.main.get_group(make_app()).commands
    for name in COMMANDS:
        alone = typer.main.get_group(make_app([name])).commands[name]
        assert getattr(alone, "commands", {}).keys() == getattr(whole[name], "commands", {}).keys(), name


def test_status_does_not_wait_for_clients_that_it_does_not_need() -> None:
    code = "import sys; from streamlabel.cli.app import make_app; make_app(['status']); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "streamlabel.cli.stack" in loaded
    assert not {"aiokafka", "grpc", "tritonclient", "numpy", "pydantic"} & set(loaded)


def test_the_version_is_that_of_the_distribution_and_of_the_wire() -> None:
    ran = streamlabel("--version")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == f"streamlabel {metadata.version('streamlabel')} (wire streamlabel.v1)\n"


@pytest.mark.parametrize(("given", "found"), [({}, "ERROR"), ({"GRPC_VERBOSITY": "DEBUG"}, "DEBUG")])
def test_the_library_of_grpc_is_told_to_be_quiet_before_it_is_imported(given: dict[str, str], found: str) -> None:
    code = (
        "import os, sys\n"
        "sys.argv = ['streamlabel', '--version']\n"
        "from streamlabel.cli import app\n"
        "app.make_app = lambda words: (lambda: print(os.environ.get('GRPC_VERBOSITY'), 'grpc' in sys.modules))\n"
        "app.main()\n"
    )
    environment = {key: value for key, value in os.environ.items() if key != "GRPC_VERBOSITY"} | given
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == (f"{found} False\n", "")
