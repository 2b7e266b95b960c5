"""The signature of an ONNX file, and small ONNX files, without the onnx package or a runtime: only the schema's fields used here.

Field numbers are those of onnx.proto; fields not listed are kept as unknown ones and cost nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from streamlabel.errors import ConfigurationError

_PACKAGE = "streamlabel_onnx"
_FIELD = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "int64": _FIELD.TYPE_INT64,
    "int32": _FIELD.TYPE_INT32,
    "string": _FIELD.TYPE_STRING,
    "bytes": _FIELD.TYPE_BYTES,
}
_MESSAGE = _FIELD.TYPE_MESSAGE
_SCHEMA: Mapping[str, Mapping[str, tuple[int, str]]] = {
    "Model": {"ir_version": (1, "int64"), "graph": (7, "Graph"), "opset_import": (8, "Opset*")},
    "Opset": {"domain": (1, "string"), "version": (2, "int64")},
    "Graph": {
        "node": (1, "Node*"),
        "name": (2, "string"),
        "initializer": (5, "Tensor*"),
        "input": (11, "ValueInfo*"),
        "output": (12, "ValueInfo*"),
    },
    "Node": {
        "input": (1, "string*"),
        "output": (2, "string*"),
        "name": (3, "string"),
        "op_type": (4, "string"),
        "attribute": (5, "Attribute*"),
    },
    "Attribute": {"name": (1, "string"), "i": (3, "int64"), "type": (20, "int32")},
    "Tensor": {
        "dims": (1, "int64*"),
        "data_type": (2, "int32"),
        "string_data": (6, "bytes*"),
        "name": (8, "string"),
        "raw_data": (9, "bytes"),
        "data_location": (14, "int32"),
    },
    "ValueInfo": {"name": (1, "string"), "type": (2, "Type")},
    "Type": {"tensor_type": (1, "TensorType")},
    "TensorType": {"elem_type": (1, "int32"), "shape": (2, "Shape")},
    "Shape": {"dim": (1, "Dimension*")},
    "Dimension": {"dim_value": (1, "int64"), "dim_param": (2, "string")},
}
DTYPES: Mapping[int, str] = {
    1: "float32",
    2: "uint8",
    3: "int8",
    4: "uint16",
    5: "int16",
    6: "int32",
    7: "int64",
    8: "string",
    9: "bool",
    10: "float16",
    11: "float64",
    12: "uint32",
    13: "uint64",
}
ELEMENT_TYPES: Mapping[str, int] = {name: number for number, name in DTYPES.items()}
_EXTERNAL = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorSignature:
    """Name, type and axes of a graph's input or output; None is an axis of any length."""

    name: str
    dtype: str
    axes: tuple[int | None, ...]

    def __str__(self) -> str:
        axes = ", ".join("any" if axis is None else str(axis) for axis in self.axes)
        return f"{self.name}: {self.dtype} [{axes}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphSignature:
    """What goes into a graph and what comes out; weights are not inputs."""

    inputs: tuple[TensorSignature, ...]
    outputs: tuple[TensorSignature, ...]


def _message_classes() -> Mapping[str, Any]:
    """The message classes of `_SCHEMA`, in a pool of their own so that an installed onnx package does not collide."""
    file = descriptor_pb2.FileDescriptorProto(name="streamlabel_onnx.proto", package=_PACKAGE, syntax="proto2")
    for message_name, fields in _SCHEMA.items():
        message = file.message_type.add(name=message_name)
        for field_name, (number, kind) in fields.items():
            field = message.field.add(
                name=field_name,
                number=number,
                label=_FIELD.LABEL_REPEATED if kind.endswith("*") else _FIELD.LABEL_OPTIONAL,
            )
            scalar = _SCALARS.get(kind.rstrip("*"))
            if scalar is None:
                field.type, field.type_name = _MESSAGE, f".{_PACKAGE}.{kind.rstrip('*')}"
            else:
                field.type = scalar
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name in _SCHEMA}


def new_model() -> Any:
    """An empty ONNX ModelProto (the fields of `_SCHEMA`), for those who write small graphs by hand."""
    return _message_classes()["Model"]()


def read_signature(path: Path) -> GraphSignature:
    """The signature of the ONNX file at `path`; raises ConfigurationError where it is missing, broken or not one file."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from error
    model = new_model()
    try:
        model.ParseFromString(data)
    except DecodeError as error:
        raise ConfigurationError(f"{path} is not an ONNX file, or is cut short: {error}") from error
    if not (model.HasField("graph") and model.graph.output):
        raise ConfigurationError(f"{path} is not an ONNX file: it has no graph with an output")
    external = next((tensor.name for tensor in model.graph.initializer if tensor.data_location == _EXTERNAL), None)
    if external is not None:
        raise ConfigurationError(f"{path} keeps weight {external!r} in another file; save the model as one file")
    weights = {tensor.name for tensor in model.graph.initializer}
    return GraphSignature(
        inputs=tuple(_signature(value) for value in model.graph.input if value.name not in weights),
        outputs=tuple(_signature(value) for value in model.graph.output),
    )


def _signature(value: Any) -> TensorSignature:
    tensor = value.type.tensor_type
    axes = tuple(dim.dim_value if dim.HasField("dim_value") and dim.dim_value > 0 else None for dim in tensor.shape.dim)
    return TensorSignature(name=value.name, dtype=DTYPES.get(tensor.elem_type, f"type {tensor.elem_type}"), axes=axes)
