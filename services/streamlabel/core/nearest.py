"""The known word that was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_LONGEST_RATIO = 3


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word most like `word`, capitals or not; None where none is much like it."""
    by_form = {candidate.casefold(): candidate for candidate in known}
    # So much longer than all of them it cannot be near, and is as long as some sender likes.
    if len(word) > _LONGEST_RATIO * max(map(len, by_form), default=0):
        return None
    found = difflib.get_close_matches(word.casefold(), by_form, n=1)
    return by_form[found[0]] if found else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`did you mean 'X'?`, or nothing where no known word is near."""
    found = nearest(word, known)
    return f"did you mean {found!r}?" if found is not None else ""
