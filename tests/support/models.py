"""Models in the real Triton under names of their own, and projects that they serve."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path

import yaml
from tritonclient.grpc import InferenceServerClient

from streamlabel.core.project import ModelBinding, OutputKind, Project, TextEncoder, ThresholdPolicy
from streamlabel.core.record import PayloadKind
from streamlabel.core.taxonomy import ClassDefinition, Taxonomy
from streamlabel.local.model_bundle import Backend, build_model
from streamlabel.local.trivial_model import write_trivial_model

LENGTH = 64
CLASSES = ("a", "b", "c")


@dataclasses.dataclass(frozen=True, slots=True)
class ModelShelf:
    """Puts models into Triton's repository and loads them."""

    address: str
    repository: Path
    workshop: Path

    def trivial(self, name: str, *, version: int = 1, classes: int = len(CLASSES), load: bool = True) -> None:
        """A trivial text model."""
        folder = self.workshop / f"{name}-{version}"
        build_model(
            write_trivial_model(folder, name=name, version=version, length=LENGTH, classes=classes),
            self.repository,
            Backend.PYTHON,
        )
        if load:
            self.load(name)

    def described(self, path: Path, name: str) -> None:
        """The model of a description, under another name."""
        description = yaml.safe_load(path.read_text())
        description |= {"name": name, "onnx": str((path.parent / description["onnx"]).resolve())}
        renamed = self.workshop / f"{name}.yaml"
        renamed.write_text(yaml.safe_dump(description))
        build_model(renamed, self.repository, Backend.PYTHON)
        self.load(name)

    def load(self, name: str) -> None:
        with contextlib.closing(InferenceServerClient(self.address)) as client:
            client.load_model(name, client_timeout=60)

    def unload(self, name: str) -> None:
        with contextlib.closing(InferenceServerClient(self.address)) as client:
            client.unload_model(name, client_timeout=60)


def trivial_project(name: str, model: str, *, classes: tuple[str, ...] = CLASSES, version: int = 1) -> Project:
    """A text project that is served by a trivial model."""
    return Project(
        name=name,
        version=version,
        taxonomy=Taxonomy(version=1, classes=tuple(ClassDefinition(name=each) for each in classes)),
        payload_kind=PayloadKind.TEXT,
        policy=ThresholdPolicy(threshold=0.9),
        model=ModelBinding(
            name=model,
            version=1,
            input_name="text",
            encoder=TextEncoder(length=LENGTH),
            output_name="probabilities",
            output_kind=OutputKind.PROBABILITIES,
        ),
    )
