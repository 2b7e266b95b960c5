"""Triton model repository entries, generated from one description of a model, for a stock Triton and for the embedded one.

A version's weights never change once they lie in a repository: predictions name the version that made them, so another
graph is another version. What Streamlabel generates around them (`config.pbtxt`, `model.py`) may be replaced.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

import yaml
from google.protobuf import text_format
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from streamlabel.core.nearest import did_you_mean
from streamlabel.errors import ConfigurationError
from streamlabel.local.onnx_graph import GraphSignature, TensorSignature, read_signature

MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
VERSIONS_SERVED = 2  # the live one and the next, so that a swap has no gap
TRITON_TYPES = {
    "bool": "TYPE_BOOL",
    "uint8": "TYPE_UINT8",
    "int8": "TYPE_INT8",
    "int16": "TYPE_INT16",
    "int32": "TYPE_INT32",
    "int64": "TYPE_INT64",
    "float16": "TYPE_FP16",
    "float32": "TYPE_FP32",
    "float64": "TYPE_FP64",
    "string": "TYPE_STRING",
}

AxisLength = Annotated[int, Field(ge=-1, le=1 << 31)]


class Backend(Enum):
    """Which Triton the entry is for."""

    ONNXRUNTIME = "onnxruntime"  # a stock Triton container: its own ONNX Runtime backend
    PYTHON = "python"  # the embedded Triton, which has the Python backend only: model.py runs ONNX Runtime


class Outcome(Enum):
    """What building did to the repository."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class TensorDescription(_Strict):
    """An input or output as the model's users see it; `shape` leaves out the batch axis, -1 is an axis of any length."""

    name: str = Field(min_length=1, max_length=256)
    dtype: str
    shape: tuple[AxisLength, ...]

    @field_validator("dtype")
    @classmethod
    def _known_dtype(cls, dtype: str) -> str:
        if dtype not in TRITON_TYPES:
            raise ValueError(f"{dtype!r} is none of {', '.join(TRITON_TYPES)}{_nearest(dtype, TRITON_TYPES)}")
        return dtype

    @field_validator("shape")
    @classmethod
    def _no_empty_axis(cls, shape: tuple[int, ...]) -> tuple[int, ...]:
        if not shape or 0 in shape:
            raise ValueError("needs at least one axis, each 1 or more, or -1 for any length")
        return shape


class ModelDescription(_Strict):
    """What `streamlabel model build` reads: everything about a model that its ONNX file does not say."""

    name: str
    version: int = Field(ge=1, le=1 << 62)
    onnx: Path
    max_batch_rows: int = Field(ge=1, le=65536)
    max_queue_delay_us: int = Field(default=1000, ge=0, le=1_000_000)
    threads: int = Field(default=1, ge=1, le=256)
    instances: int = Field(default=1, ge=1, le=64)
    inputs: tuple[TensorDescription, ...] = Field(min_length=1)
    outputs: tuple[TensorDescription, ...] = Field(min_length=1)

    @field_validator("name")
    @classmethod
    def _legal_name(cls, name: str) -> str:
        if not MODEL_NAME.fullmatch(name):
            raise ValueError(
                f"{name[:80]!r} must be 1-128 characters of A-Z a-z 0-9 . _ - and start with a letter or digit"
            )
        return name


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltModel:
    """One entry of a model repository; `path` is the folder of its version."""

    name: str
    version: int
    path: Path
    outcome: Outcome


def read_description(path: Path) -> ModelDescription:
    """The description in the YAML file at `path`, its `onnx` made absolute; raises ConfigurationError with all faults."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is not YAML: {error}") from error
    if not isinstance(document, dict):
        raise ConfigurationError(f"{path} must hold keys such as name, version and onnx")
    try:
        description = ModelDescription.model_validate(document)
    except ValidationError as error:
        raise ConfigurationError(f"{path}: " + "; ".join(_fault(item) for item in error.errors())) from error
    return description.model_copy(update={"onnx": (path.parent / description.onnx).resolve()})


def check_against_graph(description: ModelDescription, graph: GraphSignature) -> None:
    """Raises ConfigurationError, with every difference, unless the description is true of the ONNX graph."""
    faults = _differences("input", description.inputs, graph.inputs)
    faults += [
        f"input {tensor.name!r} of the graph is missing in the description"
        for tensor in graph.inputs
        if tensor.name not in {declared.name for declared in description.inputs}
    ]
    faults += _differences("output", description.outputs, graph.outputs)
    if faults:
        raise ConfigurationError(f"model {description.name} and {description.onnx.name} disagree: " + "; ".join(faults))


def build_model(description_path: Path, repository: Path, backend: Backend) -> BuiltModel:
    """Lays the described model out in `repository`, whole or not at all; building again changes nothing.

    Raises ConfigurationError where the description is wrong, where it and the graph disagree, or where the repository
    holds other weights, or other inputs and outputs, under the same name and version.
    """
    description = read_description(description_path)
    check_against_graph(description, read_signature(description.onnx))
    model_folder = repository / description.name
    version_folder = model_folder / str(description.version)
    _refuse_other_weights(description, version_folder)
    _refuse_other_tensors(description, backend, model_folder)
    files = {"model.onnx": description.onnx.read_bytes()}
    if backend is Backend.PYTHON:
        files["model.py"] = (resources.files("streamlabel.local.triton_models") / "onnx_model.py").read_bytes()
    outcome = _write_entry(version_folder, config_text(description, backend).encode(), files)
    return BuiltModel(name=description.name, version=description.version, path=version_folder, outcome=outcome)


def config_text(description: ModelDescription, backend: Backend) -> str:
    """The `config.pbtxt` of the model."""
    # Imported here: Triton's client costs half a second, which a command line that builds nothing need not pay.
    from tritonclient.grpc import model_config_pb2

    config = model_config_pb2.ModelConfig(
        name=description.name, backend=backend.value, max_batch_size=description.max_batch_rows
    )
    for target, tensors in ((config.input, description.inputs), (config.output, description.outputs)):
        for tensor in tensors:
            target.add(name=tensor.name, data_type=TRITON_TYPES[tensor.dtype], dims=tensor.shape)
    config.version_policy.latest.num_versions = VERSIONS_SERVED
    config.dynamic_batching.SetInParent()  # with a delay of 0 too: what waits already is merged
    config.dynamic_batching.max_queue_delay_microseconds = description.max_queue_delay_us
    # The Python backend of the embedded server knows no GPU build; a stock server takes its GPU where it has one.
    group = model_config_pb2.ModelInstanceGroup
    kind = group.KIND_CPU if backend is Backend.PYTHON else group.KIND_AUTO
    config.instance_group.add(count=description.instances, kind=kind)
    config.parameters["intra_op_thread_count"].string_value = str(description.threads)
    return str(text_format.MessageToString(config))


def _refuse_other_weights(description: ModelDescription, version_folder: Path) -> None:
    existing = version_folder / "model.onnx"
    if existing.is_file() and existing.read_bytes() != description.onnx.read_bytes():
        raise ConfigurationError(
            f"{existing} holds other weights than {description.onnx.name}: a version never changes; "
            f"raise `version` above {description.version}"
        )


def _refuse_other_tensors(description: ModelDescription, backend: Backend, model_folder: Path) -> None:
    """All versions of a model share one configuration, so they must share inputs and outputs."""
    from tritonclient.grpc import model_config_pb2

    others = sorted(
        int(folder.name)
        for folder in (model_folder.iterdir() if model_folder.is_dir() else ())
        if folder.name.isdecimal() and int(folder.name) != description.version
    )
    config_path = model_folder / "config.pbtxt"
    if not (others and config_path.is_file()):
        return
    try:
        old = text_format.Parse(config_path.read_bytes(), model_config_pb2.ModelConfig())
    except text_format.ParseError as error:
        raise ConfigurationError(f"{config_path} is broken: {error}; mend or delete it") from error
    new = text_format.Parse(config_text(description, backend), model_config_pb2.ModelConfig())
    if list(old.input) != list(new.input) or list(old.output) != list(new.output):
        raise ConfigurationError(
            f"{model_folder} serves version {others[-1]} with other inputs or outputs than version "
            f"{description.version}; give the new model another name"
        )


def _write_entry(version_folder: Path, config: bytes, files: Mapping[str, bytes]) -> Outcome:
    """Brings the entry to the wanted state by renames only, so that a Triton that looks meanwhile sees no half of it."""
    model_folder = version_folder.parent
    repository = model_folder.parent
    repository.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".building-", dir=_staging_place(repository)) as staging_name:
        staging = Path(staging_name)
        if not version_folder.is_dir():
            staged = staging / model_folder.name / version_folder.name
            staged.mkdir(parents=True)
            for name, content in files.items():
                (staged / name).write_bytes(content)
            if not model_folder.is_dir():
                (staged.parent / "config.pbtxt").write_bytes(config)
                staged.parent.rename(model_folder)
            else:
                _replace(model_folder / "config.pbtxt", config, staging)
                staged.rename(version_folder)
            return Outcome.CREATED
        changes = [_replace(model_folder / "config.pbtxt", config, staging)]
        changes += [_replace(version_folder / name, content, staging) for name, content in files.items()]
        if "model.py" not in files and (version_folder / "model.py").exists():
            (version_folder / "model.py").unlink()
            changes.append(True)
    return Outcome.UPDATED if any(changes) else Outcome.UNCHANGED


def _staging_place(repository: Path) -> Path:
    """Beside the repository, since Triton takes every folder in it for a model; inside it only where it is a mount."""
    beside = repository.absolute().parent
    same_disk = beside.stat().st_dev == repository.stat().st_dev
    return beside if same_disk and os.access(beside, os.W_OK) else repository


def _replace(path: Path, content: bytes, staging: Path) -> bool:
    """Makes `content` the file's content by a rename; True when it was another one before."""
    if path.is_file() and path.read_bytes() == content:
        return False
    staged = staging / path.name
    staged.write_bytes(content)
    staged.replace(path)
    return True


def _differences(what: str, declared: Sequence[TensorDescription], found: Sequence[TensorSignature]) -> list[str]:
    by_name = {tensor.name: tensor for tensor in found}
    faults = []
    for tensor in declared:
        real = by_name.get(tensor.name)
        if real is None:
            faults.append(
                f"the graph has no {what} {tensor.name!r}{_nearest(tensor.name, by_name)}; it has {_listed(found)}"
            )
        elif real.dtype != tensor.dtype:
            faults.append(f"{what} {tensor.name!r} is {real.dtype} in the graph, not {tensor.dtype}")
        elif not real.axes or real.axes[0] is not None:
            faults.append(f"{what} {real} has no free batch axis; export it with a symbolic first axis")
        elif not _shape_fits(tensor.shape, real.axes[1:]):
            faults.append(f"{what} {real} does not fit the shape {list(tensor.shape)} after the batch axis")
    return faults


def _shape_fits(declared: Sequence[int], axes: Sequence[int | None]) -> bool:
    return len(declared) == len(axes) and all(
        axis is None or axis == length for length, axis in zip(declared, axes, strict=True)
    )


def _listed(tensors: Sequence[TensorSignature]) -> str:
    return ", ".join(str(tensor) for tensor in tensors) or "none"


def _nearest(word: str, known: Iterable[str]) -> str:
    hint = did_you_mean(word, known)
    return f" ({hint})" if hint else ""


def _fault(item: Any) -> str:
    where = ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        known = TensorDescription.model_fields if len(item["loc"]) > 1 else ModelDescription.model_fields
        return f"unknown key {where}{_nearest(str(item['loc'][-1]), known)}"
    if item["type"] == "missing":
        return f"key {where} is missing"
    message = item["msg"].removeprefix("Value error, ")
    return f"{where}: {message[:1].lower()}{message[1:]}" if message[:1].isupper() else f"{where}: {message}"
