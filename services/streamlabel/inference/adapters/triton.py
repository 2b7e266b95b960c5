"""Triton over gRPC: one client, every call with a deadline, every failure with its fate."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import grpc
import numpy as np
import numpy.typing as npt
from tritonclient.grpc import model_config_pb2
from tritonclient.grpc.aio import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException

from streamlabel.errors import TransientError
from streamlabel.inference.adapters.isolation import ModelFailsError, RowsRefusedError
from streamlabel.inference.rules.signature import ModelSignature, ModelTarget, TensorSignature
from streamlabel.runtime.clock import Clock
from streamlabel.runtime.metrics import Metrics

# Signatures are asked for again after so long: a model reloaded under its version is noticed, at one call in a while.
_SIGNATURE_AGE_S = 30.0
_PROBE_TIMEOUT_S = 5.0
# Triton blames the input itself.
_CERTAINLY_THE_ROWS = ("INVALID_ARGUMENT",)
# The model failed; its input may be why.
_PERHAPS_THE_ROWS = ("INTERNAL", "UNKNOWN", "OUT_OF_RANGE")

_CHANNEL_OPTIONS = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # A headless service names all pods of Triton: spread the requests, and find a new pod soon after one is gone.
    ("grpc.lb_policy_name", "round_robin"),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 0),
)


class ModelAwayError(TransientError):
    """A server in good health does not serve this model version: never heard of, still loading, or not loadable."""


class Triton:
    """One Triton, or all that a name stands for."""

    def __init__(self, *, url: str, timeout_s: float, metrics: Metrics, clock: Clock) -> None:
        self.url = url
        self._timeout_s = timeout_s
        self._metrics = metrics
        self._clock = clock
        self._signatures: dict[tuple[str, int], tuple[ModelSignature, float]] = {}
        self._client: Any = None

    async def start(self) -> None:
        """Makes the client; connects to nothing, so an absent server does not hold up the start."""
        self._client = InferenceServerClient(self.url, channel_args=list(_CHANNEL_OPTIONS))

    async def stop(self) -> None:
        """Closes the connection."""
        if self._client is not None:
            await self._client.close()

    async def infer(self, target: ModelTarget, rows: npt.NDArray[Any]) -> Sequence[npt.NDArray[Any]]:
        """The outputs of one request; raises TransientError, RowsRefusedError, or ModelFailsError where only the model is silent."""
        tensor = InferInput(target.input_name, list(rows.shape), target.datatype)
        tensor.set_data_from_numpy(np.ascontiguousarray(rows))
        in_flight = self._metrics.gauge("streamlabel_inference_in_flight", model=target.name)
        in_flight.inc()
        begin_s = time.perf_counter()
        try:
            result = await self._client.infer(
                target.name,
                [tensor],
                model_version=str(target.version),
                outputs=[InferRequestedOutput(name) for name in target.output_names],
                client_timeout=self._timeout_s,
            )
        except (InferenceServerException, grpc.RpcError) as error:
            raise await self._failed(target, error) from error
        finally:
            in_flight.dec()
        self._metrics.histogram("streamlabel_inference_seconds", model=target.name).observe(
            time.perf_counter() - begin_s
        )
        self._metrics.histogram("streamlabel_inference_batch_rows", model=target.name).observe(len(rows))
        outputs = [result.as_numpy(name) for name in target.output_names]
        if any(output is None or len(output) != len(rows) for output in outputs):
            # Never seen from a healthy server; numpy 2 in the embedded server's environment does this.
            raise TransientError(f"model {target.name} answered {len(rows)} rows with another number of rows")
        return outputs

    async def signature(self, name: str, version: int) -> ModelSignature:
        """What the model version takes and gives; raises TransientError, ModelAwayError where only the model is away."""
        known = self._signatures.get((name, version))
        now_s = self._clock.monotonic_s()
        if known is not None and now_s < known[1]:
            return known[0]
        try:
            answer = await self._client.get_model_config(name, str(version), client_timeout=_PROBE_TIMEOUT_S)
        except (InferenceServerException, grpc.RpcError) as error:
            self._signatures.pop((name, version), None)
            raise await self._away(name, version, error) from error
        signature = _signature(answer.config)
        if known is not None and known[0] == signature:
            signature = known[0]
        self._signatures[name, version] = (signature, now_s + _SIGNATURE_AGE_S)
        return signature

    async def unready(self, name: str, version: int) -> TransientError | None:
        """Why the model version cannot be asked now; None: it can."""
        try:
            if await self._client.is_model_ready(name, str(version), client_timeout=_PROBE_TIMEOUT_S):
                return None
        except (InferenceServerException, grpc.RpcError) as error:
            return await self._away(name, version, error)
        return self._model_away(name, version, "not there, or still loading")

    async def _away(self, name: str, version: int, error: Exception) -> TransientError:
        """What a refused question about a model means: the same code stands for a server and for a model that is away."""
        code, message = _code_and_message(error)
        if code == "NOT_FOUND" or (code == "UNAVAILABLE" and await self._lives()):
            return self._model_away(name, version, message)
        return self._server_away(code, message)

    def _model_away(self, name: str, version: int, why: str) -> ModelAwayError:
        return ModelAwayError(f"Triton at {self.url} does not serve model {name} version {version}: {why}")

    def _server_away(self, code: str, message: str) -> TransientError:
        return TransientError(f"Triton at {self.url} does not answer: {code}: {message}")

    async def _lives(self) -> bool:
        try:
            return bool(await self._client.is_server_live(client_timeout=_PROBE_TIMEOUT_S))
        except (InferenceServerException, grpc.RpcError):
            return False

    async def _failed(self, target: ModelTarget, error: Exception) -> Exception:
        code, message = _code_and_message(error)
        self._metrics.counter("streamlabel_inference_failures_total", model=target.name, code=code).inc()
        if code in _CERTAINLY_THE_ROWS or code in _PERHAPS_THE_ROWS:
            return RowsRefusedError(f"{code}: {message}", certain=code in _CERTAINLY_THE_ROWS)
        # The server may come back with another model under this name: look again before the next question.
        self._signatures.pop((target.name, target.version), None)
        if code == "NOT_FOUND":
            return self._model_away(target.name, target.version, message)
        if code == "DEADLINE_EXCEEDED" and await self._lives():
            return ModelFailsError(
                f"model {target.name} version {target.version} gave no answer within {self._timeout_s:g} s"
            )
        return self._server_away(code, message)


def _code_and_message(error: Exception) -> tuple[str, str]:
    if isinstance(error, InferenceServerException):
        return str(error.status()).removeprefix("StatusCode."), str(error.message())[:500]
    if isinstance(error, grpc.aio.AioRpcError):
        return error.code().name, str(error.details())[:500]
    return "UNKNOWN", str(error)[:500]


_DATATYPES: Mapping[str, str] = {"STRING": "BYTES"}


def _signature(config: model_config_pb2.ModelConfig) -> ModelSignature:
    return ModelSignature(
        max_batch_rows=config.max_batch_size,
        inputs=tuple(_tensor(tensor, optional=tensor.optional) for tensor in config.input),
        outputs=tuple(_tensor(tensor, optional=False) for tensor in config.output),
    )


def _tensor(tensor: Any, *, optional: bool) -> TensorSignature:
    datatype = model_config_pb2.DataType.Name(tensor.data_type).removeprefix("TYPE_")
    return TensorSignature(
        name=tensor.name, datatype=_DATATYPES.get(datatype, datatype), shape=tuple(tensor.dims), optional=optional
    )
