"""Kafka, Triton and PostgreSQL for tests and tools: started together, gone together."""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from streamlabel.local.child import Child, reap_leftovers, tail
from streamlabel.local.kafka import KafkaServer
from streamlabel.local.places import DataDir, cache_dir
from streamlabel.local.port_claims import claiming
from streamlabel.local.ports import choose
from streamlabel.local.postgres import PostgresServer
from streamlabel.local.progress import LineProgress, Progress
from streamlabel.local.server import Server, ServerError
from streamlabel.local.threads import for_each
from streamlabel.local.triton import TritonServer

SERVER_NAMES = ("kafka", "triton", "postgres")
START_TIMEOUT_S = 90.0
STOP_GRACE_S = {"kafka": 15.0, "triton": 12.0, "postgres": 10.0}
# PostgreSQL calls SIGINT "fast shutdown": clients are disconnected instead of waited for.
STOP_SIGNAL = {"kafka": signal.SIGTERM, "triton": signal.SIGINT, "postgres": signal.SIGINT}
_POLL_S = 0.05


class EmbeddedServers:
    """A context manager: inside of it the named servers run in `data_dir`, on free ports of the loopback address.

    Use it from the main thread. Start and stop are synchronous; `restart` and `kill` are for tests of failure.
    """

    def __init__(
        self, data_dir: Path | str, names: Sequence[str] = SERVER_NAMES, *, progress: Progress | None = None
    ) -> None:
        self.data = DataDir.at(data_dir)
        self._progress: Progress = progress or LineProgress()
        self._servers: dict[str, Server] = {}
        self._children: dict[str, Child] = {}
        cache = cache_dir()
        with claiming(cache) as claims:
            taken = claims.of_others

            def port() -> int:
                taken.add(chosen := choose(taken))
                claims.claim([chosen])
                return chosen

            if "kafka" in names:
                self._kafka = KafkaServer(self.data, cache, port=port(), controller_port=port())
                self._servers["kafka"] = self._kafka
            if "triton" in names:
                self._triton = TritonServer(self.data, cache, grpc_port=port(), http_port=port(), metrics_port=port())
                self._servers["triton"] = self._triton
            if "postgres" in names:
                self._postgres = PostgresServer(self.data, port=port())
                self._servers["postgres"] = self._postgres

    @property
    def kafka(self) -> str:
        """Bootstrap servers."""
        return self._kafka.bootstrap_servers

    @property
    def triton(self) -> str:
        """host:port of gRPC."""
        return self._triton.address

    @property
    def triton_repository(self) -> Path:
        return self._triton.repository

    @property
    def postgres(self) -> str:
        """DSN of the database `streamlabel`."""
        return self._postgres.dsn

    @property
    def versions(self) -> dict[str, str]:
        return {name: server.version for name, server in self._servers.items()}

    def start(self) -> None:
        """Prepares and starts all servers at once; returns when each has answered."""
        self.data.create()
        reap_leftovers(self.data.processes)
        at_once = len(self._servers)
        for_each(lambda server: server.prepare(self._progress), self._servers.values(), at_once=at_once)
        try:
            for name in self._servers:
                self._children[name] = self._servers[name].start()
            for_each(self._await_ready, self._servers, at_once=at_once)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stops all servers; none is left, whatever happens."""
        names = [name for name in ("triton", "kafka", "postgres") if name in self._children]
        children = [(name, self._children.pop(name)) for name in names]
        for name, child in children:
            child.send(STOP_SIGNAL[name])
        for name, child in children:
            child.end(grace_s=STOP_GRACE_S[name])

    def kill(self, name: str) -> None:
        """`kill -9` of one server; it stays down until `restart`."""
        child = self._children.pop(name)
        child.send(signal.SIGKILL)
        child.clear_away()

    def restart(self, name: str) -> None:
        """Stops one server (if it runs), starts it again on the same ports and waits until it answers."""
        if child := self._children.pop(name, None):
            child.stop(grace_s=STOP_GRACE_S[name], number=STOP_SIGNAL[name])
        self._children[name] = self._servers[name].start()
        self._await_ready(name)

    def pid(self, name: str) -> int:
        """The process id of a running server."""
        return self._children[name].pid

    def __enter__(self) -> EmbeddedServers:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _await_ready(self, name: str) -> None:
        server, child = self._servers[name], self._children[name]
        deadline = time.monotonic() + START_TIMEOUT_S
        while not server.is_ready():
            code = child.exit_code()
            if code is not None:
                raise ServerError(f"{name} ended with code {code} at its start; the end of its log:\n{tail(child.log)}")
            if time.monotonic() > deadline:
                raise ServerError(f"{name} does not answer after {START_TIMEOUT_S:.0f} s; its log:\n{tail(child.log)}")
            time.sleep(_POLL_S)
