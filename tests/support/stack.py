"""The real servers of a test run: embedded, in containers, or at addresses that the environment names.

Each server is started on its first use, once per run. Tests keep apart by topic prefix and by database.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import tempfile
import threading
import urllib.request
import uuid
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from streamlabel.local.model_bundle import Backend
from streamlabel.local.servers import EmbeddedServers

KAFKA_KEY = "STREAMLABEL_TEST_KAFKA"
TRITON_KEY = "STREAMLABEL_TEST_TRITON"
TRITON_REPOSITORY_KEY = "STREAMLABEL_TEST_TRITON_REPOSITORY"
TRITON_BACKEND_KEY = "STREAMLABEL_TEST_TRITON_BACKEND"
POSTGRES_KEY = "STREAMLABEL_TEST_POSTGRES"
_SQL_TIMEOUT_S = 30

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A server that answers: where, and what the report says of it. `repository` and `backend` are Triton's alone."""

    address: str
    words: str
    repository: Path = Path("/nonexistent")
    backend: Backend = Backend.PYTHON


class ServerSource(Protocol):
    """A way to get servers; each method runs one for the length of a `with` block."""

    def kafka(self) -> contextlib.AbstractContextManager[Running]: ...

    def triton(self) -> contextlib.AbstractContextManager[Running]: ...

    def postgres(self) -> contextlib.AbstractContextManager[Running]: ...


class EmbeddedSource:
    """Servers out of packages, started by streamlabel.local."""

    @contextlib.contextmanager
    def kafka(self) -> Iterator[Running]:
        with _embedded("kafka") as servers:
            words = f"Apache Kafka {servers.versions['kafka']}, embedded, at {servers.kafka}"
            yield Running(address=servers.kafka, words=words)

    @contextlib.contextmanager
    def triton(self) -> Iterator[Running]:
        with _embedded("triton") as servers:
            words = f"Triton {servers.versions['triton']}, embedded, at {servers.triton}"
            yield Running(address=servers.triton, repository=servers.triton_repository, words=words)

    @contextlib.contextmanager
    def postgres(self) -> Iterator[Running]:
        with _embedded("postgres") as servers:
            words = f"PostgreSQL {servers.versions['postgres']}, embedded, at {servers.postgres}"
            yield Running(address=servers.postgres, words=words)


@contextlib.contextmanager
def _embedded(name: str) -> Iterator[EmbeddedServers]:
    with (
        tempfile.TemporaryDirectory(prefix=f"streamlabel-test-{name}-") as directory,
        EmbeddedServers(directory, [name]) as servers,
    ):
        yield servers


class GivenSource:
    """Servers whose addresses the environment names; what it does not name comes from `fallback`."""

    def __init__(self, environ: Mapping[str, str], fallback: ServerSource) -> None:
        self._environ, self._fallback = environ, fallback

    @contextlib.contextmanager
    def kafka(self) -> Iterator[Running]:
        if address := self._environ.get(KAFKA_KEY):
            yield Running(address=address, words=f"Kafka at {address}, given by {KAFKA_KEY}")
        else:
            with self._fallback.kafka() as running:
                yield running

    @contextlib.contextmanager
    def triton(self) -> Iterator[Running]:
        if address := self._environ.get(TRITON_KEY):
            repository = self._environ.get(TRITON_REPOSITORY_KEY)
            if not repository:
                raise ValueError(f"{TRITON_KEY} needs {TRITON_REPOSITORY_KEY}: the tests put models there")
            words = f"Triton at {address}, given by {TRITON_KEY}"
            backend = Backend(self._environ.get(TRITON_BACKEND_KEY, Backend.PYTHON.value))
            yield Running(address=address, repository=Path(repository), words=words, backend=backend)
        else:
            with self._fallback.triton() as running:
                yield running

    @contextlib.contextmanager
    def postgres(self) -> Iterator[Running]:
        if dsn := self._environ.get(POSTGRES_KEY):
            version = run_apart(lambda: postgres_version(dsn))
            yield Running(address=dsn, words=f"PostgreSQL {version}, given by {POSTGRES_KEY}")
        else:
            with self._fallback.postgres() as running:
                yield running


def chosen_source(environ: Mapping[str, str] = os.environ) -> ServerSource:
    """`STACK=containers`, or `STACK=embedded` (the default); addresses in the environment win over both."""
    stack = environ.get("STACK") or "embedded"
    if stack == "embedded":
        return GivenSource(environ, EmbeddedSource())
    if stack == "containers":
        from support.containers import ContainerSource

        return GivenSource(environ, ContainerSource())
    raise ValueError(f"STACK={stack} is neither embedded nor containers")


class SessionServers:
    """The servers of one test run; a server that no test asks for is never started."""

    def __init__(self, source: ServerSource) -> None:
        self._source = source
        self._exits = contextlib.ExitStack()
        self._running: dict[str, Running] = {}

    def kafka(self) -> Running:
        return self._get("kafka", self._source.kafka)

    def triton(self) -> Running:
        return self._get("triton", self._source.triton)

    def postgres(self) -> Running:
        return self._get("postgres", self._source.postgres)

    def report(self) -> list[str]:
        """One line per server that was used."""
        return [self._running[name].words for name in ("kafka", "triton", "postgres") if name in self._running]

    def close(self) -> None:
        self._exits.close()

    def _get(self, name: str, start: Callable[[], contextlib.AbstractContextManager[Running]]) -> Running:
        if name not in self._running:
            self._running[name] = self._exits.enter_context(start())
        return self._running[name]


@contextlib.contextmanager
def fresh_database(dsn: str) -> Iterator[str]:
    """The DSN of a new, empty database on the server of `dsn`; dropped afterwards, whoever still holds it."""
    name = f"test_{uuid.uuid4().hex[:16]}"
    run_apart(lambda: _execute(dsn, f'CREATE DATABASE "{name}"'))
    try:
        yield urlunsplit(urlsplit(dsn)._replace(path=f"/{name}"))
    finally:
        run_apart(lambda: _execute(dsn, f'DROP DATABASE "{name}" WITH (FORCE)'))


def run_apart(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Runs a coroutine to its end on a loop of its own in another thread: the loop of the test is left alone."""
    outcome: list[T] = []
    failure: list[BaseException] = []

    def body() -> None:
        try:
            outcome.append(asyncio.run(asyncio.wait_for(work(), _SQL_TIMEOUT_S)))
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that asked
            failure.append(error)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return outcome[0]


async def _execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def postgres_version(dsn: str) -> str:
    """What a PostgreSQL says of itself."""
    connection = await asyncpg.connect(dsn, timeout=5)
    try:
        return str(await connection.fetchval("SHOW server_version"))
    finally:
        await connection.close()


def triton_version(http_address: str) -> str:
    """What a Triton says of itself over HTTP."""
    with urllib.request.urlopen(f"http://{http_address}/v2", timeout=10) as answer:
        return str(json.load(answer)["version"])
