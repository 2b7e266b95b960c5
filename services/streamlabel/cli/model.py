"""`streamlabel model build`: a model repository entry for Triton, out of one description."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import orjson
import typer

from streamlabel.local.model_bundle import Backend, build_model


def register(app: typer.Typer) -> None:
    """Adds `model` to the command line."""
    model = typer.Typer(help="Models, as Triton serves them.", no_args_is_help=True)
    # With one command only, Typer would leave its name out.
    model.callback()(lambda: None)
    model.command("build")(build)
    app.add_typer(model, name="model")


def build(
    description: Annotated[
        Path,
        typer.Argument(metavar="DESCRIPTION.yaml", help="Name, version, ONNX file, inputs and outputs of the model."),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The model repository to put it into.")],
    backend: Annotated[
        Backend,
        typer.Option(help="onnxruntime: for a stock Triton container. python: for the embedded Triton."),
    ] = Backend.ONNXRUNTIME,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was done as one JSON object.")] = False,
) -> None:
    """Lay a model out for Triton: checked against its ONNX graph, whole or not at all.

    Building again changes nothing. The weights of a version never change: other weights need another version, and other
    inputs or outputs another name.

    Examples:

      streamlabel model build examples/digits/model.yaml --out models

      streamlabel model build examples/digits/model.yaml --out .streamlabel/models --backend python
    """
    built = build_model(description, out, backend)
    if as_json:
        answer = {
            "name": built.name,
            "version": built.version,
            "path": str(built.path),
            "outcome": built.outcome.value,
        }
        typer.echo(orjson.dumps(answer).decode())
    else:
        typer.echo(f"{built.outcome.value:<10} {built.name} version {built.version} in {built.path}")
