"""Who may work, as what, and what is remembered of who did what."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Self

from streamlabel.core.hash_chain import chain_digest

EVERY_PROJECT = "*"
MAX_NAME_CHARACTERS = 128
MAX_APPOINTMENTS = 200


class Role(Enum):
    """What somebody is here for."""

    ANNOTATOR = "annotator"  # answers tasks
    REVIEWER = "reviewer"  # answers tasks, and sees what others answered
    ADMIN = "admin"  # says who may come, and as what
    SERVICE = "service"  # a program that acts for people under their names


class AnnotatorState(Enum):
    """Life of an annotator: ACTIVE ⇄ PAUSED."""

    ACTIVE = "active"
    PAUSED = "paused"


class AccessMode(Enum):
    """Whether the desk asks who comes."""

    TOKENS = "tokens"
    OPEN = "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Appointment:
    """One role in one project, or in every one."""

    role: Role
    project: str = EVERY_PROJECT

    def __post_init__(self) -> None:
        if not self.project:
            raise ValueError("the project of a role is a name, or * for every project")

    @classmethod
    def parse(cls, text: str) -> Self:
        """From `role` or `role@project`; ValueError says what is wrong."""
        word, at, project = text.partition("@")
        if word not in {role.value for role in Role}:
            roles = ", ".join(role.value for role in Role)
            raise ValueError(f"{word!r} is no role: {roles}, with @PROJECT where it is for one project alone")
        return cls(role=Role(word), project=project if at else EVERY_PROJECT)

    def __str__(self) -> str:
        return self.role.value if self.project == EVERY_PROJECT else f"{self.role.value}@{self.project}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotator:
    """A person or program that may work here. Its name stands in every answer it gives."""

    name: str
    appointments: tuple[Appointment, ...] = ()
    state: AnnotatorState = AnnotatorState.ACTIVE

    def __post_init__(self) -> None:
        if not is_name(self.name):
            raise ValueError(f"a name has 1-{MAX_NAME_CHARACTERS} visible characters")
        if len(self.appointments) > MAX_APPOINTMENTS:
            raise ValueError(f"an annotator has at most {MAX_APPOINTMENTS} roles")

    def has(self, roles: Collection[Role], project: str = "") -> bool:
        """Whether one of `roles` is this annotator's: in that project, or in any where none is named."""
        return any(
            each.role in roles and (not project or each.project in (project, EVERY_PROJECT))
            for each in self.appointments
        )

    def projects(self, roles: Collection[Role]) -> frozenset[str] | None:
        """In which projects one of `roles` is this annotator's; None: in every one."""
        found = frozenset(each.project for each in self.appointments if each.role in roles)
        return None if EVERY_PROJECT in found else found


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenFacts:
    """What may be told of a token: everything but itself. `last_used_at` is coarse."""

    token_id: str
    annotator: str
    name: str
    created_at: datetime
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An annotator with the tokens that were made for it, the oldest first."""

    annotator: Annotator
    tokens: tuple[TokenFacts, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One link of the audit log. `subject` is what was acted on, `facts` is JSON; never a secret, never a payload."""

    number: int
    at_ms: int
    actor: str
    action: str
    subject: str
    facts: str
    previous: bytes = field(repr=False)
    digest: bytes = field(repr=False)

    def content(self) -> Sequence[int | str]:
        """What the digest covers."""
        return (self.number, self.at_ms, self.actor, self.action, self.subject, self.facts)


def audit_entry(
    *, number: int, at_ms: int, actor: str, action: str, subject: str, facts: str, previous: bytes
) -> AuditEntry:
    """The entry that comes after the one with digest `previous`."""
    return AuditEntry(
        number=number,
        at_ms=at_ms,
        actor=actor,
        action=action,
        subject=subject,
        facts=facts,
        previous=previous,
        digest=chain_digest(previous, (number, at_ms, actor, action, subject, facts)),
    )


def is_name(name: str) -> bool:
    """Whether an annotator may be called so."""
    return 1 <= len(name) <= MAX_NAME_CHARACTERS and name.isprintable() and not name.isspace()
