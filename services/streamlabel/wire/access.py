"""Annotators, the facts of their tokens and the audit log, on the wire."""

from __future__ import annotations

from collections.abc import Iterable

from streamlabel.core.access import (
    AccessMode,
    Account,
    Annotator,
    AnnotatorState,
    Appointment,
    AuditEntry,
    TokenFacts,
)
from streamlabel.v1 import access_service_pb2
from streamlabel.wire.enums import EnumCodec
from streamlabel.wire.timestamps import from_timestamp, to_timestamp

MODES = EnumCodec(AccessMode, access_service_pb2.AccessMode, "ACCESS_MODE")
STATES = EnumCodec(AnnotatorState, access_service_pb2.AnnotatorState, "ANNOTATOR_STATE")


def appointments_of(roles: Iterable[str]) -> tuple[Appointment, ...]:
    """Each once, in the order given; raises ValueError where one is no role."""
    return tuple(dict.fromkeys(Appointment.parse(role) for role in roles))


def annotator_to_message(annotator: Annotator) -> access_service_pb2.Annotator:
    """The annotator on the wire."""
    return access_service_pb2.Annotator(
        name=annotator.name, roles=map(str, annotator.appointments), state=STATES.number(annotator.state)
    )


def annotator_from_message(message: access_service_pb2.Annotator) -> Annotator:
    """The annotator; raises ValueError where a part is illegal."""
    return Annotator(name=message.name, appointments=appointments_of(message.roles), state=STATES.member(message.state))


def token_to_message(facts: TokenFacts) -> access_service_pb2.TokenFacts:
    """What may be told of a token, on the wire."""
    return access_service_pb2.TokenFacts(
        token_id=facts.token_id,
        token_name=facts.name,
        created_at=to_timestamp(facts.created_at),
        last_used_at=to_timestamp(facts.last_used_at) if facts.last_used_at else None,
        revoked_at=to_timestamp(facts.revoked_at) if facts.revoked_at else None,
    )


def token_from_message(message: access_service_pb2.TokenFacts, annotator: str) -> TokenFacts:
    """What may be told of a token of that annotator's."""
    return TokenFacts(
        token_id=message.token_id,
        annotator=annotator,
        name=message.token_name,
        created_at=from_timestamp(message.created_at),
        last_used_at=from_timestamp(message.last_used_at) if message.HasField("last_used_at") else None,
        revoked_at=from_timestamp(message.revoked_at) if message.HasField("revoked_at") else None,
    )


def account_to_message(account: Account) -> access_service_pb2.Account:
    """The account on the wire."""
    return access_service_pb2.Account(
        annotator=annotator_to_message(account.annotator), tokens=map(token_to_message, account.tokens)
    )


def account_from_message(message: access_service_pb2.Account) -> Account:
    """The account; raises ValueError where a part is illegal."""
    annotator = annotator_from_message(message.annotator)
    return Account(
        annotator=annotator, tokens=tuple(token_from_message(token, annotator.name) for token in message.tokens)
    )


def entry_to_message(entry: AuditEntry) -> access_service_pb2.AuditEntry:
    """The entry on the wire."""
    return access_service_pb2.AuditEntry(
        number=entry.number,
        at_ms=entry.at_ms,
        actor=entry.actor,
        action=entry.action,
        subject=entry.subject,
        facts=entry.facts,
        previous=entry.previous,
        digest=entry.digest,
    )


def entry_from_message(message: access_service_pb2.AuditEntry) -> AuditEntry:
    """The entry as it came: whether it is what was written, the chain tells."""
    return AuditEntry(
        number=message.number,
        at_ms=message.at_ms,
        actor=message.actor,
        action=message.action,
        subject=message.subject,
        facts=message.facts,
        previous=message.previous,
        digest=message.digest,
    )
