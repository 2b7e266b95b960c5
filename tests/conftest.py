"""Fixtures of the real servers. `kafka`, `triton` and `postgres` start on first use, once per run, and are gone after it."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from streamlabel.local.model_bundle import Backend
from streamlabel.local.servers import SERVER_NAMES, EmbeddedServers
from support.stack import SessionServers, chosen_source, fresh_database

_SERVERS = pytest.StashKey[SessionServers]()


def pytest_configure(config: pytest.Config) -> None:
    # A shell starts background jobs with SIGINT ignored, and children inherit that: Ctrl-C could not be tested.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # A library of Playwright's node that requirements/debian.sh unpacked, where the account is not root's.
    unpacked = Path(sys.prefix) / "lib" / "debian"
    if unpacked.is_dir():
        os.environ["LD_LIBRARY_PATH"] = os.pathsep.join(
            filter(None, (str(unpacked), os.environ.get("LD_LIBRARY_PATH")))
        )
    config.stash[_SERVERS] = SessionServers(chosen_source())


def pytest_unconfigure(config: pytest.Config) -> None:
    config.stash[_SERVERS].close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    terminalreporter.section("servers used")
    for line in config.stash[_SERVERS].report() or ["none"]:
        terminalreporter.line(line)


@pytest.fixture(scope="session")
def kafka(pytestconfig: pytest.Config) -> str:
    """Bootstrap servers of a real Kafka."""
    return pytestconfig.stash[_SERVERS].kafka().address


@pytest.fixture(scope="session")
def triton(pytestconfig: pytest.Config) -> str:
    """host:port of a real Triton's gRPC; models are controlled explicitly."""
    return pytestconfig.stash[_SERVERS].triton().address


@pytest.fixture(scope="session")
def triton_repository(pytestconfig: pytest.Config) -> Path:
    """The model repository of that Triton; give models names of their own, the folder is everyone's."""
    return pytestconfig.stash[_SERVERS].triton().repository


@pytest.fixture(scope="session")
def triton_backend(pytestconfig: pytest.Config) -> Backend:
    """How models must be laid out for that Triton."""
    return pytestconfig.stash[_SERVERS].triton().backend


@pytest.fixture(scope="session")
def postgres(pytestconfig: pytest.Config) -> str:
    """DSN of a real PostgreSQL, as a superuser."""
    return pytestconfig.stash[_SERVERS].postgres().address


@pytest.fixture
def postgres_database(postgres: str) -> Iterator[str]:
    """DSN of an empty database that is this test's own."""
    with fresh_database(postgres) as dsn:
        yield dsn


@pytest.fixture
def topic_prefix() -> str:
    """A prefix for topics, groups and transactional ids that no other test uses."""
    return f"test-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def own_servers(tmp_path: Path) -> Iterator[Callable[..., EmbeddedServers]]:
    """Starts embedded servers that are this test's own, to kill and restart: `own_servers("kafka", "postgres")`."""
    with contextlib.ExitStack() as exits:

        def start(*names: str) -> EmbeddedServers:
            chosen: Sequence[str] = names or SERVER_NAMES
            return exits.enter_context(EmbeddedServers(tmp_path / f"servers-{uuid.uuid4().hex[:6]}", chosen))

        yield start
