"""How long a record has been under way, whatever stands in its header."""

from __future__ import annotations

import pytest

from streamlabel.runtime.headers import INGESTED_AT, age_s


def test_the_age_in_seconds():
    assert age_s((("other", b"1"), (INGESTED_AT, b"1000")), 3500) == 2.5


@pytest.mark.parametrize("value", [b"", b"-1", b"soon", b"\xff", "٣".encode(), b"9" * 400, b"9" * 5000])
def test_a_foreign_header_has_no_age_and_stops_nobody(value: bytes):
    assert age_s(((INGESTED_AT, value),), 3500) is None
