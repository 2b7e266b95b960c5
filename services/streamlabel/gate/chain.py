"""The chain of transitions (`core/hash_chain.py`): whether one was changed, taken out or put in, anybody can check."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from streamlabel.core.hash_chain import FIRST, chain_digest, first_broken

__all__ = ["FIRST", "ChainedTransition", "broken_at", "linked"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainedTransition:
    """One link of the chain; `facts` is JSON, as it was digested."""

    number: int
    project: str
    model_name: str
    model_version: int
    facts: str
    previous: bytes
    digest: bytes

    def content(self) -> Sequence[int | str]:
        """What the digest covers."""
        return (self.number, self.project, self.model_name, self.model_version, self.facts)


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
        digest=chain_digest(previous, (number, project, model_name, model_version, facts)),
    )


def broken_at(links: Iterable[ChainedTransition]) -> int | None:
    """The number of the first transition that is not what was written; None where the chain is whole (`first_broken`)."""
    return first_broken(links)
