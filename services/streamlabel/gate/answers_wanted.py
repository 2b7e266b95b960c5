"""How many more answers are wanted, in words: the number is a guess by few errors, and must not look like more."""

from __future__ import annotations

MOST_TOLD = 10_000
NO_NUMBER = (
    "no number of answers that a gate keeps is likely to do for a model that errs so often: allow more errors (a larger alpha), or "
    "find a better model"
)


def in_words(count: int, *, at_least: bool = False) -> str:
    """`about 130`, `at least 59`, `more than 10,000`: two digits of `count`, rounded up, and no number where it would be a mere guess.

    For what `more_labels` or a gate's `answers_needed` gives, where that is above 0. `at_least`: nothing is in evidence yet, and the
    number is what a model takes that is never wrong.
    """
    if count > MOST_TOLD:
        return f"more than {MOST_TOLD:,}"
    unit = 10 ** max(0, len(str(count)) - 2)
    return f"{'at least' if at_least else 'about'} {-(-count // unit) * unit:,}"


def more_answers(count: int, evidence: int) -> str:
    """`about 130 more answers`: what a gate wants with so many answers in evidence."""
    return f"{in_words(count, at_least=not evidence)} more {'answer' if count == 1 else 'answers'}"
