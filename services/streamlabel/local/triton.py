"""Triton Inference Server as an embedded server, with a self-test that must pass before it counts as ready."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import secrets
import signal
from pathlib import Path
from typing import Any

from streamlabel.local import triton_environment
from streamlabel.local.child import Child, start_child
from streamlabel.local.places import DataDir
from streamlabel.local.ports import LOOPBACK
from streamlabel.local.progress import Progress
from streamlabel.local.server import ServerError

_PROBE_TIMEOUT_S = 1.0
_SELF_TEST_TIMEOUT_S = 30.0
_SELF_TEST_MODEL = "streamlabel_self_test"
_CLOSED = "shared-memory,trace,logging"

_IDENTITY = """
import triton_python_backend_utils as pb
class TritonPythonModel:
    def execute(self, requests):
        return [pb.InferenceResponse([
            pb.Tensor(out, pb.get_input_tensor_by_name(r, name).as_numpy())
            for name, out in (("NUMBERS", "SAME_NUMBERS"), ("TEXTS", "SAME_TEXTS"))
        ]) for r in requests]
"""
_IDENTITY_CONFIG = {
    "backend": "python",
    "max_batch_size": 16,
    "input": [
        {"name": "NUMBERS", "data_type": "TYPE_FP32", "dims": [3]},
        {"name": "TEXTS", "data_type": "TYPE_STRING", "dims": [1]},
    ],
    "output": [
        {"name": "SAME_NUMBERS", "data_type": "TYPE_FP32", "dims": [3]},
        {"name": "SAME_TEXTS", "data_type": "TYPE_STRING", "dims": [1]},
    ],
    "instance_group": [{"kind": "KIND_CPU", "count": 1}],
}


class TritonServer:
    """A Triton whose model repository is `<data-dir>/models`, in explicit control mode; all models there load at start."""

    name = "triton"
    version = triton_environment.TRITON_VERSION

    def __init__(self, data: DataDir, cache: Path, *, grpc_port: int, http_port: int, metrics_port: int) -> None:
        self.ports = {"triton-grpc": grpc_port, "triton-http": http_port, "triton-metrics": metrics_port}
        self._data, self._cache = data, cache
        self._grpc_port, self._http_port, self._metrics_port = grpc_port, http_port, metrics_port
        self._environment: triton_environment.TritonEnvironment | None = None
        self._passed = False
        digest = hashlib.sha256(str(data.root).encode()).hexdigest()[:12]
        self._memory_prefix = f"streamlabel-{digest}-"

    @property
    def address(self) -> str:
        """Where the gRPC protocol is served, as host:port."""
        return f"{LOOPBACK}:{self._grpc_port}"

    @property
    def repository(self) -> Path:
        return self._data.models

    def prepare(self, progress: Progress) -> None:
        self._environment = triton_environment.ensure(self._cache, progress)
        self.repository.mkdir(parents=True, exist_ok=True)

    def start(self) -> Child:
        if self._environment is None:
            raise ServerError("Triton was not prepared")
        self._passed = False
        # What a killed server left behind; the prefix is this data directory's own.
        for segment in Path("/dev/shm").glob(f"{self._memory_prefix}*"):
            segment.unlink(missing_ok=True)
        return start_child(
            self.name,
            [str(self._environment.server), *self._options(self._environment)],
            env=self._environment.variables(),
            log=self._data.log_of(self.name),
            records=self._data.processes,
            death_signal=signal.SIGKILL,
        )

    def is_ready(self) -> bool:
        if not self._passed and self._answers():
            self._self_test()
            self._passed = True
        return self._passed and self._answers()

    def _options(self, environment: triton_environment.TritonEnvironment) -> list[str]:
        key = secrets.token_hex(16)  # told to nobody: what it guards is closed
        return [
            f"--model-repository={self.repository}",
            "--model-control-mode=explicit",
            "--load-model=*",
            # A model that does not load is the matter of those who ask for it; the server stays.
            "--exit-on-error=false",
            "--strict-readiness=false",
            "--exit-timeout-secs=5",
            f"--backend-directory={environment.backends}",
            f"--cache-directory={environment.caches}",
            f"--backend-config=python,shm-region-prefix-name={self._memory_prefix}",
            "--backend-config=python,shm-default-byte-size=4194304",
            "--allow-gpu-metrics=false",
            f"--grpc-address={LOOPBACK}",
            f"--grpc-port={self._grpc_port}",
            f"--http-address={LOOPBACK}",
            f"--http-port={self._http_port}",
            f"--metrics-address={LOOPBACK}",
            f"--metrics-port={self._metrics_port}",
            f"--grpc-restricted-protocol={_CLOSED}:{key}={key}",
            f"--http-restricted-api={_CLOSED}:{key}={key}",
            "--log-info=true",
        ]

    def _answers(self) -> bool:
        try:
            return self._request("GET", "/v2/health/ready", timeout_s=_PROBE_TIMEOUT_S)[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def _request(self, method: str, path: str, body: Any = None, *, timeout_s: float) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(LOOPBACK, self._http_port, timeout=timeout_s)
        try:
            connection.request(method, path, body=None if body is None else json.dumps(body))
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def _self_test(self) -> None:
        """Sends known values through an identity model; a server that returns others must never be called ready."""
        numbers = [float(3 * row + column) + 0.25 for row in range(8) for column in range(3)]
        texts = [f"row {row} Ω" for row in range(8)]
        model = f"/v2/repository/models/{_SELF_TEST_MODEL}"
        source = base64.b64encode(_IDENTITY.encode()).decode()
        parameters = {"config": json.dumps(_IDENTITY_CONFIG), "file:1/model.py": source}
        try:
            self._expect_ok("POST", f"{model}/load", {"parameters": parameters})
            answer = self._expect_ok("POST", f"/v2/models/{_SELF_TEST_MODEL}/infer", {
                "inputs": [
                    {"name": "NUMBERS", "shape": [8, 3], "datatype": "FP32", "data": numbers},
                    {"name": "TEXTS", "shape": [8, 1], "datatype": "BYTES", "data": texts},
                ]
            })  # fmt: skip
            self._expect_ok("POST", f"{model}/unload", {})
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise ServerError(f"Triton's self-test could not run: {error}") from error
        returned = {output["name"]: output["data"] for output in answer["outputs"]}
        if returned != {"SAME_NUMBERS": numbers, "SAME_TEXTS": texts}:
            raise ServerError(
                "Triton's Python backend returns other values than it was sent (is there numpy 2 in its environment?); "
                f"remove {self._environment.root if self._environment else 'its environment'} and start again"
            )

    def _expect_ok(self, method: str, path: str, body: Any) -> Any:
        status, content = self._request(method, path, body, timeout_s=_SELF_TEST_TIMEOUT_S)
        if status != 200:
            raise ValueError(f"{path} answered {status}: {content[:500].decode('utf-8', 'replace')}")
        return json.loads(content) if content else {}
