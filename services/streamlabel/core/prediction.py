"""What a model thinks of a record."""

from __future__ import annotations

from dataclasses import dataclass

from streamlabel.core.record import Record

MAX_CANDIDATES = 10


@dataclass(frozen=True, slots=True)
class Candidate:
    """One class and the model's probability for it."""

    class_name: str
    probability: float

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1:
            raise ValueError(f"probability {self.probability} lies outside 0-1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """One model version's answer to one record: candidates, most probable first; none where the project has no model.

    `score` is the system's belief, in 0–1, that the top candidate is right; not calibrated unless a gate says so.
    """

    record: Record
    project_version: int
    candidates: tuple[Candidate, ...] = ()
    score: float = 0.0
    embedding: tuple[float, ...] = ()
    model_name: str = ""
    model_version: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.score <= 1:
            raise ValueError(f"score {self.score} lies outside 0-1")
        if bool(self.candidates) != bool(self.model_name):
            raise ValueError("candidates and the model that gave them come together or not at all")

    @property
    def top(self) -> Candidate | None:
        """The most probable candidate; None where no model answered."""
        return self.candidates[0] if self.candidates else None
