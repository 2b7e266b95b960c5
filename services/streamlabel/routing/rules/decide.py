"""May the model's label stand alone, or do people look? One pure function, replayable bit for bit."""

from __future__ import annotations

from streamlabel.core.control import Gate
from streamlabel.core.decision import Decision, DecisionReason, Purpose, Route
from streamlabel.core.prediction import Prediction
from streamlabel.core.project import CertifiedPolicy, Policy, ReviewAllPolicy, ThresholdPolicy
from streamlabel.core.taxonomy import Taxonomy


def decide(prediction: Prediction, taxonomy: Taxonomy, policy: Policy, gate: Gate | None) -> Decision:
    """The route of one record; `gate` is the project's latest gate.

    - `review_all`: people look at everything.
    - `threshold`: alone from the threshold on. UNCERTIFIED: nothing is promised about the error of what passes.
    - `certified`: alone only under a gate; where there is none, people look.
    - no prediction, or one that names an unknown class: people look, whatever the policy.
    """
    match policy:
        case ReviewAllPolicy():
            return _review(prediction, Purpose.RULE, DecisionReason.REVIEW_ALL)
        case _ if prediction.top is None:
            return _review(prediction, Purpose.TRAIN, DecisionReason.NO_PREDICTION)
        case _ if prediction.top.class_name not in taxonomy:
            return _review(prediction, Purpose.TRAIN, DecisionReason.CLASS_NOT_IN_TAXONOMY)
        case ThresholdPolicy(threshold=threshold):
            return _by_threshold(prediction, threshold)
        case CertifiedPolicy():
            return _by_gate(prediction, gate)


def _by_threshold(prediction: Prediction, threshold: float) -> Decision:
    if prediction.score >= threshold:
        return Decision(
            route=Route.AUTO_LABEL,
            reason=DecisionReason.SCORE_REACHED_THRESHOLD,
            threshold=threshold,
            score=prediction.score,
        )
    return _review(prediction, Purpose.TRAIN, DecisionReason.SCORE_BELOW_THRESHOLD, threshold)


def _by_gate(prediction: Prediction, gate: Gate | None) -> Decision:
    # A threshold without the blind calibration lane beside it certifies nothing. Until both are here, whatever
    # stands on the gates topic opens nothing: erring towards people is the only honest default.
    return _review(prediction, Purpose.TRAIN, DecisionReason.NO_GATE, gate_id=gate.gate_id if gate else "")


def _review(
    prediction: Prediction, purpose: Purpose, reason: DecisionReason, threshold: float = 0.0, gate_id: str = ""
) -> Decision:
    return Decision(
        route=Route.REVIEW,
        purpose=purpose,
        reason=reason,
        threshold=threshold,
        score=prediction.score,
        gate_id=gate_id,
    )
