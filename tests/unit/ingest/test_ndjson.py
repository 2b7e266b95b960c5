"""Lines out of pieces."""

from __future__ import annotations

import pytest

from streamlabel.ingest.adapters.ndjson import Line, LineReader


def lines(*pieces: bytes, max_bytes: int = 20) -> list[Line]:
    reader = LineReader(max_bytes)
    found = [line for piece in pieces for line in reader.feed(piece)]
    return [*found, *reader.finish()]


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_it_does_not_matter_how_the_bytes_are_cut(size: int) -> None:
    body = b'{"a":1}\r\n\n  \n{"b":2}\nlast'
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    assert lines(*pieces) == [Line(1, b'{"a":1}'), Line(4, b'{"b":2}'), Line(5, b"last")]


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_line_that_is_too_long_is_dropped_and_the_next_one_is_whole(size: int) -> None:
    body = b"short\n" + b"x" * 500 + b"\nnext\n"
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    first, cut, after = lines(*pieces)
    assert (first.text, after.text) == (b"short", b"next")
    assert cut.is_cut
    assert cut.number == 2
    assert after.number == 3
    assert len(cut.text) <= 200


def test_an_endless_line_takes_no_memory() -> None:
    reader = LineReader(1000)
    for _ in range(100):
        assert list(reader.feed(b"x" * 10_000)) == []
        assert len(reader._rest) <= 1000
    (cut,) = reader.finish()
    assert cut.is_cut


def test_nothing_is_nothing() -> None:
    assert lines() == []
    assert lines(b"", b"\n\n") == []
