"""`streamlabel gate …`: which model may label alone, since when, and by which evidence; and whether all of it is true."""

from __future__ import annotations

import importlib

import typer

_COMMANDS = ("gate_status", "gate_history", "gate_suspects", "gate_replay")


def register(app: typer.Typer) -> None:
    """Adds `gate` to the command line."""
    gate = typer.Typer(
        help="Gates: may the model label alone? Status, history, and how to check both yourself.", no_args_is_help=True
    )
    for module in _COMMANDS:
        importlib.import_module(f"streamlabel.cli.{module}").add_to(gate)
    app.add_typer(gate, name="gate")
