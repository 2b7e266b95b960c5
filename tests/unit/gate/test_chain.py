"""The chain of transitions: whole as it was written, and broken at the first link that somebody touched."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from streamlabel.gate.chain import FIRST, ChainedTransition, broken_at, linked


def chain(length: int = 4) -> list[ChainedTransition]:
    links: list[ChainedTransition] = []
    for number in range(1, length + 1):
        previous = links[-1].digest if links else FIRST
        facts = f'{{"at_ms": {number}}}'
        links.append(
            linked(number=number, project="mail", model_name="m", model_version=1, facts=facts, previous=previous)
        )
    return links


def test_a_chain_is_whole_as_it_was_written() -> None:
    assert broken_at([]) is None
    assert broken_at(chain()) is None


CHANGES: tuple[dict[str, Any], ...] = (
    {"facts": "{}"},
    {"project": "news"},
    {"model_version": 2},
    {"number": 9},
    {"previous": b"x" * 32},
    {"digest": b"y" * 32},
)


@pytest.mark.parametrize("change", CHANGES)
def test_a_link_that_was_changed_breaks_it(change: dict[str, Any]) -> None:
    links = chain()
    links[2] = replace(links[2], **change)
    assert broken_at(links) == 3


def test_a_link_that_was_taken_out_put_in_or_written_anew_breaks_it() -> None:
    links = chain()
    assert broken_at(links[1:]) == 1
    assert broken_at([*links[:2], links[3]]) == 3
    assert broken_at([links[0], *links]) == 2
    anew = linked(number=2, project="mail", model_name="m", model_version=1, facts="{}", previous=links[0].digest)
    assert broken_at([links[0], anew, *links[2:]]) == 3, (
        "the digest of a link that was made anew is not what its successor says"
    )


def test_an_end_that_was_cut_off_is_noticed_by_who_kept_its_digest() -> None:
    links = chain()
    assert broken_at(links[:3]) is None
    assert links[3].digest not in {link.digest for link in links[:3]}
