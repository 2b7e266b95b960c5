"""What a served model looks like from outside, and what it is asked for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorSignature:
    """An input or output: `datatype` in the protocol's words (FP32, INT32, BYTES …), `shape` without batch axis, -1: any."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    optional: bool = False

    def __str__(self) -> str:
        axes = ", ".join("any" if axis < 0 else str(axis) for axis in self.shape)
        return f"{self.name}: {self.datatype} [{axes}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSignature:
    """Inputs and outputs of one model version; `max_batch_rows` is 0 where it takes no batches."""

    max_batch_rows: int
    inputs: tuple[TensorSignature, ...]
    outputs: tuple[TensorSignature, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelTarget:
    """One question to one model version: rows go in as `input_name`, `output_names` come back."""

    name: str
    version: int
    input_name: str
    datatype: str
    output_names: tuple[str, ...]
    max_batch_rows: int
