"""Whether a log is the one that it was, by the last record before an offset."""

from __future__ import annotations

from dataclasses import replace

import pytest

from streamlabel.runtime.log_mark import is_of_another_log, mark_of
from streamlabel.runtime.messages import Message

LAST = Message(topic="t", partition=0, offset=41, key=b"k", value=b"v", headers=(), timestamp_ms=1_700_000_000_000)
MARK = mark_of(LAST)


def test_the_same_record_is_known_again() -> None:
    assert not is_of_another_log(MARK, 42, replace(LAST))


@pytest.mark.parametrize("change", [{"key": b"l"}, {"value": b"w"}, {"timestamp_ms": 1_700_000_000_001}])
def test_another_record_at_its_place_is_of_another_log(change) -> None:
    assert is_of_another_log(MARK, 42, replace(LAST, **change))


def test_key_and_value_are_told_apart() -> None:
    assert mark_of(replace(LAST, key=b"kv", value=b"")) != mark_of(replace(LAST, key=b"k", value=b"v"))


@pytest.mark.parametrize(("later_ms", "another"), [(-5_000, False), (5_000, False), (3_600_000, True)])
def test_where_compaction_took_it_the_date_of_the_one_before_tells(later_ms: int, another: bool) -> None:
    """In a topic that was made anew all records are later; clocks of writers differ a little."""
    before = replace(LAST, offset=38, key=b"x", timestamp_ms=LAST.timestamp_ms + later_ms)
    assert is_of_another_log(MARK, 42, before) is another


@pytest.mark.parametrize(("mark", "offset", "found"), [("", 42, LAST), (MARK, 50, LAST), (MARK, 42, None)])
def test_where_nobody_can_tell_it_is_not_said(mark: str, offset: int, found: Message | None) -> None:
    """An older release moves offsets and leaves marks as they are."""
    assert not is_of_another_log(mark, offset, found)
