"""May the model's label stand alone, or do people look? One pure function, replayable bit for bit."""

from __future__ import annotations

from streamlabel.core.control import GateState
from streamlabel.core.decision import Decision, DecisionReason, Purpose, Route
from streamlabel.core.prediction import Prediction
from streamlabel.core.project import CertifiedPolicy, Project, ReviewAllPolicy, ThresholdPolicy
from streamlabel.gate.weigh import Unweighed, Weighed

_NO_GATE = Unweighed()


def decide(prediction: Prediction, project: Project, weighed: Weighed | Unweighed = _NO_GATE) -> Decision:
    """The route of one record; `weighed` is what the project's gate has to go by, which only policy `certified` asks for.

    - `review_all`: people look at everything.
    - `threshold`: alone from the threshold on. UNCERTIFIED: nothing is promised about the error of what passes.
    - `certified`: the coin puts a share into the blind calibration lane, whatever the score and whether or not the gate is open,
      and the lowest of that share are for two people to look at;
      of the rest, what reaches the threshold of an open gate goes alone. Where no gate counts, people look.
    - no prediction, or one that names an unknown class: people look, whatever the policy.
    """
    match project.policy:
        case ReviewAllPolicy():
            return _review(prediction.score, Purpose.RULE, DecisionReason.REVIEW_ALL)
        case _ if prediction.top is None:
            return _review(prediction.score, Purpose.TRAIN, DecisionReason.NO_PREDICTION)
        case _ if prediction.top.class_name not in project.taxonomy:
            return _review(prediction.score, Purpose.TRAIN, DecisionReason.CLASS_NOT_IN_TAXONOMY)
        case ThresholdPolicy(threshold=threshold):
            return _by_threshold(prediction.score, threshold)
        case CertifiedPolicy() if isinstance(weighed, Unweighed):
            return _review(prediction.score, Purpose.TRAIN, weighed.reason, gate_id=weighed.gate_id)
        case CertifiedPolicy():
            return _by_gate(weighed)


def _by_threshold(score: float, threshold: float) -> Decision:
    if score >= threshold:
        return Decision(
            route=Route.AUTO_LABEL, reason=DecisionReason.SCORE_REACHED_THRESHOLD, threshold=threshold, score=score
        )
    return _review(score, Purpose.TRAIN, DecisionReason.SCORE_BELOW_THRESHOLD, threshold)


def _by_gate(weighed: Weighed) -> Decision:
    gate, score = weighed.gate, weighed.score
    # Infinite while the gate is closed: learning reads from a calibration task whether its record would have passed.
    threshold = gate.least_score
    if weighed.coin < gate.lane_rate:
        votes = 2 if weighed.coin < gate.lane_rate * gate.double_blind_share else 1
        return _review(score, Purpose.CALIBRATE, DecisionReason.CALIBRATION_LANE, threshold, gate.gate_id, votes)
    if gate.state is not GateState.CERTIFIED:
        return _review(score, Purpose.TRAIN, DecisionReason.GATE_CLOSED, gate_id=gate.gate_id)
    if score >= threshold:
        return Decision(
            route=Route.AUTO_LABEL,
            reason=DecisionReason.GATE_PASSED,
            threshold=threshold,
            score=score,
            gate_id=gate.gate_id,
        )
    return _review(score, Purpose.TRAIN, DecisionReason.BELOW_GATE, threshold, gate.gate_id)


def _review(
    score: float,
    purpose: Purpose,
    reason: DecisionReason,
    threshold: float = 0.0,
    gate_id: str = "",
    needed_votes: int = 1,
) -> Decision:
    return Decision(
        route=Route.REVIEW,
        purpose=purpose,
        reason=reason,
        threshold=threshold,
        score=score,
        gate_id=gate_id,
        needed_votes=needed_votes,
    )
