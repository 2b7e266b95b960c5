"""Moments as people write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from streamlabel.cli.moments import from_ms, parse_moment, to_ms, told


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-01", datetime(2026, 3, 1, tzinfo=UTC)),
        (" 2026-03-01T12:30 ", datetime(2026, 3, 1, 12, 30, tzinfo=UTC)),
        ("2026-03-01T12:30:00.250Z", datetime(2026, 3, 1, 12, 30, 0, 250_000, tzinfo=UTC)),
        ("2026-03-01 12:30+02:00", datetime(2026, 3, 1, 10, 30, tzinfo=UTC)),
    ],
)
def test_a_moment_is_in_utc_unless_it_says_otherwise(text: str, moment: datetime) -> None:
    assert parse_moment(text) == moment
    assert parse_moment(told(moment)) == moment


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "12:30"])
def test_what_is_no_moment_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="write 2026-03-01"):
        parse_moment(text)


def test_milliseconds_are_exact() -> None:
    moment = datetime(2026, 3, 1, 13, 30, 0, 251_999, tzinfo=timezone(timedelta(hours=1)))
    assert from_ms(to_ms(moment)) == datetime(2026, 3, 1, 12, 30, 0, 251_000, tzinfo=UTC)
    assert told(from_ms(to_ms(moment))) == "2026-03-01T12:30:00.251Z"
