"""The chain of transitions: each link's digest covers its content and the digest before it, so that anybody can check all of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass

FIRST = b"\0" * 32


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainedTransition:
    """One link of the chain; `facts` is JSON, as it was digested. The very first one has number 1 and follows FIRST."""

    number: int
    project: str
    model_name: str
    model_version: int
    facts: str
    previous: bytes
    digest: bytes


def linked(
    *, number: int, project: str, model_name: str, model_version: int, facts: str, previous: bytes
) -> ChainedTransition:
    """The link that comes after the one with digest `previous`."""
    return ChainedTransition(
        number=number,
        project=project,
        model_name=model_name,
        model_version=model_version,
        facts=facts,
        previous=previous,
        digest=_digest(number, project, model_name, model_version, facts, previous),
    )


def broken_at(links: Iterable[ChainedTransition]) -> int | None:
    """The number of the first link, in order from the very first, that is not what was written; None where the chain is whole.

    What was cut off at the end leaves a whole chain: only who kept a digest notices that it is gone.
    """
    previous, expected = FIRST, 1
    for link in links:
        made = _digest(link.number, link.project, link.model_name, link.model_version, link.facts, previous)
        if (link.number, link.previous, link.digest) != (expected, previous, made):
            return expected
        previous, expected = link.digest, expected + 1
    return None


def _digest(number: int, project: str, model_name: str, model_version: int, facts: str, previous: bytes) -> bytes:
    text = json.dumps([number, project, model_name, model_version, facts], ensure_ascii=False)
    return hashlib.sha256(previous + text.encode()).digest()
