"""How many people to ask about a task: until the votes are sure enough, or there is no use in more.

Each vote is one person's time. Two who agree and are good at the class settle a task that three who are not would leave open; so it is
not counted how many agree, but reckoned how likely the leading class is, given who said what.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt


class Outcome(Enum):
    """What is to be done with a task after its latest vote."""

    SETTLED = "settled"
    ASK_ANOTHER = "ask_another"
    ADJUDICATE = "adjudicate"


@dataclass(frozen=True, slots=True, kw_only=True)
class VotePolicy:
    """At least `fewest` people answer a task and at most `most`; it is settled once its leading class has a posterior of `sure`.

    Raises ValueError for what no task could meet.
    """

    fewest: int = 1
    most: int = 5
    sure: float = 0.99

    def __post_init__(self) -> None:
        if not 1 <= self.fewest <= self.most:
            raise ValueError(f"from {self.fewest} to {self.most} votes is no range: 1 ≤ fewest ≤ most")
        if not 0.5 < self.sure < 1:
            raise ValueError(f"sure must lie between 0.5 and 1, not at {self.sure:g}")


def outcome(posterior: npt.NDArray[np.float64], votes: int, policy: VotePolicy) -> Outcome:
    """What `votes` votes come to, which make each class as likely as `posterior` [classes] says."""
    if votes < policy.fewest:
        return Outcome.ASK_ANOTHER
    if float(posterior.max()) >= policy.sure:
        return Outcome.SETTLED
    return Outcome.ASK_ANOTHER if votes < policy.most else Outcome.ADJUDICATE
