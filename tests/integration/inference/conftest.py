"""Models in the real Triton, and inference as a process beside it."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from streamlabel.local.model_bundle import Backend
from support.models import ModelShelf, Running
from support.pipeline import Pipeline, service


@pytest.fixture
def shelf(triton: str, triton_repository: Path, triton_backend: Backend, tmp_path: Path) -> ModelShelf:
    return ModelShelf(triton, triton_repository, tmp_path, triton_backend)


@pytest.fixture
async def pipeline(kafka: str, topic_prefix: str) -> Pipeline:
    return await Pipeline.create(kafka, topic_prefix)


@pytest.fixture
def inference(
    kafka: str, triton: str, topic_prefix: str
) -> Callable[..., contextlib.AbstractAsyncContextManager[Running]]:
    """Runs inference and ends it well; gives the base URL of its HTTP server and the process."""

    @contextlib.asynccontextmanager
    async def run(**settings: str) -> AsyncIterator[Running]:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        environment = {
            "STREAMLABEL_KAFKA_BOOTSTRAP_SERVERS": kafka,
            "STREAMLABEL_KAFKA_TOPIC_PREFIX": topic_prefix,
            "STREAMLABEL_HTTP_HOST": "127.0.0.1",
            "STREAMLABEL_HTTP_PORT": str(port),
            "STREAMLABEL_INFERENCE_TRITON_URL": triton,
            "STREAMLABEL_INFERENCE_MODEL_CHECK_INTERVAL_S": "0.2",
            **settings,
        }
        async with service("inference", environment) as process:
            yield Running(f"http://127.0.0.1:{port}", process)

    return run
