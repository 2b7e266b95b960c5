"""Whether a project's model binding is true of the model that serves: told before the first record, not after each."""

from __future__ import annotations

from dataclasses import dataclass

from streamlabel.core.project import Encoder, FeaturesEncoder, ImageEncoder, ModelBinding, Project, TextEncoder
from streamlabel.errors import InvalidMessageError
from streamlabel.inference.rules.reasons import ModelReason
from streamlabel.inference.rules.signature import ModelSignature, ModelTarget, TensorSignature

_NUMBERS_OUT = ("FP32", "FP16", "FP64")


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """What to ask the model for, or why it cannot be asked."""

    target: ModelTarget | None
    fault: InvalidMessageError | None


def agree(project: Project, binding: ModelBinding, version: int, signature: ModelSignature) -> Contract:
    """The contract between the project and version `version` of its model."""
    where = f"project {project.name}, model {binding.name} version {version}"
    given = next((tensor for tensor in signature.inputs if tensor.name == binding.input_name), None)
    faults = _input_faults(binding, signature, given)
    if given is None or faults:
        return _broken(ModelReason.MODEL_INPUT_MISMATCH, where, faults)
    faults = _output_faults(project, binding, signature)
    if faults:
        return _broken(ModelReason.MODEL_OUTPUT_MISMATCH, where, faults)
    outputs = (binding.output_name, binding.embedding_name) if binding.embedding_name else (binding.output_name,)
    target = ModelTarget(
        name=binding.name,
        version=version,
        input_name=binding.input_name,
        datatype=given.datatype,
        output_names=outputs,
        max_batch_rows=signature.max_batch_rows,
    )
    return Contract(target=target, fault=None)


def row_shape(encoder: Encoder) -> tuple[int, ...]:
    """The shape of one row that the encoder makes."""
    match encoder:
        case ImageEncoder(channels_first=True):
            return (encoder.channels, encoder.height, encoder.width)
        case ImageEncoder():
            return (encoder.height, encoder.width, encoder.channels)
        case TextEncoder(raw=True):
            return (1,)
        case TextEncoder() | FeaturesEncoder():
            return (encoder.length,)


def datatypes(encoder: Encoder) -> tuple[str, ...]:
    """The datatypes that the encoder can make, best first."""
    match encoder:
        case ImageEncoder(scale=1.0, offset=0.0):
            return ("FP32", "FP16", "FP64", "UINT8")
        case ImageEncoder():
            return ("FP32", "FP16", "FP64")
        case TextEncoder(raw=True):
            return ("BYTES",)
        case TextEncoder():
            return ("INT32", "INT64")
        case FeaturesEncoder():
            return ("FP32", "FP64", "FP16")


def _broken(reason: ModelReason, where: str, faults: list[str]) -> Contract:
    return Contract(target=None, fault=InvalidMessageError(reason, f"{where}: " + "; ".join(faults)))


def _input_faults(binding: ModelBinding, signature: ModelSignature, given: TensorSignature | None) -> list[str]:
    if given is None:
        return [f"it has no input {binding.input_name!r}; it has {_listed(signature.inputs)}"]
    faults = []
    if signature.max_batch_rows < 1:
        faults.append("it takes no batches (max_batch_size is 0)")
    possible = datatypes(binding.encoder)
    if given.datatype not in possible:
        hint = ""
        if given.datatype == "UINT8" and isinstance(binding.encoder, ImageEncoder):
            hint = "; for raw pixel values set scale: 1 and offset: 0"
        faults.append(f"input {given} is fed by an encoder that makes {' or '.join(possible)}{hint}")
    made = row_shape(binding.encoder)
    if not _fits(made, given.shape):
        faults.append(f"input {given} does not take the encoder's shape {list(made)}")
    others = [tensor for tensor in signature.inputs if tensor.name != binding.input_name and not tensor.optional]
    if others:
        faults.append(f"it also needs {_listed(tuple(others))}")
    return faults


def _output_faults(project: Project, binding: ModelBinding, signature: ModelSignature) -> list[str]:
    by_name = {tensor.name: tensor for tensor in signature.outputs}
    faults = [
        f"it has no output {name!r}; it has {_listed(signature.outputs)}"
        for name in (binding.output_name, binding.embedding_name)
        if name and name not in by_name
    ]
    faults += [
        f"output {by_name[name]} holds no floating-point numbers"
        for name in (binding.output_name, binding.embedding_name)
        if name in by_name and by_name[name].datatype not in _NUMBERS_OUT
    ]
    classes = len(project.taxonomy.classes)
    output = by_name.get(binding.output_name)
    if output is not None and not _fits((classes,), output.shape):
        faults.append(f"output {output} does not give one number for each of the taxonomy's {classes} classes")
    return faults


def _fits(made: tuple[int, ...], taken: tuple[int, ...]) -> bool:
    return len(made) == len(taken) and all(axis in (-1, length) for length, axis in zip(made, taken, strict=True))


def _listed(tensors: tuple[TensorSignature, ...]) -> str:
    return ", ".join(str(tensor) for tensor in tensors) or "none"
