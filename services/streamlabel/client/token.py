"""The token that says who calls."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from streamlabel.errors import ConfigurationError

TOKEN_KEY = "STREAMLABEL_TOKEN"
TOKEN_FILE_KEY = "STREAMLABEL_TOKEN_FILE"


def token_of(environ: Mapping[str, str]) -> str:
    """The token in STREAMLABEL_TOKEN, else in the file that STREAMLABEL_TOKEN_FILE names; empty where there is neither."""
    if token := environ.get(TOKEN_KEY, "").strip():
        return token
    path = environ.get(TOKEN_FILE_KEY, "")
    if not path:
        return ""
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{TOKEN_FILE_KEY}={path}: {error}") from error


def bearer(token: str | None, environ: Mapping[str, str] = os.environ) -> tuple[tuple[str, str], ...]:
    """The metadata that carries `token`, or where it is None that of the environment; none without a token."""
    found = token_of(environ) if token is None else token.strip()
    if not found:
        return ()
    if not found.isascii() or not found.isprintable() or " " in found:
        # Its text is not repeated: it may be a secret with a slip in it.
        raise ConfigurationError("this is no token: it has white space or other characters that no token has")
    return (("authorization", f"Bearer {found}"),)
