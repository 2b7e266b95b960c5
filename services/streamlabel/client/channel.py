"""The connection that both clients speak over."""

from __future__ import annotations

import os

import grpc

from streamlabel.client.tls import credentials_of


def open_channel(
    address: str, credentials: grpc.ChannelCredentials | None, *, message_max_bytes: int
) -> grpc.aio.Channel:
    """A channel to `address`; it connects by itself, again and again, within seconds.

    Over TLS where there are credentials, or the environment asks for it (`client/tls.py`).
    """
    credentials = credentials or credentials_of(os.environ)
    options = [
        ("grpc.max_send_message_length", message_max_bytes),
        ("grpc.max_receive_message_length", message_max_bytes),
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 2_000),
        # Of several servers behind one name each gets its share.
        ("grpc.lb_policy_name", "round_robin"),
    ]
    if credentials is None:
        return grpc.aio.insecure_channel(address, options=options)
    return grpc.aio.secure_channel(address, credentials, options=options)
