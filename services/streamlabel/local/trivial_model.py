"""A model that costs next to nothing, for benchmarks and tests of the road: bytes of text → one matrix → probabilities."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import yaml

from streamlabel.local.onnx_graph import ELEMENT_TYPES, new_model

_SEED = 7
_INT_ATTRIBUTE = 2


def write_trivial_model(
    directory: Path, *, name: str = "trivial", version: int = 1, length: int = 512, classes: int = 4
) -> Path:
    """Writes `<name>.onnx` and its description into `directory` and returns the description's path.

    The weights are fixed by the arguments: the same text always gets the same probabilities. Input `text` is int32
    [length] as the text encoder makes it, output `probabilities` is float32 [classes].
    """
    directory.mkdir(parents=True, exist_ok=True)
    (directory / f"{name}.onnx").write_bytes(trivial_onnx(length=length, classes=classes))
    description = {
        "name": name,
        "version": version,
        "onnx": f"{name}.onnx",
        "max_batch_rows": 1024,
        # Inference coalesces rows itself; what is measured is the road, not a wait for company.
        "max_queue_delay_us": 0,
        "inputs": [{"name": "text", "dtype": "int32", "shape": [length]}],
        "outputs": [{"name": "probabilities", "dtype": "float32", "shape": [classes]}],
    }
    path = directory / f"{name}.yaml"
    path.write_text(yaml.safe_dump(description, sort_keys=False))
    return path


def trivial_onnx(*, length: int, classes: int) -> bytes:
    """softmax(float(text) @ weights) as an ONNX file."""
    weights = np.random.default_rng(_SEED).normal(scale=0.001, size=(length, classes)).astype(np.float32)
    model = new_model()
    model.ir_version = 8
    model.opset_import.add(domain="", version=17)
    graph = model.graph
    graph.name = "trivial"
    _add_node(graph, "Cast", ["text"], "numbers", to=ELEMENT_TYPES["float32"])
    _add_node(graph, "MatMul", ["numbers", "weights"], "logits")
    _add_node(graph, "Softmax", ["logits"], "probabilities", axis=1)
    graph.initializer.add(name="weights", dims=weights.shape, data_type=1, raw_data=weights.tobytes())
    _add_value(graph.input, "text", "int32", length)
    _add_value(graph.output, "probabilities", "float32", classes)
    return bytes(model.SerializeToString(deterministic=True))


def _add_node(graph: Any, op_type: str, inputs: list[str], output: str, **attributes: int) -> None:
    node = graph.node.add(op_type=op_type, input=inputs, output=[output], name=output)
    for name, value in attributes.items():
        node.attribute.add(name=name, i=value, type=_INT_ATTRIBUTE)


def _add_value(values: Any, name: str, dtype: str, length: int) -> None:
    tensor = values.add(name=name).type.tensor_type
    tensor.elem_type = ELEMENT_TYPES[dtype]
    tensor.shape.dim.add(dim_param="batch")
    tensor.shape.dim.add(dim_value=length)
