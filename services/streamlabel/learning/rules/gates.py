"""The gate as others see it, made of a book's standing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from streamlabel.core.binding import binding_digest
from streamlabel.core.control import Confirmed, Gate, GateState, Suspects
from streamlabel.gate.published import PublishedGate
from streamlabel.learning.rules.standing import Standing
from streamlabel.learning.rules.subject import Subject
from streamlabel.learning.rules.suspicions import Vouched, all_suspicions

_MOST_SUSPECTS = 100
_MOST_EARLIER = 100


def moment(at_ms: int) -> datetime:
    """Milliseconds since the epoch as a moment."""
    return datetime.fromtimestamp(at_ms / 1000, UTC)


def published_gate(
    subject: Subject,
    standing: Standing,
    *,
    gate_id: str,
    coin_key_id: str,
    vouched: Vouched,
    earlier: Sequence[Vouched],
    expires_at: datetime,
    lifetime_s: float = 0.0,
) -> PublishedGate:
    """What goes on the topic. Without a renewal it is void from `expires_at` on.

    `vouched` is what the book stands for now, `earlier` what those before it stood for that were about the same model version.
    """
    closed = standing.state in (GateState.SUSPENDED, GateState.REVOKED)
    lasting = next((each for each in standing.suspicions if each.until_ms is None), None)
    gate = Gate(
        gate_id=gate_id,
        project=subject.project,
        model_name=subject.model_name,
        model_version=subject.model_version,
        state=standing.state,
        threshold=standing.threshold,
        guard_threshold=standing.guard_threshold,
        alpha=subject.alpha,
        delta=subject.delta,
        double_blind_share=subject.double_blind_share,
        lane_rate=standing.lane_rate,
        evidence_count=standing.count,
        evidence_errors=standing.errors,
        certified_at=None if standing.certified_at_ms is None else moment(standing.certified_at_ms),
        expires_at=expires_at,
        taxonomy_version=subject.taxonomy_version,
        class_count=len(subject.class_names),
        embedding_length=standing.embedding_length,
        binding=binding_digest(subject.binding),
        lifetime_s=lifetime_s,
        coin_key_id=coin_key_id,
        epoch=standing.epoch,
        reason=standing.reason,
        suspect_from=moment(lasting.from_ms) if closed and lasting is not None else None,
        confirmed_until=_moment_or_none(vouched.confirmed_until_ms),
        suspects=tuple(
            Suspects(moment(each.from_ms), None if each.until_ms is None else moment(each.until_ms))
            for each in all_suspicions([*earlier, vouched], _MOST_SUSPECTS)
        ),
        first_gate=vouched.first_gate,
        # Of what is left out, nothing is confirmed.
        earlier=tuple(
            Confirmed(each.first_gate, _moment_or_none(each.confirmed_until_ms)) for each in earlier[-_MOST_EARLIER:]
        ),
    )
    return PublishedGate(gate=gate, scorer=standing.scorer)


def expiry(at_ms: int, lifetime_s: float) -> datetime:
    """When a gate that is published now is void."""
    return moment(at_ms) + timedelta(seconds=lifetime_s)


def gate_id(project: str, number: int) -> str:
    """The name of a gate: each number of a project is given once, to one content."""
    return f"{project}/{number}"


def _moment_or_none(at_ms: int) -> datetime | None:
    return moment(at_ms) if at_ms else None
