"""What all codecs share: parsing foreign bytes with one fate for all that is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from streamlabel.core.submission import Reason
from streamlabel.errors import InvalidMessageError

MALFORMED = Reason.MALFORMED
M = TypeVar("M", bound=Message)


@contextmanager
def malformed_as_invalid(what: str) -> Iterator[None]:
    """Turns whatever a bad message provokes while decoding into InvalidMessageError MALFORMED, naming `what`."""
    try:
        yield
    except (DecodeError, ValueError, OverflowError, KeyError) as error:
        raise InvalidMessageError(MALFORMED, f"not a {what}: {error}") from error


def parse(message: M, value: bytes) -> M:
    """`message`, filled from `value`; raises InvalidMessageError MALFORMED when the bytes are no such message."""
    try:
        message.ParseFromString(value)
    except DecodeError as error:
        name = message.DESCRIPTOR.name
        raise InvalidMessageError(MALFORMED, f"{len(value)} bytes are not a {name} message") from error
    return message
