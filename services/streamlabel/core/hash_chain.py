"""A chain of digests: each link's covers its content and the digest before it, so that anybody can check all of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Protocol

FIRST = b"\0" * 32


class Link(Protocol):
    """One link of a chain. The very first one has number 1 and follows FIRST."""

    @property
    def number(self) -> int: ...

    @property
    def previous(self) -> bytes: ...

    @property
    def digest(self) -> bytes: ...

    def content(self) -> Sequence[int | str]:
        """Everything that the digest covers besides the digest before it, in a fixed order."""
        ...


def chain_digest(previous: bytes, content: Sequence[int | str]) -> bytes:
    """The digest of the link with this content that comes after the one with digest `previous`; 32 bytes."""
    text = json.dumps(list(content), ensure_ascii=False)
    return hashlib.sha256(previous + text.encode()).digest()


def first_broken(links: Iterable[Link]) -> int | None:
    """The number of the first link, in order from the very first, that is not what was written; None where the chain is whole.

    What was cut off at the end leaves a whole chain: only who kept a digest notices that it is gone.
    """
    previous, expected = FIRST, 1
    for link in links:
        made = chain_digest(previous, link.content())
        if (link.number, link.previous, link.digest) != (expected, previous, made):
            return expected
        previous, expected = link.digest, expected + 1
    return None
