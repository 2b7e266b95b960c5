"""How much a book may hold, and how long it waits."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class BookLimits:
    """`waiting` records at most are kept of each kind while their answers are awaited, and fewer where their embeddings together, as
    64-bit numbers, would have more than `waiting_bytes`: the book must be a value that the database takes.

    A calibration record that nobody answers within `answer_ms` counts as an error, and after `overtaken_ms` already where `overtaken`
    later ones have their answers: it must not hold up what all of them say. One that routing has no word of, though it speaks of what
    came `decision_ms` later, is taken to have been lost on the way, and is no evidence.
    """

    waiting: int = 20_000
    waiting_bytes: int = 256 * 1024 * 1024
    answer_ms: int = 86_400_000
    overtaken: int = 200
    overtaken_ms: int = 600_000
    decision_ms: int = 600_000
