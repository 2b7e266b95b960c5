"""How many more answers are wanted, in words: the number is a guess by few errors, and must not look like more."""

from __future__ import annotations

MOST_TOLD = 10_000


def in_words(count: int) -> str:
    """`about 130`, `more than 10,000`: two digits of `count`, rounded up, and no number where it would be a mere guess.

    For what `more_labels` or a gate's `answers_needed` gives, where that is above 0.
    """
    if count > MOST_TOLD:
        return f"more than {MOST_TOLD:,}"
    unit = 10 ** max(0, len(str(count)) - 2)
    return f"about {-(-count // unit) * unit:,}"
