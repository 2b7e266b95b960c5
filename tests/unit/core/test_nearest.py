"""A typo is answered with the word that was probably meant, and with none where none is near."""

from __future__ import annotations

import difflib

import pytest

from streamlabel.core.nearest import did_you_mean, nearest

KNOWN = ("record_id", "text", "Event_At")


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("recordid", "record_id"),
        ("txt", "text"),
        ("TEXT", "text"),
        ("event_at", "Event_At"),
        ("colour", None),
        ("", None),
    ],
)
def test_the_nearest_known_word_is_found(word: str, meant: str | None) -> None:
    assert nearest(word, KNOWN) == meant


def test_a_word_that_is_much_too_long_is_not_even_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(difflib, "get_close_matches", lambda *_, **__: pytest.fail("compared"))
    assert nearest("record_id" * 1000, KNOWN) is None


def test_the_hint_is_a_question_or_nothing() -> None:
    assert did_you_mean("txt", KNOWN) == "did you mean 'text'?"
    assert did_you_mean("colour", KNOWN) == ""
    assert did_you_mean("txt", ()) == ""
