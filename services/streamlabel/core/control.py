"""The two control tables that flow back: which model may label alone, and which one serves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

# Of gates that do not say how long they live.
_LONGEST_LIFE_S = 86_400.0
# Clocks of learning and routing may differ by so much.
_CLOCKS = timedelta(minutes=2)


class GateState(Enum):
    """Life of a certificate."""

    COLD = "cold"
    CERTIFIED = "certified"
    SUSPENDED = "suspended"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class Suspects:
    """Labels that the model set at `begin` or later and before `end` are suspect; without an end, they still are being set."""

    begin: datetime
    end: datetime | None = None

    def holds(self, moment: datetime) -> bool:
        """Whether a label set at that moment is one of them."""
        return self.begin <= moment and (self.end is None or moment < self.end)


@dataclass(frozen=True, slots=True)
class Confirmed:
    """Labels set by gates from number `first_gate` on are confirmed where they are older than `until`; None: none of them is."""

    first_gate: int
    until: datetime | None


def gate_number(project: str, gate_id: str) -> int | None:
    """The number in a gate's name; None where it is none of the project's gates as learning names them."""
    name, _, number = gate_id.rpartition("/")
    return int(number) if name == project and number.isascii() and number.isdecimal() and len(number) <= 18 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """The certificate for one model version of one project: while CERTIFIED and not expired, scores from `least_score` on may pass.

    It counts under the taxonomy of that version and number of classes only. `lane_rate` of the stream is calibration in every state,
    by a coin tossed with the key `coin_key_id`; about `double_blind_share` of that two people are asked. `threshold` is what the
    evidence supports, `guard_threshold` what the price guard leaves of it. Labels set from `suspect_from` on are suspect; evidence is
    complete up to `confirmed_until`, about gates from number `first_gate` on (0: nobody knows about which). `earlier` is what evidence
    of before had confirmed for this model version, in order; `suspects` are all such stretches of it, in order too. It speaks of no
    prediction whose embedding has another length than `embedding_length` (None: nobody knows yet), and of the model only as `binding`,
    the digest of `core/binding.py`, says that it is bound ("": nobody knows). It lives for `lifetime_s` at a time (0: nobody knows).
    """

    gate_id: str
    project: str
    model_name: str
    model_version: int
    state: GateState
    threshold: float
    alpha: float
    delta: float
    lane_rate: float
    evidence_count: int
    evidence_errors: int
    certified_at: datetime | None
    expires_at: datetime | None
    taxonomy_version: int = 0
    class_count: int = 0
    coin_key_id: str = ""
    guard_threshold: float = 0.0
    epoch: int = 0
    reason: str = ""
    suspect_from: datetime | None = None
    confirmed_until: datetime | None = None
    suspects: tuple[Suspects, ...] = ()
    double_blind_share: float = 0.0
    first_gate: int = 0
    earlier: tuple[Confirmed, ...] = ()
    embedding_length: int | None = None
    binding: str = ""
    lifetime_s: float = 0.0

    def __post_init__(self) -> None:
        for name in ("alpha", "delta"):
            if not 0 < getattr(self, name) < 1:
                raise ValueError(f"{name} must lie strictly between 0 and 1, not {getattr(self, name)}")
        if not 0 < self.lane_rate <= 1:
            # A threshold without the blind lane beside it certifies nothing.
            raise ValueError(f"lane_rate must lie above 0 and not above 1, not {self.lane_rate}")
        if not 0 <= self.double_blind_share <= 1:
            raise ValueError(f"double_blind_share must lie in 0-1, not {self.double_blind_share}")
        if math.isnan(self.threshold) or math.isnan(self.guard_threshold):
            raise ValueError("a threshold is no number")

    @property
    def least_score(self) -> float:
        """The smallest score that passes; infinite where none does."""
        return max(self.threshold, self.guard_threshold) if self.state is GateState.CERTIFIED else math.inf

    def is_alive(self, now: datetime) -> bool:
        """Whether it has not expired, and expires no later than a gate that is renewed right now: else the clock that dated it was
        ahead, and nobody knows how old it is."""
        if self.expires_at is None:
            return True
        lives = timedelta(seconds=self.lifetime_s or _LONGEST_LIFE_S)
        return now < self.expires_at <= now + lives + _CLOCKS

    def rests_on_the_same(self, gate_id: str) -> bool:
        """Whether the gate of that name, of the same project and model version, rests on the evidence that this one rests on."""
        number = gate_number(self.project, gate_id)
        return number is not None and 0 < self.first_gate <= number

    def confirmed_under(self, gate_id: str) -> datetime | None:
        """Labels that the gate of that name set before this moment are confirmed; None where none is."""
        if self.rests_on_the_same(gate_id):
            return self.confirmed_until
        number = gate_number(self.project, gate_id) or 0
        return next((each.until for each in reversed(self.earlier) if each.first_gate <= number), None)


class ReleaseState(Enum):
    """What a model version does."""

    LIVE = "live"
    SHADOW = "shadow"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """Which model version serves, shadows or is retired; at most one is LIVE per project."""

    project: str
    model_name: str
    model_version: int
    state: ReleaseState
    released_at: datetime
