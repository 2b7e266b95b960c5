"""Runs the `model.onnx` beside this file with ONNX Runtime inside Triton's Python backend.

Needs numpy < 2 and onnxruntime in the environment of the backend's stub. Requests that Triton hands over together are
one run; where that fails, each is run alone, so that one client's bad rows do not fail another's.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnxruntime
import triton_python_backend_utils as pb_utils  # type: ignore[import-not-found]

_BAD_INPUT = ("INVALID_ARGUMENT", "InvalidArgument")


class TritonPythonModel:
    """The class that the Python backend looks for; one object per instance of the model."""

    def initialize(self, args: dict[str, str]) -> None:
        """Opens the graph; a failure keeps the version from being served and stands in Triton's log."""
        config = json.loads(args["model_config"])
        folder = os.path.join(args["model_repository"], args["model_version"])  # noqa: PTH118 (no pathlib needed here)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(config["parameters"]["intra_op_thread_count"]["string_value"])
        options.inter_op_num_threads = 1
        self._inputs = [(tensor["name"], tensor["data_type"] == "TYPE_STRING") for tensor in config["input"]]
        self._outputs = [tensor["name"] for tensor in config["output"]]
        self._session = onnxruntime.InferenceSession(
            os.path.join(folder, "model.onnx"),  # noqa: PTH118
            options,
            providers=[name for name in _PROVIDERS if name in onnxruntime.get_available_providers()],
        )

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """One response per request, in order; a request that cannot be run gets an error of its own."""
        try:
            return self._run(requests)
        except Exception as error:  # noqa: BLE001 (whatever the runtime raises belongs to one of these requests)
            if len(requests) == 1:
                return [pb_utils.InferenceResponse(error=_error_of(error))]
            return [response for request in requests for response in self.execute([request])]

    def _run(self, requests: Sequence[Any]) -> list[Any]:
        feeds = {name: self._rows(requests, name, is_text) for name, is_text in self._inputs}
        lengths = [
            len(pb_utils.get_input_tensor_by_name(request, self._inputs[0][0]).as_numpy()) for request in requests
        ]
        results = self._session.run(self._outputs, feeds)
        responses, start = [], 0
        for length in lengths:
            rows = slice(start, start + length)
            # Several responses cut from one array: without the copy they would share, and corrupt, one buffer.
            tensors = [
                pb_utils.Tensor(name, result[rows].copy()) for name, result in zip(self._outputs, results, strict=True)
            ]
            responses.append(pb_utils.InferenceResponse(output_tensors=tensors))
            start += length
        return responses

    def _rows(self, requests: Sequence[Any], name: str, is_text: bool) -> np.ndarray[Any, Any]:
        parts = [pb_utils.get_input_tensor_by_name(request, name).as_numpy() for request in requests]
        rows = parts[0] if len(parts) == 1 else np.concatenate(parts)
        # Triton hands strings over as bytes; ONNX Runtime wants them as text.
        if is_text:
            return np.array([item.decode() for item in rows.ravel()], dtype=object).reshape(rows.shape)
        return rows


_PROVIDERS = ("CUDAExecutionProvider", "CPUExecutionProvider")


def _error_of(error: Exception) -> Any:
    text = f"{type(error).__name__}: {error}"
    code = (
        pb_utils.TritonError.INVALID_ARG if any(mark in text for mark in _BAD_INPUT) else pb_utils.TritonError.INTERNAL
    )
    return pb_utils.TritonError(text, code)
