"""What an operator may choose about an embedded stack, and how it is written on a command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from streamlabel.errors import ConfigurationError
from streamlabel.local.units import SERVICES


@dataclass(frozen=True, slots=True, kw_only=True)
class StackOptions:
    """Partitions and prefix are for good: topics are made once."""

    partitions: int = 2
    topic_prefix: str = "streamlabel"
    pinned_ports: Mapping[str, int] = field(default_factory=dict)
    services: tuple[str, ...] = SERVICES

    def arguments(self) -> list[str]:
        """The command line of `python -m streamlabel.local` that says the same."""
        words = ["--partitions", str(self.partitions), "--topic-prefix", self.topic_prefix]
        words += [part for name, number in self.pinned_ports.items() for part in ("--port", f"{name}={number}")]
        return [*words, *(part for service in self.services for part in ("--service", service))]


def parse_ports(words: Sequence[str]) -> dict[str, int]:
    """`["kafka=9092"]` → `{"kafka": 9092}`; raises ConfigurationError for anything else."""
    ports = {}
    for word in words:
        name, _, number = word.partition("=")
        if not number.isdigit() or not 1 <= int(number) <= 65535:
            raise ConfigurationError(f"--port {word}: wanted is NAME=NUMBER with a number from 1 to 65535")
        ports[name] = int(number)
    return ports


def parse_services(words: Sequence[str]) -> tuple[str, ...]:
    """The named services in the order of the flow, all where none is named; raises ConfigurationError for an unknown one."""
    if unknown := sorted(set(words) - set(SERVICES)):
        raise ConfigurationError(f"--service {unknown[0]}: there are {', '.join(SERVICES)}")
    return tuple(name for name in SERVICES if not words or name in words)
