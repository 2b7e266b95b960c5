"""What the coin of a record says beyond whether it is in the calibration lane, and what an answer then weighs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64] | Sequence[float] | float

_LARGEST_WEIGHT = 20.0


def are_spare(coins: Floats, lane_rates: Floats) -> npt.NDArray[np.bool_]:
    """Which calibration records may teach while people answer nothing else: the upper half of the lane, whatever they hold."""
    return np.asarray(coins, dtype=np.float64) >= np.asarray(lane_rates, dtype=np.float64) / 2


def lesson_weights(passable: npt.NDArray[np.bool_] | Sequence[bool], lane_rates: Floats) -> npt.NDArray[np.float64]:
    """How much each answer teaches, 20 at most: of what passes people see only the lane's share; of the rest, everything."""
    shares = np.asarray(lane_rates, dtype=np.float64)
    return np.where(passable, np.minimum(_LARGEST_WEIGHT, 1 / shares), 1.0)
