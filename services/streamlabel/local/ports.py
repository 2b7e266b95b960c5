"""Free TCP ports on the loopback address."""

from __future__ import annotations

import contextlib
import errno
import random
import socket
from collections.abc import Collection

LOOPBACK = "127.0.0.1"
# Below the range from which Linux takes the local ports of outgoing connections, so that a server that is restarted
# does not find its own port taken by a client that was waiting for it.
_LOWEST, _HIGHEST = 18000, 32000
_ATTEMPTS = 400


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Whether a server could listen on `port` now."""
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
        return True


def choose(taken: Collection[int] = (), *, preferred: int | None = None) -> int:
    """A port that is free now and not in `taken`; `preferred` if it is."""
    if preferred is not None and preferred not in taken and is_free(preferred):
        return preferred
    chance = random.SystemRandom()
    for _ in range(_ATTEMPTS):
        port = chance.randint(_LOWEST, _HIGHEST)
        if port not in taken and is_free(port):
            return port
    raise OSError(errno.EADDRINUSE, f"no free TCP port found between {_LOWEST} and {_HIGHEST}")


def accepts(port: int, host: str = LOOPBACK, *, timeout_s: float = 0.5) -> bool:
    """Whether a server answers a TCP connection on `port`."""
    try:
        with socket.create_connection((host, port), timeout=timeout_s):
            return True
    except OSError:
        return False
