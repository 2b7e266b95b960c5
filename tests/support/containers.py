"""The servers of a test run out of containers: the images of docker/compose.yaml, under testcontainers.

`STREAMLABEL_TEST_KAFKA_IMAGE`, `…_TRITON_IMAGE` and `…_POSTGRES_IMAGE` name others. An engine and the images must be there.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from testcontainers.core.container import DockerContainer

from streamlabel.local import ports
from streamlabel.local.kafka_probe import live_brokers
from streamlabel.local.model_bundle import Backend
from support.stack import Running, postgres_version, run_apart, triton_version

COMPOSE = yaml.safe_load((Path(__file__).parents[2] / "docker" / "compose.yaml").read_text())
_START_TIMEOUT_S = 180.0
_PASSWORD = "streamlabel"


class ContainerSource:
    """One container a server, on free ports of the loopback address."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._environ = environ

    @contextlib.contextmanager
    def kafka(self) -> Iterator[Running]:
        port = ports.choose()
        image = self._image("kafka")
        container = DockerContainer(image)
        for key, value in _kafka_environment(port).items():
            container.with_env(key, value)
        with _running(container.with_bind_ports(f"{port}/tcp", port), lambda: live_brokers(port) > 0, "Kafka"):
            yield Running(address=f"127.0.0.1:{port}", words=f"Kafka of the image {image}, at 127.0.0.1:{port}")

    @contextlib.contextmanager
    def triton(self) -> Iterator[Running]:
        grpc, http = ports.choose(), ports.choose()
        image = self._image("triton")
        with tempfile.TemporaryDirectory(prefix="streamlabel-test-models-") as directory:
            # The server in the container is another account; it only reads.
            Path(directory).chmod(0o755)
            container = (
                DockerContainer(image, shm_size="256m")
                .with_command(" ".join(COMPOSE["services"]["triton"]["command"]))
                .with_volume_mapping(directory, "/models", "ro")
                .with_bind_ports("8001/tcp", grpc)
                .with_bind_ports("8000/tcp", http)
            )
            with _running(container, lambda: _answers(lambda: triton_version(f"127.0.0.1:{http}")), "Triton"):
                version = triton_version(f"127.0.0.1:{http}")
                words = f"Triton {version} of the image {image}, at 127.0.0.1:{grpc}"
                backend = Backend(self._environ.get("STREAMLABEL_TEST_TRITON_BACKEND", Backend.ONNXRUNTIME.value))
                yield Running(address=f"127.0.0.1:{grpc}", repository=Path(directory), words=words, backend=backend)

    @contextlib.contextmanager
    def postgres(self) -> Iterator[Running]:
        port = ports.choose()
        image = self._image("postgres")
        container = DockerContainer(image).with_bind_ports("5432/tcp", port)
        for key in ("POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_DB"):
            container.with_env(key, _PASSWORD)
        dsn = f"postgresql://{_PASSWORD}:{_PASSWORD}@127.0.0.1:{port}/{_PASSWORD}"
        with _running(container, lambda: _answers(lambda: run_apart(lambda: postgres_version(dsn))), "PostgreSQL"):
            version = run_apart(lambda: postgres_version(dsn))
            yield Running(address=dsn, words=f"PostgreSQL {version} of the image {image}, at 127.0.0.1:{port}")

    def _image(self, service: str) -> str:
        chosen = self._environ.get(f"STREAMLABEL_TEST_{service.upper()}_IMAGE")
        return chosen or str(COMPOSE["services"][service]["image"])


def _kafka_environment(port: int) -> dict[str, str]:
    """That of compose, with one listener, which has the same number inside and outside."""
    given: dict[str, Any] = COMPOSE["services"]["kafka"]["environment"]
    return {
        **{key: str(value) for key, value in given.items()},
        "KAFKA_LISTENERS": f"OUTSIDE://:{port},CONTROLLER://:9093",
        "KAFKA_ADVERTISED_LISTENERS": f"OUTSIDE://127.0.0.1:{port}",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "OUTSIDE:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "KAFKA_INTER_BROKER_LISTENER_NAME": "OUTSIDE",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@127.0.0.1:9093",
    }


@contextlib.contextmanager
def _running(container: DockerContainer, is_ready: Callable[[], bool], name: str) -> Iterator[None]:
    with container:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not is_ready():
            ended = not _lives(container)
            if ended or time.monotonic() > deadline:
                out, err = container.get_logs()
                words = f"{name} {'ended' if ended else 'does not answer'}"
                raise TimeoutError(f"{words}:\n{(out + err)[-4000:].decode('utf-8', 'replace')}")
            time.sleep(0.2)
        yield


def _lives(container: DockerContainer) -> bool:
    wrapped = container.get_wrapped_container()
    wrapped.reload()
    return bool(wrapped.status in ("created", "running"))


def _answers(question: Callable[[], object]) -> bool:
    """Whether the question was answered at all; while a server starts it refuses, hangs up or is too early."""
    try:
        question()
    except Exception:  # noqa: BLE001 - whatever it is, the deadline of the caller ends it and shows the log
        return False
    return True
