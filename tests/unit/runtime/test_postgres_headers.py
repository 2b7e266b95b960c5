"""Headers in one column."""

from __future__ import annotations

import pytest

from streamlabel.runtime.messages import Headers
from streamlabel.runtime.postgres.headers import pack_headers, unpack_headers


@pytest.mark.parametrize(
    "headers",
    [(), (("a", b"1"),), (("a", b""), ("a", b"\x00\xff"), ("", b"x")), (("é\x00ü", b"z" * 70_000), ("b", b"2"))],
)
def test_headers_come_out_as_they_went_in(headers: Headers) -> None:
    assert unpack_headers(pack_headers(headers)) == headers
