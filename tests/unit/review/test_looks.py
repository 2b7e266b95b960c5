"""Whom begun tasks are looked for."""

from __future__ import annotations

from streamlabel.review.adapters.postgres.leases import Looks

BOTH = frozenset({"ann", "bob"})


async def test_a_dear_look_is_not_made_again_for_long_whatever_was_found() -> None:
    looks = Looks()
    assert looks.due(["ann", "bob"]) == BOTH
    looks.looked(BOTH, {"bob"}, took_s=100.0)
    assert looks.due(["ann", "bob"]) == looks.due(["ann", "bob"], hungry=True) == frozenset()
    assert looks.due(["cat"]) == {"cat"}


async def test_a_look_that_is_a_little_dear_keeps_nobody_waiting_who_has_nothing_else() -> None:
    looks = Looks()
    looks.looked(BOTH, {"bob"}, took_s=0.2)
    assert looks.due(["ann", "bob"]) == frozenset()
    assert looks.due(["ann", "bob"], hungry=True) == BOTH


async def test_who_has_nothing_else_to_do_is_looked_for_and_who_found_some() -> None:
    looks = Looks()
    looks.looked(BOTH, {"bob"}, took_s=0.001)
    assert looks.due(["ann", "bob"], hungry=True) == BOTH
    assert "bob" in looks.due(["ann", "bob"])
