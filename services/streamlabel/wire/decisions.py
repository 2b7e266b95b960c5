"""Decision on the wire: a part of labels and review tasks."""

from __future__ import annotations

from streamlabel.core.decision import Decision, DecisionReason, Purpose, Route
from streamlabel.v1 import decision_pb2
from streamlabel.wire.enums import EnumCodec

ROUTES = EnumCodec(Route, decision_pb2.Route, "ROUTE")
PURPOSES = EnumCodec(Purpose, decision_pb2.Purpose, "PURPOSE")
REASONS = EnumCodec(DecisionReason, decision_pb2.DecisionReason, "DECISION_REASON")


def to_message(decision: Decision) -> decision_pb2.Decision:
    """The decision on the wire."""
    return decision_pb2.Decision(
        route=ROUTES.number(decision.route),
        purpose=PURPOSES.number(decision.purpose) if decision.purpose else decision_pb2.PURPOSE_UNSPECIFIED,
        reason=REASONS.number(decision.reason),
        threshold=decision.threshold,
        score=decision.score,
        gate_id=decision.gate_id,
        # One is what almost every decision needs: it costs no byte.
        needed_votes=decision.needed_votes if decision.needed_votes > 1 else 0,
    )


def from_message(message: decision_pb2.Decision) -> Decision:
    """The decision; raises ValueError where a part is missing or illegal."""
    return Decision(
        route=ROUTES.member(message.route),
        purpose=PURPOSES.member(message.purpose) if message.purpose else None,
        reason=REASONS.member(message.reason),
        threshold=message.threshold,
        score=message.score,
        gate_id=message.gate_id,
        needed_votes=max(1, message.needed_votes),
    )
