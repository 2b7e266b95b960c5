"""`<data-dir>/stack.json`: what a supervisor tells everyone else. Written by the supervisor alone, whole and at once; holds no secret.

It outlives the supervisor, so that the next one takes the same ports; `is_running` says whether somebody stands behind it.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum

from streamlabel.errors import ConfigurationError
from streamlabel.local.child import ProcessIdentity, write_atomically
from streamlabel.local.places import DataDir
from streamlabel.local.ports import LOOPBACK

_FORMAT = 1


class StackPhase(StrEnum):
    """Life of a stack: STARTING → READY → STOPPING → STOPPED."""

    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"
    STOPPED = "stopped"


class ProcessPhase(StrEnum):
    """Life of one process: WAITING (for its peers) → STARTING → READY, and round again by way of RESTARTING.

    MISCONFIGURED is not left by itself: starting again without a change would be in vain.
    """

    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    RESTARTING = "restarting"
    MISCONFIGURED = "misconfigured"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessState:
    """One supervised process; `reason` says why it is not ready, or what a person should look at even so."""

    phase: ProcessPhase = ProcessPhase.WAITING
    pid: int | None = None
    started_at: float | None = None
    restarts: int = 0
    address: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StackState:
    """A stack as its supervisor last told it. Times are seconds since the epoch."""

    phase: StackPhase
    supervisor: ProcessIdentity
    started_at: float
    ports: Mapping[str, int]
    environment: Mapping[str, str]
    processes: Mapping[str, ProcessState] = field(default_factory=dict)

    def with_process(self, name: str, state: ProcessState) -> StackState:
        """The same stack with another state of one process."""
        return replace(self, processes={**self.processes, name: state})


def write(data: DataDir, state: StackState) -> None:
    """Replaces the file."""
    write_atomically(data.stack_file, json.dumps({"format": _FORMAT, **asdict(state)}, indent=1) + "\n")


def read(data: DataDir) -> StackState | None:
    """The last told state; None where there never was a stack. Raises ConfigurationError for a file of another kind."""
    try:
        content = json.loads(data.stack_file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ConfigurationError(
            f"{data.stack_file} is no JSON ({error}); remove it and start the stack again"
        ) from error
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise ConfigurationError(
            f"{data.stack_file} was written by another version; remove it and start the stack again"
        )
    processes = {
        name: ProcessState(**{**process, "phase": ProcessPhase(process["phase"])})
        for name, process in content["processes"].items()
    }
    return StackState(
        phase=StackPhase(content["phase"]),
        supervisor=ProcessIdentity(**content["supervisor"]),
        started_at=content["started_at"],
        ports=content["ports"],
        environment=content["environment"],
        processes=processes,
    )


def is_running(data: DataDir) -> bool:
    """Whether a supervisor holds the data directory now."""
    try:
        with data.lock_file.open("r") as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def stopped(state: StackState) -> StackState:
    """`state` after a supervisor that could not tell its own end."""
    processes = {
        name: replace(process, phase=ProcessPhase.STOPPED, pid=None, started_at=None, reason="")
        for name, process in state.processes.items()
    }
    return replace(state, phase=StackPhase.STOPPED, processes=processes)


def is_all_ready(state: StackState) -> bool:
    """Whether every process is ready now; a stack that came up once may have one that is not."""
    processes = state.processes.values()
    return state.phase is StackPhase.READY and all(process.phase is ProcessPhase.READY for process in processes)


def client_environment(data: DataDir) -> dict[str, str]:
    """The `STREAMLABEL_…` keys by which a client finds this stack; empty where there is none.

    Also of a stack that stands still: then the client fails to connect, which says more than a wrong default address.
    """
    state = read(data)
    return dict(state.environment) if state else {}


def environment_for(ports: Mapping[str, int], *, partitions: int, topic_prefix: str) -> dict[str, str]:
    """What `client_environment` answers for a stack on these ports."""
    return {
        "STREAMLABEL_KAFKA_BOOTSTRAP_SERVERS": f"{LOOPBACK}:{ports['kafka']}",
        "STREAMLABEL_KAFKA_TOPIC_PREFIX": topic_prefix,
        "STREAMLABEL_TOPICS_PARTITIONS": str(partitions),
        "STREAMLABEL_TOPICS_REPLICATION_FACTOR": "1",
        "STREAMLABEL_TOPICS_MIN_INSYNC_REPLICAS": "1",
        "STREAMLABEL_CLI_INGEST_ADDRESS": f"{LOOPBACK}:{ports['ingest-grpc']}",
        "STREAMLABEL_CLI_REVIEW_ADDRESS": f"{LOOPBACK}:{ports['review-grpc']}",
        "STREAMLABEL_CLI_REVIEW_URL": f"http://{LOOPBACK}:{ports['review-http']}/",
        "STREAMLABEL_CLI_LEARNING_URL": f"http://{LOOPBACK}:{ports['learning-http']}/",
        "STREAMLABEL_CLI_TRITON_ADDRESS": f"{LOOPBACK}:{ports['triton-grpc']}",
    }
