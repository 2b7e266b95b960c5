"""The coin that puts a record into the calibration lane: blind to the record's content, and to everybody without the key."""

from __future__ import annotations

import hashlib
import hmac

_BITS = 53


def toss(epoch_key: bytes, record_key: bytes) -> float:
    """A number in [0, 1) that is as good as drawn at random for each record key, and the same whenever it is asked for.

    HMAC-SHA-256 (RFC 2104), its first 53 bits. Who does not hold `epoch_key` cannot foresee it, whatever he may choose for
    `record_key`; who does can prove afterwards that no coin was tossed twice.
    """
    digest = hmac.digest(epoch_key, record_key, "sha256")
    return float((int.from_bytes(digest[:8], "big") >> (64 - _BITS)) / (1 << _BITS))


def key_id(epoch_key: bytes) -> str:
    """A name for the key that tells nothing of it: what gates and decisions carry."""
    return hashlib.sha256(b"streamlabel coin key\0" + epoch_key).hexdigest()[:16]
