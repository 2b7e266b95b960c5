"""When a call is worth another try, and how long to wait before it."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

_STATUS_DETAILS = "grpc-status-details-bin"
_FAILED_CONNECTION = "Failed to connect to remote host: "
# A server that is killed shows as any of these; each of our calls is idempotent, so all are safe to repeat.
_PASSING = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Exponential back-off with full jitter; `give_up_s` without any progress is too long (None: never)."""

    base_s: float = 0.1
    cap_s: float = 5.0
    give_up_s: float | None = 60.0
    random: Callable[[], float] = field(default=random.random, repr=False)

    def delay_s(self, attempt: int, *, at_least_s: float = 0.0) -> float:
        """The pause after failed attempt number `attempt`, counted from 1; never shorter than the server asks for."""
        ceiling_s = min(self.cap_s, self.base_s * 2.0 ** min(attempt - 1, 30))
        return max(at_least_s, 0.02, self.random() * ceiling_s)


def is_passing(error: grpc.aio.AioRpcError) -> bool:
    """Whether the same call may succeed later."""
    return error.code() in _PASSING and not is_too_large(error)


def told(error: grpc.aio.AioRpcError) -> str:
    """The error for a person; gRPC tells of a failed connection by naming every layer that it passed."""
    details = error.details() or ""
    return f"{error.code().name}: {details.rpartition(_FAILED_CONNECTION)[2]}"


def is_too_large(error: grpc.aio.AioRpcError) -> bool:
    """Whether one of the two sides refused the size of the message: then no later try helps."""
    return error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED and "larger than max" in (error.details() or "")


def asked_delay_s(error: grpc.aio.AioRpcError) -> float:
    """How long the server asked to wait (google.rpc.RetryInfo); 0 where it did not say."""
    for name, value in error.trailing_metadata() or ():
        if name == _STATUS_DETAILS and isinstance(value, bytes):
            return _delay_in(value)
    return 0.0


def _delay_in(details: bytes) -> float:
    try:
        status = status_pb2.Status.FromString(details)
    except DecodeError:
        return 0.0
    retry_info = error_details_pb2.RetryInfo()
    for detail in status.details:
        if detail.Unpack(retry_info):
            return float(retry_info.retry_delay.ToTimedelta().total_seconds())
    return 0.0
