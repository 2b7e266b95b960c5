"""Asks before each call of a gRPC server, whatever service it is of, whether it may be made."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc

# Of `/<package>.<Service>/<Method>`, the context, and the request (None where requests are yet to come): returns, or aborts the call.
Admit = Callable[[str, Any, Any], Awaitable[None]]


class GuardInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[misc]
    """Lets `admit` see every call before its servicer does, and on a stream of requests each request too."""

    def __init__(self, admit: Admit) -> None:
        self._admit = admit

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler:
        """The handler behind the question; a method that is not there stays UNIMPLEMENTED."""
        handler = await continuation(handler_call_details)
        if handler is None:
            return handler
        rpc = handler_call_details.method
        inner = handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream
        wrapped = (
            self._streaming(rpc, inner, requests_stream=handler.request_streaming)
            if handler.response_streaming
            else self._single(rpc, inner, requests_stream=handler.request_streaming)
        )
        return with_behaviour(handler, wrapped)

    def _single(self, rpc: str, inner: Callable[..., Any], *, requests_stream: bool) -> Callable[..., Any]:
        async def call(request: Any, context: grpc.aio.ServicerContext) -> Any:
            await self._admit(rpc, context, None if requests_stream else request)
            return await inner(self._asked(rpc, request, context) if requests_stream else request, context)

        return call

    def _streaming(self, rpc: str, inner: Callable[..., Any], *, requests_stream: bool) -> Callable[..., Any]:
        async def call(request: Any, context: grpc.aio.ServicerContext) -> AsyncIterator[Any]:
            await self._admit(rpc, context, None if requests_stream else request)
            answers = inner(self._asked(rpc, request, context) if requests_stream else request, context)
            if inspect.isasyncgen(answers):
                async for answer in answers:
                    yield answer
            else:  # A servicer may also be a coroutine that calls `context.write` itself.
                await answers

        return call

    async def _asked(self, rpc: str, requests: AsyncIterator[Any], context: grpc.aio.ServicerContext) -> Any:
        async for request in requests:
            await self._admit(rpc, context, request)
            yield request


def with_behaviour(handler: grpc.RpcMethodHandler, behaviour: Callable[..., Any]) -> grpc.RpcMethodHandler:
    """The same method, done by `behaviour`."""
    makers = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }
    make = makers[(handler.request_streaming, handler.response_streaming)]
    return make(
        behaviour,
        request_deserializer=handler.request_deserializer,
        response_serializer=handler.response_serializer,
    )
