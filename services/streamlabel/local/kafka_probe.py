"""The smallest question that only a working broker answers."""

from __future__ import annotations

import socket
import struct

from streamlabel.local.ports import LOOPBACK

_METADATA = 3  # api key of the request


def live_brokers(port: int) -> int:
    """How many brokers the node at `port` names as alive; 0 while it cannot answer."""
    client = b"streamlabel-ready"
    # Metadata v1 (request header v1): an empty list of topics asks for the brokers alone.
    body = struct.pack(f">hhih{len(client)}si", _METADATA, 1, 1, len(client), client, 0)
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1.0) as connection:
            connection.settimeout(1.0)
            connection.sendall(struct.pack(">i", len(body)) + body)
            head = connection.recv(12, socket.MSG_WAITALL)
    except OSError:
        return 0
    return int(struct.unpack(">iii", head)[2]) if len(head) == 12 else 0
