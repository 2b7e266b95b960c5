"""How an RPC of review says that it fails: the status, and in its details what a program may go by.

INVALID_ARGUMENT, NOT_FOUND and FAILED_PRECONDITION name the field (google.rpc.BadRequest), UNAVAILABLE and RESOURCE_EXHAUSTED say
when to try again (google.rpc.RetryInfo).
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, NoReturn, Protocol, TypeVar

import grpc
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2

from streamlabel.errors import TransientError
from streamlabel.review.ports import Refusal, RefusedError

_STATUS_DETAILS = "grpc-status-details-bin"
_DEFAULT_RETRY_S = 1.0
_CODES = {
    Refusal.INVALID_ARGUMENT: grpc.StatusCode.INVALID_ARGUMENT,
    Refusal.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    Refusal.FAILED_PRECONDITION: grpc.StatusCode.FAILED_PRECONDITION,
}

Answer = TypeVar("Answer", bound=Message)


class Abortable(Protocol):
    """What is needed of a call's context to end it; gRPC's, and that of a call over HTTP."""

    async def abort(self, code: grpc.StatusCode, details: str = "", trailing_metadata: Any = ()) -> NoReturn: ...


async def answer_or_abort(context: Abortable, call: Awaitable[Answer]) -> Answer:
    """What `call` gives; what it refuses becomes the status of the RPC."""
    try:
        return await call
    except RefusedError as error:
        violation = error_details_pb2.BadRequest.FieldViolation(field=error.field, description=error.detail)
        await abort(
            context, _CODES[error.refusal], str(error), error_details_pb2.BadRequest(field_violations=[violation])
        )
    except TransientError as error:
        await abort(context, grpc.StatusCode.UNAVAILABLE, str(error), retry_info(error.retry_after_s))


def retry_info(retry_after_s: float | None) -> error_details_pb2.RetryInfo:
    """When to try again."""
    retry = error_details_pb2.RetryInfo()
    retry.retry_delay.FromMilliseconds(int((retry_after_s or _DEFAULT_RETRY_S) * 1000))
    return retry


async def abort(context: Abortable, code: grpc.StatusCode, words: str, *details: Message) -> NoReturn:
    """End the call with this status."""
    status = status_pb2.Status(code=code_pb2.Code.Value(code.name), message=words)
    for detail in details:
        status.details.add().Pack(detail)
    await context.abort(code, words, trailing_metadata=((_STATUS_DETAILS, status.SerializeToString()),))
    raise AssertionError("abort raises")
