"""Lease tokens: opaque, bound to one person, and not to be made up."""

from __future__ import annotations

import pytest

from streamlabel.review.rules.tokens import MAX_TOKEN_CHARACTERS, Grant, TokenSeal

GRANT = Grant(ticket=2**40 + 7, fencing_token=3)
SEAL = TokenSeal(b"k" * 32)


def test_a_token_gives_its_grant_back_to_its_annotator() -> None:
    token = SEAL.mint(GRANT, "ann")
    assert SEAL.read(token, "ann") == GRANT
    assert len(token) <= MAX_TOKEN_CHARACTERS
    assert token == TokenSeal(b"k" * 32).mint(GRANT, "ann"), "all replicas read each other's tokens"


def test_a_token_is_nothing_in_anothers_hands() -> None:
    token = SEAL.mint(GRANT, "ann")
    assert SEAL.read(token, "bob") is None
    assert TokenSeal(b"x" * 32).read(token, "ann") is None


def test_every_bit_of_a_token_counts() -> None:
    token = SEAL.mint(GRANT, "ann")
    for place, character in enumerate(token[:-1]):  # The last one has bits that base64 does not use.
        other = "A" if character != "A" else "B"
        assert SEAL.read(token[:place] + other + token[place + 1 :], "ann") is None


def test_tokens_of_one_task_differ_by_lease_and_person() -> None:
    tokens = {
        SEAL.mint(Grant(ticket=1, fencing_token=number), annotator) for number in range(1, 5) for annotator in "ab"
    }
    assert len(tokens) == 8


@pytest.mark.parametrize("foreign", ["", "x", "=" * 40, "é", "\x00", "A" * 38, "A" * 64, "A" * 10_000, "../../etc"])
def test_foreign_text_is_no_token(foreign: str) -> None:
    assert SEAL.read(foreign, "ann") is None


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 32 bytes"):
        TokenSeal(b"k" * 31)
