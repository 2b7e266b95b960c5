"""Access tokens: `slt_<id>_<secret>`. The id finds the row, the secret proves; at rest lies a keyed hash of the whole alone."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re

ID_BYTES = 9
SECRET_BYTES = 32
MIN_KEY_BYTES = 32
_FORM = re.compile(r"slt_([A-Za-z0-9]{12})_([A-Za-z0-9_-]{43})")
_MAX_CHARACTERS = 64


def form_token(chance: bytes) -> str:
    """The token that `ID_BYTES + SECRET_BYTES` random bytes make."""
    if len(chance) != ID_BYTES + SECRET_BYTES:
        raise ValueError(f"a token is made of {ID_BYTES + SECRET_BYTES} bytes, not {len(chance)}")
    # An id is read and typed by people: of the two characters of base64 that are no letters, none.
    token_id = base64.urlsafe_b64encode(chance[:ID_BYTES]).decode().translate(str.maketrans("-_", "Aa"))
    secret = base64.urlsafe_b64encode(chance[ID_BYTES:]).rstrip(b"=").decode()
    return f"slt_{token_id}_{secret}"


def token_id_of(token: str) -> str | None:
    """The id in a token; None where it is of another form."""
    match = _FORM.fullmatch(token) if len(token) <= _MAX_CHARACTERS else None
    return match[1] if match else None


class TokenHash:
    """The keyed hash under which a token is kept. All replicas share `key`."""

    def __init__(self, key: bytes) -> None:
        if len(key) < MIN_KEY_BYTES:
            raise ValueError(f"the key of the hash needs at least {MIN_KEY_BYTES} bytes")
        self._key = key

    def digest(self, token: str) -> bytes:
        """What is kept of `token`; 32 bytes."""
        return hashlib.blake2b(token.encode(), key=self._key, digest_size=32).digest()

    def matches(self, token: str, digest: bytes) -> bool:
        """Whether `digest` is that of `token`, in a time that tells nothing."""
        return hmac.compare_digest(self.digest(token), digest)
