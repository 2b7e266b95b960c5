"""Certificates that are read anew when their files change, so that renewing one needs no restart.

A pair that does not fit together (a renewal in mid-write) or cannot be read changes nothing: the one before goes on serving, and the
log says why.
"""

from __future__ import annotations

import logging
import ssl
from dataclasses import dataclass
from pathlib import Path

import grpc

from streamlabel.errors import ConfigurationError

log = logging.getLogger(__name__)

Marks = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """PEM files: the server's certificate and key, and the authorities that clients must be signed by (None: no client is asked)."""

    cert_file: Path
    key_file: Path
    client_ca_file: Path | None = None

    def marks(self) -> Marks:
        """What changes when a file does; raises OSError where one is not there."""
        files = [self.cert_file, self.key_file, *([self.client_ca_file] if self.client_ca_file else [])]
        return tuple((stat.st_mtime_ns, stat.st_size, stat.st_ino) for stat in (file.stat() for file in files))

    def context(self) -> ssl.SSLContext:
        """A server's context of what is in the files now; raises OSError or ssl.SSLError where it cannot be."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.cert_file, self.key_file)
        if self.client_ca_file is not None:
            context.load_verify_locations(self.client_ca_file)
            # Whoever shows a certificate shows a good one; who must show one is asked when the request is there (HttpServer).
            context.verify_mode = ssl.CERT_OPTIONAL
        return context


class _Watched:
    """The files, and whether they have changed since they were last taken up."""

    def __init__(self, files: TlsFiles, port: str) -> None:
        self.files = files
        self._port = port
        self._taken: Marks = ()
        self._complained: Marks | str = ()

    def first(self) -> ssl.SSLContext:
        """Raises ConfigurationError where the files cannot be used."""
        try:
            self._taken = self.files.marks()
            return self.files.context()
        except (OSError, ssl.SSLError) as error:
            names = ", ".join(
                str(file) for file in (self.files.cert_file, self.files.key_file, self.files.client_ca_file) if file
            )
            raise ConfigurationError(f"TLS of {self._port}: {names}: {error}") from error

    def renewed(self) -> ssl.SSLContext | None:
        """A context of the files where they have changed and fit; None: go on with the one before."""
        marks: Marks | str = ()
        try:
            marks = found = self.files.marks()
            if found == self._taken:
                return None
            context = self.files.context()
        except (OSError, ssl.SSLError) as error:
            # Once for each state of the files: every handshake comes by here.
            if self._complained != (marks or str(error)):
                self._complained = marks or str(error)
                log.warning(
                    "new certificate not usable, the old one serves on: %s", error, extra={"port_of": self._port}
                )
            return None
        self._taken = found
        log.info("new certificate", extra={"port_of": self._port})
        return context


def http_tls(files: TlsFiles) -> ssl.SSLContext:
    """The context of an HTTP server; looks at the files at each handshake."""
    watched = _Watched(files, "http")
    base = current = watched.first()

    def choose(connection: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _context: ssl.SSLContext) -> None:
        nonlocal current
        current = watched.renewed() or current
        connection.context = current

    base.sni_callback = choose
    return base


def grpc_tls(files: TlsFiles) -> grpc.ServerCredentials:
    """The credentials of a gRPC server; looks at the files at each handshake."""
    watched = _Watched(files, "grpc")
    watched.first()

    def configuration() -> grpc.ServerCertificateConfiguration:
        authorities = files.client_ca_file.read_bytes() if files.client_ca_file else None
        return grpc.ssl_server_certificate_configuration(
            [(files.key_file.read_bytes(), files.cert_file.read_bytes())], root_certificates=authorities
        )

    def fetch() -> grpc.ServerCertificateConfiguration | None:
        return configuration() if watched.renewed() is not None else None

    return grpc.dynamic_ssl_server_credentials(
        configuration(), fetch, require_client_authentication=files.client_ca_file is not None
    )
