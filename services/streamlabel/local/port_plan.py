"""Which port each part of a stack listens on: pinned by the operator, else remembered from the last start, else free."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping
from pathlib import Path

from streamlabel.errors import ConfigurationError
from streamlabel.local import ports
from streamlabel.local.progress import Progress

# The ports that people and their programs talk to prefer a number that is easy to find again; the others take what is free.
PREFERRED: Mapping[str, int | None] = {
    "kafka": 19092,
    "kafka-controller": None,
    "triton-grpc": None,
    "triton-http": None,
    "triton-metrics": None,
    "postgres": None,
    "ingest-grpc": 18051,
    "ingest-http": 18081,
    "inference-http": None,
    "routing-http": None,
    "review-grpc": 18052,
    "review-http": 18082,
    "learning-http": 18083,
}


def plan(
    remembered: Mapping[str, int], pinned: Mapping[str, int], progress: Progress, claimed: Collection[int] = ()
) -> dict[str, int]:
    """A port for every name in PREFERRED, all different and free now; none but pinned ones from `claimed`.

    Raises ConfigurationError, naming the holder, where a pinned port is taken; a remembered one is replaced and told.
    """
    for name, port in pinned.items():
        if name not in PREFERRED:
            raise ConfigurationError(f"there is no port named {name}; known are {', '.join(PREFERRED)}")
        if not ports.is_free(port):
            raise ConfigurationError(
                f"port {port}, wanted for {name}, is taken by {describe_holder(port)}; "
                f"stop that, or choose another with --port {name}=NUMBER"
            )
    if len(set(pinned.values())) < len(pinned):
        raise ConfigurationError(
            f"two names want one port: {', '.join(f'{name}={port}' for name, port in pinned.items())}"
        )
    chosen = dict(pinned)
    for name, preferred in PREFERRED.items():
        if name not in chosen:
            wanted = remembered.get(name, preferred)
            chosen[name] = ports.choose({*chosen.values(), *claimed}, preferred=wanted)
            if name in remembered and chosen[name] != wanted:
                progress.say(
                    f"port {wanted} of {name} is taken by {_holder_words(wanted, claimed)}; using {chosen[name]}"
                )
    return chosen


def _holder_words(port: int | None, claimed: Collection[int]) -> str:
    return "another stack that starts" if port in claimed and holder(port or 0) is None else describe_holder(port)


def describe_holder(port: int | None) -> str:
    """Who listens on a port, as far as this account may see."""
    pid = holder(port) if port else None
    if pid is None:
        return "another process"
    command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
    return f"process {pid} ({command[:80]})"


def holder(port: int) -> int | None:
    """The process that listens on a TCP port; None where there is none or it belongs to somebody else."""
    inodes = _listening_inodes(port)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and inodes and _holds(entry, inodes):
            return int(entry.name)
    return None


def _listening_inodes(port: int) -> set[str]:
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == "0A" and int(fields[1].rsplit(":", 1)[1], 16) == port:
                inodes.add(fields[9])
    return inodes


def _holds(process: Path, inodes: set[str]) -> bool:
    wanted = {f"socket:[{inode}]" for inode in inodes}
    # A process that is somebody else's, or a descriptor that was closed meanwhile, is no find.
    with contextlib.suppress(OSError):
        for descriptor in (process / "fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                if str(descriptor.readlink()) in wanted:
                    return True
    return False
