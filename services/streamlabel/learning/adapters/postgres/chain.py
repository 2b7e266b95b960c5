"""The chain of transitions: each row's digest covers its content and the digest before it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from streamlabel.learning.rules.book import Step
from streamlabel.learning.rules.subject import Subject

FIRST = b"\0" * 32


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainedTransition:
    """One row of the chain; `facts` is JSON, as it was digested."""

    number: int
    project: str
    model_name: str
    model_version: int
    facts: str
    previous: bytes
    digest: bytes


def chained(number: int, subject: Subject, step: Step, gate_number: int, previous: bytes) -> ChainedTransition:
    """The row that comes after the one with digest `previous`."""
    facts = asdict(step.transition) | {
        "state": step.transition.state.value,
        "at_ms": step.at_ms,
        "suspect_from_ms": step.suspect_from_ms,
        "alpha": subject.alpha,
        "delta": subject.delta,
        "gate_number": gate_number,
        # JSON has no infinity: a closed gate has no threshold.
        "threshold": step.transition.threshold if step.transition.threshold < float("inf") else None,
    }
    text = json.dumps(facts, sort_keys=True, ensure_ascii=False)
    digest = _digest(number, subject.project, subject.model_name, subject.model_version, text, previous)
    return ChainedTransition(
        number=number,
        project=subject.project,
        model_name=subject.model_name,
        model_version=subject.model_version,
        facts=text,
        previous=previous,
        digest=digest,
    )


def broken_at(rows: Iterable[ChainedTransition]) -> int | None:
    """The number of the first row, in order from the very first, that is not what was written; None where the chain is whole."""
    previous, expected = FIRST, 1
    for row in rows:
        made = _digest(row.number, row.project, row.model_name, row.model_version, row.facts, previous)
        if (row.number, row.previous, row.digest) != (expected, previous, made):
            return expected
        previous, expected = row.digest, expected + 1
    return None


def _digest(number: int, project: str, model_name: str, model_version: int, facts: str, previous: bytes) -> bytes:
    text = json.dumps([number, project, model_name, model_version, facts], ensure_ascii=False)
    return hashlib.sha256(previous + text.encode()).digest()
