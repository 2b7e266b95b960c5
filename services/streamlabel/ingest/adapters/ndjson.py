"""Lines out of a byte stream that comes in pieces, each line bounded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Line:
    """One line without its end; `is_cut` tells that it was too long, and `text` holds only its beginning."""

    number: int
    text: bytes
    is_cut: bool = False


class LineReader:
    """Feed pieces in, get whole lines out. Blank lines are passed over but counted; what passes `max_bytes` is thrown away."""

    _SHOWN_BYTES = 200

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._rest = b""
        self._cut_at: bytes | None = None  # The beginning of a line that is too long and has not ended yet.
        self._number = 0

    def feed(self, piece: bytes) -> Iterator[Line]:
        """The lines that end within `piece`."""
        *lines, rest = (self._rest + piece).split(b"\n")
        for text in lines:
            yield from self._line(text)
        if len(rest) > self._max_bytes or self._cut_at is not None:
            self._cut_at = self._cut_at or rest[: self._SHOWN_BYTES]
            rest = b""
        self._rest = rest

    def finish(self) -> Iterator[Line]:
        """The last line, where the stream ends without a line end."""
        yield from self._line(self._rest)
        self._rest = b""

    def _line(self, text: bytes) -> Iterator[Line]:
        self._number += 1
        cut_at, self._cut_at = self._cut_at, None
        if cut_at is not None or len(text) > self._max_bytes:
            yield Line(self._number, cut_at or text[: self._SHOWN_BYTES], is_cut=True)
        elif stripped := text.strip():
            yield Line(self._number, stripped)
