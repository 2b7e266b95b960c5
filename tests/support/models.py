"""Models in the real Triton under names of their own, and projects that they serve."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from tritonclient.grpc import InferenceServerClient

from streamlabel.core.project import ModelBinding, OutputKind, Project, TextEncoder, ThresholdPolicy
from streamlabel.core.record import PayloadKind
from streamlabel.core.taxonomy import ClassDefinition, Taxonomy
from streamlabel.local.model_bundle import Backend, build_model
from streamlabel.local.onnx_graph import ELEMENT_TYPES, new_model
from streamlabel.local.trivial_model import write_trivial_model

LENGTH = 64
CLASSES = ("a", "b", "c")


_SILENT_CONFIG = f"""
backend: "python"
max_batch_size: 64
input [{{ name: "text" data_type: TYPE_INT32 dims: [{LENGTH}] }}]
output [{{ name: "probabilities" data_type: TYPE_FP32 dims: [{len(CLASSES)}] }}]
instance_group [{{ kind: KIND_CPU count: 1 }}]
"""
_SILENT_MODEL = f"""
import time
import numpy as np
import triton_python_backend_utils as pb
class TritonPythonModel:
    def execute(self, requests):
        time.sleep(1)
        return [pb.InferenceResponse([pb.Tensor("probabilities", np.full(
            (len(pb.get_input_tensor_by_name(each, "text").as_numpy()), {len(CLASSES)}), 1 / {len(CLASSES)}, np.float32
        ))]) for each in requests]
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Running:
    """Inference as a process."""

    url: str
    process: asyncio.subprocess.Process

    async def kill(self) -> None:
        """`kill -9`."""
        self.process.kill()
        await self.process.wait()


class SmallGraph:
    """An ONNX graph, node by node."""

    def __init__(self) -> None:
        self._model = new_model()
        self._model.ir_version = 9
        self._model.opset_import.add(domain="", version=19)
        self._model.graph.name = "small"
        self.inputs: list[dict[str, object]] = []
        self.outputs: list[dict[str, object]] = []

    def node(self, op_type: str, inputs: list[str], output: str, **attributes: int) -> None:
        node = self._model.graph.node.add(op_type=op_type, input=inputs, output=[output], name=output)
        for name, value in attributes.items():
            node.attribute.add(name=name, i=value, type=2)

    def constant(self, name: str, value: np.ndarray) -> None:
        tensor = self._model.graph.initializer.add(name=name, dims=value.shape)
        if value.dtype == np.object_:
            tensor.data_type = ELEMENT_TYPES["string"]
            tensor.string_data.extend(value.ravel().tolist())
        else:
            tensor.data_type = ELEMENT_TYPES[value.dtype.name]
            tensor.raw_data = value.tobytes()

    def input(self, name: str, dtype: str, *shape: int) -> None:
        self.inputs.append(self._value(self._model.graph.input, name, dtype, shape))

    def output(self, name: str, dtype: str, *shape: int) -> None:
        self.outputs.append(self._value(self._model.graph.output, name, dtype, shape))

    def encode(self) -> bytes:
        return bytes(self._model.SerializeToString())

    @staticmethod
    def _value(values: Any, name: str, dtype: str, shape: tuple[int, ...]) -> dict[str, object]:
        tensor = values.add(name=name).type.tensor_type
        tensor.elem_type = ELEMENT_TYPES[dtype]
        tensor.shape.dim.add(dim_param="batch")
        for length in shape:
            tensor.shape.dim.add(dim_value=length)
        return {"name": name, "dtype": dtype, "shape": list(shape)}


@dataclasses.dataclass(frozen=True, slots=True)
class ModelShelf:
    """Puts models into Triton's repository and loads them."""

    address: str
    repository: Path
    workshop: Path
    backend: Backend = Backend.PYTHON

    def trivial(self, name: str, *, version: int = 1, classes: int = len(CLASSES), load: bool = True) -> None:
        """A trivial text model."""
        folder = self.workshop / f"{name}-{version}"
        build_model(
            write_trivial_model(folder, name=name, version=version, length=LENGTH, classes=classes),
            self.repository,
            self.backend,
        )
        if load:
            self.load(name)

    def described(self, path: Path, name: str) -> None:
        """The model of a description, under another name."""
        description = yaml.safe_load(path.read_text())
        description |= {"name": name, "onnx": str((path.parent / description["onnx"]).resolve())}
        renamed = self.workshop / f"{name}.yaml"
        renamed.write_text(yaml.safe_dump(description))
        build_model(renamed, self.repository, self.backend)
        self.load(name)

    def graph(self, name: str, graph: SmallGraph) -> None:
        """A model of a graph written by hand."""
        (self.workshop / f"{name}.onnx").write_bytes(graph.encode())
        description = self.workshop / f"{name}.yaml"
        tensors = {"inputs": graph.inputs, "outputs": graph.outputs}
        head = {"name": name, "version": 1, "onnx": f"{name}.onnx", "max_batch_rows": 64}
        description.write_text(yaml.safe_dump(head | tensors))
        build_model(description, self.repository, self.backend)
        self.load(name)

    def silent(self, name: str) -> None:
        """A model like the trivial one that takes a second for each answer."""
        folder = self.repository / name
        (folder / "1").mkdir(parents=True)
        (folder / "config.pbtxt").write_text(_SILENT_CONFIG)
        (folder / "1" / "model.py").write_text(_SILENT_MODEL)
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
