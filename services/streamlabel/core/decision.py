"""What routing decides: the model's label stands, or people look."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Route(Enum):
    """Where a record goes next."""

    AUTO_LABEL = "auto_label"
    REVIEW = "review"


class Purpose(Enum):
    """Why people should look."""

    CALIBRATE = "calibrate"
    TRAIN = "train"
    AUDIT = "audit"
    RULE = "rule"


class DecisionReason(Enum):
    """Stable code of what decided."""

    SCORE_REACHED_THRESHOLD = "score_reached_threshold"
    SCORE_BELOW_THRESHOLD = "score_below_threshold"
    REVIEW_ALL = "review_all"
    NO_PREDICTION = "no_prediction"
    NO_GATE = "no_gate"
    CLASS_NOT_IN_TAXONOMY = "class_not_in_taxonomy"
    GATE_PASSED = "gate_passed"
    BELOW_GATE = "below_gate"
    GATE_CLOSED = "gate_closed"
    CALIBRATION_LANE = "calibration_lane"
    NO_COIN_KEY = "no_coin_key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A route and everything that led to it; the same inputs give the same decision for ever.

    `needed_votes` people are asked: two where a calibration record is looked at twice, blindly.
    """

    route: Route
    reason: DecisionReason
    purpose: Purpose | None = None
    threshold: float = 0.0
    score: float = 0.0
    gate_id: str = ""
    needed_votes: int = 1

    def __post_init__(self) -> None:
        if (self.route is Route.REVIEW) != (self.purpose is not None):
            raise ValueError("a review has a purpose, and only a review has one")
        if self.needed_votes < 1 or (self.needed_votes > 1 and self.route is not Route.REVIEW):
            raise ValueError(f"a decision to {self.route.value} cannot need {self.needed_votes} votes")
