"""What inference needs from outside, in its own words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from streamlabel.core.project import ImageEncoder, Project
from streamlabel.core.record import ImagePayload, Record
from streamlabel.errors import InvalidMessageError
from streamlabel.inference.rules.signature import ModelSignature, ModelTarget
from streamlabel.inference.rules.tensors import Encoded


@dataclass(frozen=True, slots=True)
class ServedProject:
    """A project as it stands, and the version of its model that serves now (0: it has no model)."""

    project: Project
    model_version: int


@dataclass(frozen=True, slots=True)
class ModelAnswers:
    """The outputs for the rows that were asked, in order, those in `refused` left out; no outputs where all were refused."""

    outputs: Sequence[npt.NDArray[Any]]
    refused: Mapping[int, InvalidMessageError]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, weakref_slot=True)
class Provenance:
    """What all answers of one model version to one project version share; compared by identity."""

    project_version: int
    class_names: tuple[str, ...]
    model_name: str = ""
    model_version: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """One record's prediction: classes by place in the taxonomy, best first; nothing where the project has no model."""

    provenance: Provenance
    order: Sequence[int] = ()
    probabilities: Sequence[float] = ()
    embedding: npt.NDArray[np.float32] | None = None


Inferred = Answer | InvalidMessageError


class Prediction(Protocol):
    """The use case, as the side that drives it sees it."""

    async def predict(self, records: Sequence[Record]) -> Sequence[Inferred]:
        """The prediction of each record, or why it can never have one, in order; TransientError for the whole batch."""
        ...


class Projects(Protocol):
    """The projects as they stand."""

    async def find(self, name: str) -> ServedProject | None:
        """The project; None only if it is not there after a look at the latest state. Unchanged: the same object."""
        ...


class ModelServer(Protocol):
    """Where models answer. Both raise TransientError while the server or the model version is away."""

    async def signature(self, name: str, version: int) -> ModelSignature:
        """What the model version takes and gives; InvalidMessageError once it is waited for no more. Unchanged: the same object."""
        ...

    async def infer(self, target: ModelTarget, rows: npt.NDArray[Any]) -> ModelAnswers:
        """The model's answer to each row. A row that the model itself cannot bear is refused alone; all are, once it is given up."""
        ...


class Pictures(Protocol):
    """Who opens picture files."""

    async def decode(self, payloads: Sequence[ImagePayload], encoder: ImageEncoder) -> Encoded:
        """Pixel values as uint8 [n, height, width, channels]; what is no picture, too large or of another size is refused."""
        ...


class ContractLog(Protocol):
    """Who hears whether projects and their models agree."""

    def broken(self, project: str, fault: InvalidMessageError) -> None:
        """Every record of this project will be refused until an operator mends it."""
        ...

    def kept(self, project: str) -> None:
        """Project and model agree."""
        ...
