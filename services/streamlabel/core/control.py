"""The two control tables that flow back: which model may label alone, and which one serves."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum


class GateState(Enum):
    """Life of a certificate."""

    COLD = "cold"
    CERTIFIED = "certified"
    SUSPENDED = "suspended"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """The certificate for one model version of one project: while CERTIFIED and not expired, scores from `threshold` on may pass."""

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
