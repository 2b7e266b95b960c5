"""The smallest question that only a working broker answers."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass

from streamlabel.local.ports import LOOPBACK

_METADATA = 3  # api key of the request
_LONGEST_ANSWER_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """How many brokers the node that was asked names as alive, and the cluster that it belongs to."""

    live_brokers: int
    cluster_id: str


def ask(port: int) -> Answer | None:
    """What the node at `port` says of its cluster; None while it cannot answer."""
    client = b"streamlabel-ready"
    # Metadata v2 (request header v1): an empty list of topics asks for the brokers alone.
    body = struct.pack(f">hhih{len(client)}si", _METADATA, 2, 1, len(client), client, 0)
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1.0) as connection:
            connection.settimeout(1.0)
            connection.sendall(struct.pack(">i", len(body)) + body)
            (length,) = struct.unpack(">i", connection.recv(4, socket.MSG_WAITALL))
            answer = connection.recv(min(length, _LONGEST_ANSWER_BYTES), socket.MSG_WAITALL)
        return _read(answer)
    except (OSError, struct.error):
        return None


def live_brokers(port: int) -> int:
    """How many brokers the node at `port` names as alive; 0 while it cannot answer."""
    answer = ask(port)
    return answer.live_brokers if answer else 0


def _read(answer: bytes) -> Answer:
    """The brokers (id, host, port, rack) are passed over; behind them stands the cluster's id. Raises struct.error."""
    _correlation, brokers = struct.unpack_from(">ii", answer)
    place = 8
    for _ in range(brokers):
        place = _behind_text(answer, place + 4) + 4  # id, host, port
        place = _behind_text(answer, place)  # rack
    end = _behind_text(answer, place)
    return Answer(live_brokers=brokers, cluster_id=answer[place + 2 : end].decode("utf-8", "replace"))


def _behind_text(answer: bytes, place: int) -> int:
    """Where a nullable string that begins at `place` ends."""
    length: int = struct.unpack_from(">h", answer, place)[0]
    return place + 2 + max(0, length)
