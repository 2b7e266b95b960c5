"""Which embeddings a gate uses: how long they may be, and how large."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

# Longer ones are not used: the score goes without neighbours. Up to here a gate with all its reference records is one message
# (wire/gates.py), and the book of a gate, with all that it keeps, a value that PostgreSQL takes.
MAX_EMBEDDING = 4096
# Beyond these squares of float64 overflow, or vanish, once they are added up.
_LARGEST, _LEAST = 2.0**64, 2.0**-64


def used_length(length: int) -> int:
    """How many numbers of an embedding of this length are used: all of them, or none."""
    return length if length <= MAX_EMBEDDING else 0


def told_apart(embeddings: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Finite embeddings [n, d] of any scale, of one that float64 can reckon with: a power of two takes no digit from them.

    Those of a usual scale come back as they are.
    """
    largest = float(np.abs(embeddings).max(initial=0.0))
    if largest == 0 or _LEAST <= largest <= _LARGEST:
        return embeddings
    return np.asarray(np.ldexp(embeddings, -math.frexp(largest)[1]))


def as_stored(numbers: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """64-bit numbers in half the bytes where that takes nothing from any, as of embeddings, which have 32 bits on the wire.

    Other arrays come back as they are, the very same.
    """
    if numbers.dtype != np.float64:
        return numbers
    with np.errstate(over="ignore"):
        short = numbers.astype(np.float32)
    return short if (short == numbers).all() else numbers


def as_used(numbers: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """What `as_stored` was given, number by number."""
    return np.asarray(numbers, dtype=np.float64)
