"""A certificate authority for tests: signs certificates of servers on this machine, and of clients."""

from __future__ import annotations

import datetime
import ipaddress
import os
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_DAY = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, PEM."""

    cert: bytes
    key: bytes
    serial: int

    def write(self, folder: Path, name: str) -> tuple[Path, Path]:
        """Puts both into `folder`, each whole at once, as a renewal does."""
        files = folder / f"{name}.crt", folder / f"{name}.key"
        for file, content in zip(files, (self.cert, self.key), strict=True):
            put(file, content)
        return files


def put(file: Path, content: bytes) -> Path:
    """`file` with this content, replaced in one step."""
    beside = file.with_suffix(".new")
    beside.write_bytes(content)
    os.replace(beside, file)  # noqa: PTH105
    return file


@dataclass
class Authority:
    """Signs with a key of its own."""

    name: str
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def __post_init__(self) -> None:
        usage = x509.BasicConstraints(ca=True, path_length=0)
        self.cert = self._sign(self.name, self.key.public_key(), [(usage, True)])

    @property
    def pem(self) -> bytes:
        return self.cert.public_bytes(serialization.Encoding.PEM)

    def issue(self, name: str = "127.0.0.1") -> Pair:
        """A certificate for this machine, to serve or to call with."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName(
            [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]
        )
        cert = self._sign(name, key.public_key(), [(names, False)])
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return Pair(cert.public_bytes(serialization.Encoding.PEM), private, cert.serial_number)

    def _sign(
        self, name: str, public_key: ec.EllipticCurvePublicKey, extensions: list[tuple[x509.ExtensionType, bool]]
    ) -> x509.Certificate:
        now = datetime.datetime.now(tz=datetime.UTC)
        builder = x509.CertificateBuilder(
            issuer_name=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.name)]),
            subject_name=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]),
            public_key=public_key,
            serial_number=x509.random_serial_number(),
            not_valid_before=now - _DAY,
            not_valid_after=now + _DAY,
        )
        own = x509.SubjectKeyIdentifier.from_public_key(public_key)
        signer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        for extension, critical in ((own, False), (signer, False), *extensions):
            builder = builder.add_extension(extension, critical)
        return builder.sign(self.key, hashes.SHA256())
