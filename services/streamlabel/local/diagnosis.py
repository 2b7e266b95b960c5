"""Reads the end of a log for the causes that an operator can remove."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from streamlabel.local.disk import MIB, free_bytes
from streamlabel.local.port_plan import describe_holder

_FULL = ("No space left on device", "Disk quota exceeded")
_TAKEN = ("Address already in use", "already in use - ", "could not bind", "failed to bind")
_MEMORY = ("OutOfMemoryError", "Cannot allocate memory", "insufficient memory")


_ALARMS = (" ERROR ", " FATAL ", "FATAL:", "PANIC:", "Exception", "Traceback")


def telling(log: str, lines: int = 15) -> str:
    """The part of a log that tells most of an end: from the first alarm on, or else the last lines."""
    every = log.splitlines()
    first = next((index for index, line in enumerate(every) if any(alarm in line for alarm in _ALARMS)), None)
    return "\n".join(every[-lines:] if first is None else every[first : first + lines])


def explain(name: str, code: int, log: str, *, data_root: Path, ports: Mapping[str, int]) -> str:
    """One sentence on why a process ended with `code`, from what it logged at last."""
    if any(sign in log for sign in _FULL):
        return f"{name}: the disk of {data_root} is full ({free_bytes(data_root) // MIB} MiB free); make room there"
    if any(sign.lower() in log.lower() for sign in _TAKEN):
        own = {port_name: port for port_name, port in ports.items() if port_name.split("-")[0] == name}
        taken = [f"{port_name} {port} by {describe_holder(port)}" for port_name, port in own.items()]
        return f"{name}: a port of its own is taken (look at {', '.join(taken)})"
    if any(sign in log for sign in _MEMORY):
        return f"{name}: the machine has too little memory"
    return f"{name} ended by signal {-code}" if code < 0 else f"{name} ended with code {code}"
