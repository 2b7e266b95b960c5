"""The processes of a stack as its supervisor sees them: eight of one kind."""

from __future__ import annotations

import http.client
import json
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from streamlabel.local.child import Child, start_child
from streamlabel.local.coin_key import coin_key_file
from streamlabel.local.kafka import KafkaServer
from streamlabel.local.places import CACHE_DIR_KEY, DATA_DIR_KEY, DataDir
from streamlabel.local.ports import LOOPBACK
from streamlabel.local.postgres import PostgresServer
from streamlabel.local.progress import Progress
from streamlabel.local.server import Server
from streamlabel.local.servers import STOP_GRACE_S, STOP_SIGNAL
from streamlabel.local.triton import TritonServer
from streamlabel.runtime.probe import TLS_KEY, probe_connection

SERVICES = ("ingest", "inference", "routing", "review", "learning")
# Without these a service cannot do anything; one that starts all the same waits for them by itself.
_PEERS = {
    "ingest": ("kafka",),
    "inference": ("kafka", "triton"),
    "routing": ("kafka",),
    "review": ("kafka", "postgres"),
    "learning": ("kafka", "postgres"),
}
_COIN_KEYS = {"STREAMLABEL_COIN_KEYS", "STREAMLABEL_COIN_KEYS_FILE"}
_SERVES_GRPC = ("ingest", "review")
_SERVICE_GRACE_S = 30.0
_PROBE_TIMEOUT_S = 1.0
# Keys of the command line and the test suite: no service knows them.
_FOREIGN = (
    "STREAMLABEL_CLI_",
    "STREAMLABEL_TOPICS_",
    "STREAMLABEL_TEST_",
    "STREAMLABEL_TLS_",
    "STREAMLABEL_TOKEN",
    CACHE_DIR_KEY,
    DATA_DIR_KEY,
)


@dataclass(frozen=True, slots=True)
class Condition:
    """Whether a process serves, and what there is to say of it: why not, or what a person should look at even so."""

    ready: bool
    remark: str = ""


class Unit(Protocol):
    """Something that the supervisor starts, watches, starts again and stops."""

    name: str
    peers: tuple[str, ...]
    address: str
    stop_signal: int
    grace_s: float

    def prepare(self, progress: Progress) -> None:
        """Whatever is to be done once before the first start; may take minutes. From any thread."""

    def start(self) -> Child:
        """Starts the process; from the main thread only."""

    def condition(self) -> Condition:
        """How it is now. Takes up to two seconds. From any thread."""


class ServerUnit:
    """One of the three embedded servers."""

    peers: tuple[str, ...] = ()

    def __init__(self, server: Server, address: str) -> None:
        self.name = server.name
        self.address = address
        self.stop_signal: int = STOP_SIGNAL[server.name]
        self.grace_s = STOP_GRACE_S[server.name]
        self._server = server

    def prepare(self, progress: Progress) -> None:
        self._server.prepare(progress)

    def start(self) -> Child:
        return self._server.start()

    def condition(self) -> Condition:
        return (
            Condition(ready=True) if self._server.is_ready() else Condition(ready=False, remark="does not answer yet")
        )


class ServiceUnit:
    """One of Streamlabel's services, run as `python -m streamlabel.<name>`."""

    stop_signal: int = signal.SIGTERM
    grace_s = _SERVICE_GRACE_S

    def __init__(self, name: str, data: DataDir, ports: Mapping[str, int], environment: Mapping[str, str]) -> None:
        self.name = name
        self.peers = _PEERS[name]
        self._data = data
        self._http_port = ports[f"{name}-http"]
        scheme = "https" if environment.get(TLS_KEY) else "http"
        self.address = f"{scheme}://{LOOPBACK}:{self._http_port}/"
        self._environment = {
            # Nobody but this machine reaches these ports: whoever wants to be asked for a token sets it.
            "STREAMLABEL_REVIEW_ACCESS": "open",
            **environment,
            "STREAMLABEL_HTTP_HOST": LOOPBACK,
            "STREAMLABEL_HTTP_PORT": str(self._http_port),
        }
        if name in _SERVES_GRPC:
            self._environment["STREAMLABEL_GRPC_HOST"] = LOOPBACK
            self._environment["STREAMLABEL_GRPC_PORT"] = str(ports[f"{name}-grpc"])

    def prepare(self, progress: Progress) -> None:
        """Nothing: it is installed with this package."""

    def start(self) -> Child:
        return start_child(
            self.name,
            [sys.executable, "-m", f"streamlabel.{self.name}"],
            env=self._environment,
            log=self._data.log_of(self.name),
            records=self._data.processes,
        )

    def condition(self) -> Condition:
        connection = probe_connection(LOOPBACK, self._http_port, self._environment, timeout_s=_PROBE_TIMEOUT_S)
        try:
            connection.request("GET", "/readyz")
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            return Condition(ready=False, remark=f"does not answer on {LOOPBACK}:{self._http_port} ({error})")
        finally:
            connection.close()
        if response.status == 200:
            return Condition(ready=True, remark=_told(body, "warnings"))
        return Condition(ready=False, remark=_told(body, "reasons") or "not ready")


def _told(body: bytes, kind: str) -> str:
    """What an answer of /readyz says under `kind`, in a sentence, each reason once; one that is no such answer is shown as it is."""
    try:
        told: Mapping[str, str] = dict(json.loads(body)[kind])
    except (ValueError, KeyError, TypeError):
        return body[:200].decode("utf-8", "replace")
    checks: dict[str, list[str]] = {}
    for check, text in told.items():
        checks.setdefault(text, []).append(check)
    return "; ".join(f"{', '.join(names)}: {text}" for text, names in checks.items())


def make_units(
    data: DataDir, cache: Path, ports: Mapping[str, int], environment: Mapping[str, str], services: tuple[str, ...]
) -> list[Unit]:
    """The three servers and `services`, wired to each other; `environment` is what the services see besides."""
    kafka = KafkaServer(data, cache, port=ports["kafka"], controller_port=ports["kafka-controller"])
    triton = TritonServer(
        data,
        cache,
        grpc_port=ports["triton-grpc"],
        http_port=ports["triton-http"],
        metrics_port=ports["triton-metrics"],
    )
    postgres = PostgresServer(data, port=ports["postgres"])
    units: list[Unit] = [
        ServerUnit(kafka, kafka.bootstrap_servers),
        ServerUnit(triton, triton.address),
        ServerUnit(postgres, f"{LOOPBACK}:{ports['postgres']}"),
    ]
    shared = {
        **_inherited(os.environ),
        **environment,
        "STREAMLABEL_INFERENCE_TRITON_URL": triton.address,
        "STREAMLABEL_REVIEW_POSTGRES_DSN": postgres.dsn,
        "STREAMLABEL_LEARNING_POSTGRES_DSN": postgres.dsn,
    }
    if not shared.keys() & _COIN_KEYS:
        shared["STREAMLABEL_COIN_KEYS_FILE"] = str(coin_key_file(data))
    return [*units, *(ServiceUnit(name, data, ports, shared) for name in services)]


def _inherited(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of this process without what no service would understand."""
    kept = {key: value for key, value in environ.items() if not key.startswith(_FOREIGN)}
    return {"STREAMLABEL_LOG_FORMAT": "text", **kept, "PYTHONUNBUFFERED": "1"}
