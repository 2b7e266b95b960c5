"""Decisions made again, from the prediction and the gate alone: they must come out as they were logged, bit for bit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from streamlabel.core.control import Gate
from streamlabel.core.decision import Decision, DecisionReason
from streamlabel.core.prediction import Prediction
from streamlabel.core.project import CertifiedPolicy, Project
from streamlabel.gate.coin_keys import CoinKeys
from streamlabel.gate.decide import decide
from streamlabel.gate.published import PublishedGate
from streamlabel.gate.weigh import Unweighed, Weighed, weigh

# Without an expiry no gate is void, whatever the time.
_ANY_TIME = datetime(1970, 1, 1, tzinfo=UTC)
EXPIRED = "its gate had expired, as far as can be told: renewals are not kept"
UNBOUND = "its gate does not say how its model was bound: routing takes such a gate for none by now, or it had expired"

_BEFORE_THE_GATE = (DecisionReason.NO_PREDICTION, DecisionReason.CLASS_NOT_IN_TAXONOMY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What a logged decision came to. `again` is None where it could not be made again, for the reason `why_not`.

    Without the coin's key the lane bit is taken from the log, and `lane_checked` is False; the rest is checked even so.
    """

    logged: Decision
    again: Decision | None
    why_not: str = ""
    lane_checked: bool = True


def replay(
    logged: Sequence[Decision],
    predictions: Sequence[Prediction],
    project: Project,
    published: PublishedGate | None,
    keys: CoinKeys,
) -> list[Replayed]:
    """Each decision again, by the rules that routing goes by; all were made under this project and by this gate.

    `project` is the version under which they were made, `published` the gate that they name, None where they name none.
    """
    if published is None or not isinstance(project.policy, CertifiedPolicy):
        return [
            Replayed(logged=each, again=decide(prediction, project))
            for each, prediction in zip(logged, predictions, strict=True)
        ]
    gate = replace(published.gate, expires_at=None)
    known = gate.coin_key_id in keys
    rows = weigh(
        predictions,
        project,
        replace(published, gate=gate),
        keys if known else CoinKeys({gate.coin_key_id: bytes(32)}),
        now=_ANY_TIME,
        says_binding=bool(gate.binding),
    )
    return [
        _again(each, prediction, project, row, known)
        for each, prediction, row in zip(logged, predictions, rows, strict=True)
    ]


def _again(
    logged: Decision, prediction: Prediction, project: Project, row: Weighed | Unweighed, known: bool
) -> Replayed:
    if isinstance(row, Unweighed):
        return Replayed(logged=logged, again=decide(prediction, project, row))
    if logged.reason is DecisionReason.NO_COIN_KEY:
        # Routing had no key then; that the gate counted can be seen even so.
        row_without = Unweighed(DecisionReason.NO_COIN_KEY, row.gate.gate_id)
        return Replayed(logged=logged, again=decide(prediction, project, row_without))
    if not known:
        row = row._replace(coin=_likely_coin(logged, row.gate))
    again = decide(prediction, project, row)
    if logged.reason is DecisionReason.NO_GATE and again.reason is not DecisionReason.NO_GATE:
        expired = Unweighed(DecisionReason.NO_GATE, row.gate.gate_id)
        if decide(prediction, project, expired) == logged:
            return Replayed(logged=logged, again=None, why_not=EXPIRED if row.gate.binding else UNBOUND)
    # Whatever the coin: a record that the rules stop before the gate was never in the lane.
    by_gate = again.reason not in _BEFORE_THE_GATE
    return Replayed(logged=logged, again=again, lane_checked=known or not by_gate)


def _likely_coin(logged: Decision, gate: Gate) -> float:
    """A coin by which the decision comes out as it was logged."""
    if logged.reason is not DecisionReason.CALIBRATION_LANE:
        return 1.0
    return 0.0 if logged.needed_votes > 1 else gate.lane_rate * gate.double_blind_share
