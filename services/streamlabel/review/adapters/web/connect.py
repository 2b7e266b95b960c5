"""The unary Connect protocol with JSON: `POST /<package>.<Service>/<Method>`, answered by the gRPC servicer itself.

It works from the service descriptor: a method added to the proto and to the servicer is here at once. A call that
fails has the HTTP status of its code and the body `{"code": …, "message": …}`.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NoReturn

import grpc
import orjson
from aiohttp import web
from google.protobuf import any_pb2, json_format
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2, status_pb2

from streamlabel.errors import InvalidMessageError, TransientError
from streamlabel.review.adapters.guard import Admit
from streamlabel.runtime.web.visitors import Visitors
from streamlabel.v1 import access_service_pb2, review_service_pb2

REVIEW_SERVICE: ServiceDescriptor = review_service_pb2.DESCRIPTOR.services_by_name["ReviewService"]
ACCESS_SERVICE: ServiceDescriptor = access_service_pb2.DESCRIPTOR.services_by_name["AccessService"]
# A little more than the longest poll that LeaseTasks allows.
CALL_LIMIT_S = 40.0

_JSON = "application/json"
_STATUS_DETAILS = "grpc-status-details-bin"
# How soon a call notices that its caller has gone: a task leased for nobody stays away until its lease expires.
_PRESENCE_CHECK_S = 0.25

_HTTP_STATUS = {
    grpc.StatusCode.CANCELLED: 499,
    grpc.StatusCode.UNKNOWN: 500,
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.INTERNAL: 500,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DATA_LOSS: 500,
    grpc.StatusCode.UNAUTHENTICATED: 401,
}


class CallFailedError(Exception):
    """A call ends with `code` instead of an answer; `detail` is for a person, `parts` (google.rpc messages) for a program."""

    def __init__(self, code: grpc.StatusCode, detail: str, parts: Sequence[any_pb2.Any] = ()) -> None:
        super().__init__(f"{code.name}: {detail}")
        self.code = code
        self.detail = detail
        self.parts = parts


class CallContext:
    """What a servicer may ask of its caller here; the part of grpc.aio.ServicerContext that makes sense over HTTP."""

    def __init__(self, request: web.Request) -> None:
        self._request = request

    async def abort(self, code: grpc.StatusCode, details: str = "", trailing_metadata: Sequence[Any] = ()) -> NoReturn:
        """End the call with `code`; of the metadata, a google.rpc.Status gives its details to the answer."""
        status = status_pb2.Status()
        for name, value in trailing_metadata:
            if name == _STATUS_DETAILS:
                status.ParseFromString(value)
        raise CallFailedError(code, details, status.details)

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        """The request's headers, names in lower case."""
        return tuple((name.lower(), value) for name, value in self._request.headers.items())

    def peer(self) -> str:
        """Who calls, for logs."""
        return f"http:{self._request.remote}"


def connect_routes(
    service: ServiceDescriptor, servicer: object, visitors: Visitors, admit: Admit
) -> list[web.RouteDef]:
    """One route per unary method of `service`; each calls the method of that name on `servicer`, where `admit` lets it.

    A call that is none of `visitors`', or from a page of another origin, is refused with PERMISSION_DENIED.
    Raises AttributeError where the servicer lacks a method, so that a gap shows at start and not at the first call.
    """
    return [
        web.post(f"/{service.full_name}/{method.name}", _Call(method, servicer, visitors, admit).serve)
        for method in service.methods
        if not (method.client_streaming or method.server_streaming)
    ]


class _Call:
    """Serves one method over HTTP."""

    def __init__(self, method: MethodDescriptor, servicer: object, visitors: Visitors, admit: Admit) -> None:
        self._method = method
        self._rpc = f"/{method.containing_service.full_name}/{method.name}"
        self._admit = admit
        self._servicer: Any = servicer
        self._behaviour: Callable[[Any, Any], Awaitable[Any]] = getattr(servicer, method.name)
        self._visitors = visitors
        self._request_class = GetMessageClass(method.input_type)

    async def serve(self, request: web.Request) -> web.Response:
        if request.content_type != _JSON:
            # Also what keeps other sites out: a browser asks the server before it sends JSON across origins.
            return web.Response(status=415, text=f"send {_JSON}\n", headers={"Accept-Post": _JSON})
        try:
            self._refuse_strangers(request)
            message = await self._read(request)
            await self._admit(self._rpc, CallContext(request), message)
            answer = await self._answer(request, message)
        except CallFailedError as failed:
            return failure(failed.code, failed.detail, parts=failed.parts)
        except InvalidMessageError as error:
            return failure(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        except TransientError as error:
            return failure(grpc.StatusCode.UNAVAILABLE, str(error), retry_after_s=error.retry_after_s)
        return _json(200, orjson.dumps(json_format.MessageToDict(answer)))

    async def _answer(self, request: web.Request, message: Message) -> Any:
        context = CallContext(request)
        if not isinstance(message, review_service_pb2.LeaseTasksRequest):
            # What the caller wants changed is changed, also where he does not stay to hear of it.
            return await self._behaviour(message, context)
        leased = await _while_present(request, self._behaviour(message, context))
        if _is_gone(request):
            # Granted in the very moment in which he left: free at once, not when the leases run out.
            tokens = [task.lease.lease_token for task in leased.tasks]
            back = review_service_pb2.ReleaseLeasesRequest(annotator=message.annotator, lease_tokens=tokens)
            await self._servicer.ReleaseLeases(back, context)
            raise CallFailedError(grpc.StatusCode.CANCELLED, "the caller has gone")
        return leased

    def _refuse_strangers(self, request: web.Request) -> None:
        refusal = self._visitors.host_refusal(request) or self._visitors.origin_refusal(request)
        if refusal is not None:
            raise CallFailedError(grpc.StatusCode.PERMISSION_DENIED, refusal)

    async def _read(self, request: web.Request) -> Message:
        message = self._request_class()
        try:
            body = orjson.loads(await request.read())
            if not isinstance(body, dict):
                raise json_format.ParseError("it is no JSON object")
            json_format.ParseDict(body, message, ignore_unknown_fields=True)
        except (orjson.JSONDecodeError, json_format.ParseError) as error:
            what = f"the body is no {self._method.input_type.name}: {error}"
            raise CallFailedError(grpc.StatusCode.INVALID_ARGUMENT, what) from error
        except web.HTTPRequestEntityTooLarge as error:
            raise CallFailedError(grpc.StatusCode.RESOURCE_EXHAUSTED, f"the body is too large: {error.text}") from error
        return message


def _is_gone(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


async def _while_present(request: web.Request, answer: Awaitable[Any]) -> Any:
    """The answer, or a cancelled call as soon as nobody waits for it."""
    call = asyncio.ensure_future(answer)
    try:
        while True:
            done, _ = await asyncio.wait((call,), timeout=_PRESENCE_CHECK_S)
            if done:
                return call.result()
            if _is_gone(request):
                raise CallFailedError(grpc.StatusCode.CANCELLED, "the caller has gone")
    finally:
        if not call.done():
            call.cancel()
            await asyncio.wait((call,), timeout=_PRESENCE_CHECK_S)


def failure(
    code: grpc.StatusCode, detail: str, *, parts: Sequence[any_pb2.Any] = (), retry_after_s: float | None = None
) -> web.Response:
    """The answer to a call that ends with `code`."""
    # Connect spells one code unlike gRPC.
    word = "canceled" if code is grpc.StatusCode.CANCELLED else code.name.lower()
    body: dict[str, object] = {"code": word, "message": detail}
    if parts:
        body["details"] = [
            {"type": part.TypeName(), "value": base64.b64encode(part.value).rstrip(b"=").decode()} for part in parts
        ]
    response = _json(_HTTP_STATUS[code], orjson.dumps(body))
    delay_s = _retry_delay_s(parts) if retry_after_s is None else retry_after_s
    if delay_s is not None:
        response.headers["Retry-After"] = str(max(1, round(delay_s)))
    return response


def _retry_delay_s(parts: Sequence[any_pb2.Any]) -> float | None:
    retry = error_details_pb2.RetryInfo()
    return next((retry.retry_delay.ToMilliseconds() / 1000 for part in parts if part.Unpack(retry)), None)


def _json(status: int, body: bytes) -> web.Response:
    return web.Response(status=status, body=body, content_type=_JSON, headers={"Cache-Control": "no-store"})
