"""What must stand before the first record: its model in Triton, its project on the table."""

from __future__ import annotations

import http.client
from dataclasses import dataclass
from pathlib import Path

import streamlabel
from streamlabel.cli.connection import Connection
from streamlabel.cli.project_table import ProjectTable
from streamlabel.core.project import Project
from streamlabel.errors import ConfigurationError
from streamlabel.local.model_bundle import Backend, build_model
from streamlabel.local.places import DataDir
from streamlabel.local.stack import Stack
from streamlabel.wire.project_file import load_project

_PROBE_TIMEOUT_S = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A folder like `examples/digits` or `examples/sentiment`."""

    folder: Path

    @classmethod
    def find(cls, name: str, folder: Path | None) -> Example:
        """The given folder, else `name` beside this code or below the current directory; raises ConfigurationError."""
        candidates = [folder] if folder else [_source_tree() / "examples" / name, Path("examples") / name]
        for candidate in candidates:
            if all((candidate / name).is_file() for name in ("project.yaml", "model.yaml", "split.json")):
                return cls(folder=candidate)
        raise ConfigurationError(
            f"{' and '.join(map(str, candidates))}: not there, or without project.yaml, model.yaml and split.json; "
            "--example names the folder"
        )

    @property
    def split_file(self) -> Path:
        return self.folder / "split.json"

    def project(self) -> Project:
        return load_project(self.folder / "project.yaml")


def lay_out(example: Example, data: DataDir) -> None:
    """Before the stack starts: puts the model where Triton looks for it."""
    data.create()
    build_model(example.folder / "model.yaml", data.models, Backend.PYTHON)


async def install(example: Example, stack: Stack, connection: Connection) -> Project:
    """With the stack ready: makes sure that Triton serves the model, and publishes the project."""
    project = example.project()
    model = project.model
    if model is not None and not _is_served(stack.address("triton-http"), model.name, model.version):
        # It ran before the model was laid out; models are found when Triton starts.
        await stack.restart("triton")
        if not _is_served(stack.address("triton-http"), model.name, model.version):
            raise ConfigurationError(
                f"Triton does not serve {model.name} version {model.version}; {stack.log('triton')} says why"
            )
    return (await ProjectTable(connection.broker(), connection.names).apply(project)).after


def _is_served(address: str, name: str, version: int) -> bool:
    connection = http.client.HTTPConnection(address, timeout=_PROBE_TIMEOUT_S)
    try:
        connection.request("GET", f"/v2/models/{name}/versions/{version}/ready")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _source_tree() -> Path:
    """The checkout that this code runs from, if it does."""
    return Path(streamlabel.__file__).parents[2]
