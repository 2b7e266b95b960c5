"""Login and logout of the page: the token goes into a cookie that no script can read, and out of it again."""

from __future__ import annotations

import grpc
import orjson
from aiohttp import web

from streamlabel.errors import TransientError
from streamlabel.review.access import Doorkeeper
from streamlabel.review.access_ports import DeniedError
from streamlabel.review.adapters.guard import CODES, COOKIE, Guard, network_of
from streamlabel.review.adapters.web.connect import failure
from streamlabel.runtime.web.visitors import Visitors

_LASTS_S = 30 * 24 * 3600
_JSON = "application/json"
_MAX_BODY_BYTES = 4096


def session_routes(doorkeeper: Doorkeeper, guard: Guard, visitors: Visitors) -> list[web.RouteDef]:
    """`POST /session` with `{"token": …}` logs in, `DELETE /session` logs out; for pages of `visitors` only."""
    session = _Session(doorkeeper, guard, visitors)
    return [web.post("/session", session.open), web.delete("/session", session.close)]


class _Session:
    def __init__(self, doorkeeper: Doorkeeper, guard: Guard, visitors: Visitors) -> None:
        self._doorkeeper = doorkeeper
        self._guard = guard
        self._visitors = visitors

    async def open(self, request: web.Request) -> web.Response:
        if refusal := self._refusal(request):
            return refusal
        try:
            body = orjson.loads((await request.content.read(_MAX_BODY_BYTES)) or b"null")
            token = body["token"]
            if not isinstance(token, str):
                raise TypeError
        except (orjson.JSONDecodeError, KeyError, TypeError):
            return failure(grpc.StatusCode.INVALID_ARGUMENT, 'send {"token": "…"}')
        try:
            annotator = await self._doorkeeper.identify(token.strip(), network_of(request.remote or ""))
        except DeniedError as error:
            self._guard.count(error)
            return failure(CODES[error.denial], error.detail, retry_after_s=error.retry_after_s)
        except TransientError as error:
            return failure(grpc.StatusCode.UNAVAILABLE, str(error), retry_after_s=error.retry_after_s)
        response = _answer({"name": annotator.name})
        # Strict: no other site's link or form brings it along. The page's own scripts cannot read it, nor could one that slipped in.
        response.set_cookie(
            COOKIE,
            token.strip(),
            max_age=_LASTS_S,
            path="/",
            httponly=True,
            samesite="Strict",
            secure=request.headers.get("X-Forwarded-Proto", request.scheme) == "https",
        )
        return response

    async def close(self, request: web.Request) -> web.Response:
        if refusal := self._refusal(request):
            return refusal
        response = _answer({})
        response.del_cookie(COOKIE, path="/", httponly=True, samesite="Strict")
        return response

    def _refusal(self, request: web.Request) -> web.Response | None:
        refusal = self._visitors.host_refusal(request) or self._visitors.origin_refusal(request)
        if refusal is not None:
            return failure(grpc.StatusCode.PERMISSION_DENIED, refusal)
        if request.method == "POST" and request.content_type != _JSON:
            return web.Response(status=415, text=f"send {_JSON}\n", headers={"Accept-Post": _JSON})
        return None


def _answer(body: dict[str, str]) -> web.Response:
    return web.Response(body=orjson.dumps(body), content_type=_JSON, headers={"Cache-Control": "no-store"})
