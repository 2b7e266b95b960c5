"""What a book says of itself: how its gate stands, what the gate did, and what became evidence."""

from __future__ import annotations

from dataclasses import dataclass, field

from streamlabel.core.control import GateState
from streamlabel.gate.keeper import Transition
from streamlabel.gate.scorer import Scorer
from streamlabel.learning.rules.suspicions import Suspicion


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A transition of the gate, and when it came about; `suspect_from_ms` where it casts doubt on labels."""

    transition: Transition
    at_ms: int
    suspect_from_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """A calibration record as it went into the evidence: what the model said, what people said (UNKNOWN_CLASS: nothing in time).

    `at_ms` is when routing decided: labels of the model are dated by the same clock. `gate` is the number of the gate that it went by
    (0: nobody knows).
    """

    record_id: str
    place: int
    at_ms: int
    rate: float
    predicted: int
    answer: int
    passable: bool
    gate: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How the gate stands. `threshold` is the certificate's, `guard_threshold` what the guard leaves of it; `count`, `errors`,
    `share` and `bound` are the certificate's too. Two that are equal decide alike: `fits` tells one scorer from another."""

    state: GateState
    threshold: float
    guard_threshold: float
    lane_rate: float
    scorer: Scorer = field(compare=False)
    fits: int
    count: int
    errors: int
    share: float
    bound: float
    epoch: int
    reason: str
    certified_at_ms: int | None
    embedding_length: int | None
    suspicions: tuple[Suspicion, ...]
