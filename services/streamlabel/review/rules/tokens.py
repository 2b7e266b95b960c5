"""Lease tokens: opaque to clients, unguessable, and proof by themselves of who was given which task when."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import struct
from dataclasses import dataclass

_VERSION = 1
_BODY = struct.Struct(">BQI")  # version, ticket, fencing token
_SEAL_BYTES = 16
MAX_TOKEN_CHARACTERS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """One lease of one task: the task's number in the store, and the fencing token that grows with each lease of it."""

    ticket: int
    fencing_token: int


class TokenSeal:
    """Makes lease tokens and reads them back.

    A token carries its grant under a keyed hash that covers the annotator too: it needs no table, outlives the lease (a
    late answer can still be told from an invented one), and is worthless in another's hands. All replicas share `key`.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) < 32:
            raise ValueError("the key of the seal needs at least 32 bytes")
        self._key = key

    def mint(self, grant: Grant, annotator: str) -> str:
        """The token that proves `grant` in the hands of `annotator`."""
        body = _BODY.pack(_VERSION, grant.ticket, grant.fencing_token)
        return base64.urlsafe_b64encode(body + self._seal(body, annotator)).rstrip(b"=").decode()

    def read(self, token: str, annotator: str) -> Grant | None:
        """The grant, or None where this seal never gave that token to that annotator."""
        if len(token) > MAX_TOKEN_CHARACTERS:
            return None
        try:
            raw = base64.b64decode(token.encode("ascii") + b"=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (UnicodeEncodeError, binascii.Error):
            return None
        body, seal = raw[: _BODY.size], raw[_BODY.size :]
        if len(body) != _BODY.size or not hmac.compare_digest(seal, self._seal(body, annotator)):
            return None
        version, ticket, fencing_token = _BODY.unpack(body)
        return Grant(ticket=ticket, fencing_token=fencing_token) if version == _VERSION else None

    def _seal(self, body: bytes, annotator: str) -> bytes:
        return hashlib.blake2b(body + annotator.encode(), key=self._key, digest_size=_SEAL_BYTES).digest()
