"""How long to wait before the same work is tried again."""

from __future__ import annotations

import random as random_module
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Exponential growth under a cap, with full jitter: callers that failed together do not come back together.

    Holds no state, so one value serves every lane; the caller counts its own attempts.
    """

    base_s: float = 0.1
    cap_s: float = 10.0
    floor_s: float = 0.02  # Full jitter may draw zero; a loop without a pause is no back-off at all.
    random: Callable[[], float] = random_module.random

    def __post_init__(self) -> None:
        if not 0 <= self.floor_s <= self.base_s <= self.cap_s:
            raise ValueError(f"need 0 <= floor_s <= base_s <= cap_s, got {self.floor_s}, {self.base_s}, {self.cap_s}")

    def delay_s(self, attempt: int, *, at_least_s: float | None = None) -> float:
        """The pause after failed attempt number `attempt` (1 is the first), never shorter than the peer's own wish."""
        if attempt < 1:
            raise ValueError(f"attempts are counted from 1, got {attempt}")
        # Doubling beyond 2**62 would overflow the float long after the cap has been reached.
        ceiling_s = min(self.cap_s, self.base_s * 2.0 ** min(attempt - 1, 62))
        return max(self.floor_s, self.random() * ceiling_s, at_least_s or 0.0)
