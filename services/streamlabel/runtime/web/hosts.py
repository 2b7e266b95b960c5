"""Under which names the page may be asked for, and by pages of which origin.

A site can point its own DNS name at the address of this service (DNS rebinding): to the browser the service then belongs
to that site, whose scripts may read and answer every task. What such a request cannot hide is the name, in `Host`.
Addresses need no entry, because there is no name to point elsewhere; nor does what only this machine or this network can
resolve: localhost, and names without a dot.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

EVERY_HOST = "*"
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_AUTHORITY = re.compile(r"(?:\[([0-9a-f:.]+)\]|([^:\[\]]+))(?::([0-9]{1,5}))?")
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowedHosts:
    """The names that somebody has listed, in lower case; with `every`, any name at all."""

    listed: frozenset[str] = frozenset()
    every: bool = False

    @classmethod
    def of(cls, entries: Iterable[str]) -> Self:
        """From a list as an operator writes it; ValueError names the entry that is no host name."""
        names = set()
        for entry in entries:
            name = entry.lower().removesuffix(".")
            if entry != EVERY_HOST and not _HOST_NAME.fullmatch(name):
                raise ValueError(
                    f"{entry!r} is no host name: write it as it stands in the page's address, without scheme, port and path"
                )
            names.add(name)
        return cls(listed=frozenset(names - {EVERY_HOST}), every=EVERY_HOST in names)

    def admits(self, host: str) -> bool:
        """Whether a request with this `Host` is served."""
        name, _ = _split(host)
        if not name:
            return False
        return self.every or name in self.listed or _cannot_be_pointed_here(name)

    def admits_origin(self, origin: str, host: str) -> bool:
        """Whether a call that a page of `origin` makes under this `Host` is served: our own page's, or a listed name's.

        The second is for proxies that put a `Host` of their own into what they pass on.
        """
        scheme, _, authority = origin.partition("://")
        origin_name, origin_port = _split(authority)
        default_port = _DEFAULT_PORTS.get(scheme)
        if not origin_name or default_port is None:
            return False
        if origin_name in self.listed:
            return True
        name, port = _split(host)
        return (name, port or default_port) == (origin_name, origin_port or default_port)


def _cannot_be_pointed_here(name: str) -> bool:
    """Whether no stranger decides to which address this name leads."""
    # `localhost` and what is under it leads to the browser's own machine, whatever DNS says.
    return _is_address(name) or "." not in name or name.endswith(".localhost")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _split(authority: str) -> tuple[str, int | None]:
    """Name and port of `name:port`, `name` in lower case and without brackets; empty where it is not of that form."""
    match = _AUTHORITY.fullmatch(authority.lower())
    if match is None:
        return "", None
    bracketed, name, port = match.groups()
    name = bracketed or name.removesuffix(".")
    if not (_is_address(name) if bracketed else _HOST_NAME.fullmatch(name)):
        return "", None
    return name, int(port) if port else None
