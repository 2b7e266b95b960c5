"""What a demo plays: a stream of records whose truth is known, and people who can answer for it."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from streamlabel.core.record import Record

# What a person says of the record with this id; None where nobody could know it.
Answer = Callable[[str, random.Random], str | None]


class DemoStream(Protocol):
    """The records of one run, each a function of its number; another process that knows the run's name knows them too."""

    @property
    def run(self) -> str:
        """The name of the run, which no other run has."""
        ...

    @property
    def project(self) -> str: ...

    @property
    def id_prefix(self) -> str:
        """How the record ids of this run begin, and no others."""
        ...

    @property
    def turned_from(self) -> int | None:
        """The record from which on all are disturbed on purpose; None of a stream that is left alone."""
        ...

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of the parts of the stream, in order; empty where all records are of one kind."""
        ...

    def record_id(self, number: int) -> str:
        """The id of record `number`, counted from 0."""
        ...

    def record(self, number: int) -> Record:
        """Record `number`, ready for the door."""
        ...

    def number(self, record_id: str) -> int | None:
        """Which record of this run it is; None for a record of another run, or of none."""
        ...

    def part_of(self, record_id: str) -> str | None:
        """The part that a record belongs to, None where there are no parts."""
        ...

    def truth(self, record_id: str) -> str | None:
        """The class that is right, for a record of this run or any other; None for a record that no run made."""
        ...

    def contradiction(self, record_id: str, class_name: str) -> float:
        """How likely one person who knows the record says something else than this class; 1 for a record that no run made."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """How a demo speaks of itself; `truth` says what counts as right, where that is not plain."""

    items: str
    headline: str
    truth: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """A stream, how many of its records are to come (None: without end), and how its people answer."""

    stream: DemoStream
    count: int | None
    answer: Answer
    wording: Wording
