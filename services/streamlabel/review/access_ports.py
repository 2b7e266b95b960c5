"""What access control needs of the world, and what the world may ask of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from streamlabel.core.access import Account, Annotator, AnnotatorState, AuditEntry, TokenFacts
from streamlabel.errors import StreamlabelError
from streamlabel.review.rules.access import Denial


class DeniedError(StreamlabelError):
    """The call is not made; `detail` tells a person the way out, `retry_after_s` is set where waiting is one."""

    def __init__(self, denial: Denial, detail: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(detail)
        self.denial = denial
        self.detail = detail
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """What the audit log is told: who did what, on what. `facts` holds no secret and no payload."""

    actor: str
    action: str
    subject: str
    facts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredToken:
    """A token as it lies in the store, with whose it is."""

    token_id: str
    digest: bytes
    is_revoked: bool
    annotator: Annotator


class ForeignTokenError(StreamlabelError):
    """An issuer's token that is not valid here; the text is the reason, for a person, and nothing of the token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignIdentity:
    """Somebody whom an issuer vouches for, for so many seconds."""

    annotator: Annotator
    lasts_s: float


class Issuer(Protocol):
    """Somebody else who says who people are."""

    def may_know(self, token: str) -> bool:
        """Whether it has the form of this issuer's tokens."""
        ...

    async def identify(self, token: str) -> ForeignIdentity:
        """Whose token it is; raises ForeignTokenError, or TransientError while that cannot be told."""
        ...


class AnnotatorBook(Protocol):
    """The annotators. Each change is one transaction with its deed."""

    async def put(self, annotator: Annotator, deed: Deed) -> None:
        """Add the annotator, or give one that is there exactly these roles; its state stays."""
        ...

    async def set_state(self, name: str, state: AnnotatorState, deed: Deed) -> bool:
        """False where there is no such annotator."""
        ...

    async def remove(self, name: str, deed: Deed) -> bool:
        """With all tokens; what they answered stays. False where there is no such annotator."""
        ...


class Directory(Protocol):
    """Who there is."""

    async def accounts(self, name: str = "") -> Sequence[Account]:
        """All, by name, or the one of that name."""
        ...


class TokenBook(Protocol):
    """The tokens. Each change is one transaction with its deed."""

    async def add(self, token_id: str, annotator: str, name: str, digest: bytes, deed: Deed) -> TokenFacts | None:
        """None where there is no such annotator."""
        ...

    async def revoke(self, annotator: str, token_id: str, deed: Deed) -> int:
        """Revoke this token of the annotator's, or all where `token_id` is empty; how many were not revoked before."""
        ...

    async def find(self, token_id: str, digest: bytes) -> StoredToken | None:
        """The token of that id, revoked or not; where it is in force and has that digest, notes coarsely that it was used."""
        ...


class AuditLog(Protocol):
    """What is remembered for good."""

    async def append(self, deed: Deed) -> None:
        """Write the deed, in a transaction of its own."""
        ...

    async def entries(self, after: int, limit: int) -> Sequence[AuditEntry]:
        """Up to `limit` entries with a number above `after`, in order."""
        ...
