"""TLS of the clients, where the environment asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import grpc

from streamlabel.errors import ConfigurationError

CA_KEY = "STREAMLABEL_TLS_CA_FILE"
CERT_KEY = "STREAMLABEL_TLS_CERT_FILE"
KEY_KEY = "STREAMLABEL_TLS_KEY_FILE"
# The authorities that everybody knows.
PUBLIC = "public"


def credentials_of(environ: Mapping[str, str]) -> grpc.ChannelCredentials | None:
    """TLS by the authorities in the file that STREAMLABEL_TLS_CA_FILE names (`public`: those that everybody knows); None: no TLS.

    With STREAMLABEL_TLS_CERT_FILE and STREAMLABEL_TLS_KEY_FILE the client shows a certificate of its own (mutual TLS).
    """
    authorities, cert, key = (environ.get(name, "") for name in (CA_KEY, CERT_KEY, KEY_KEY))
    if bool(cert) != bool(key):
        raise ConfigurationError(f"{CERT_KEY} and {KEY_KEY} come as a pair")
    if not authorities:
        if cert:
            raise ConfigurationError(f"{CERT_KEY} needs {CA_KEY}")
        return None
    return grpc.ssl_channel_credentials(
        None if authorities == PUBLIC else _read(CA_KEY, authorities),
        _read(KEY_KEY, key) if key else None,
        _read(CERT_KEY, cert) if cert else None,
    )


def _read(name: str, path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{name}={path}: {error}") from error
