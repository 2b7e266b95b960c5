"""The page that shows how gates stand, at /gate, and the way to it."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web

from streamlabel.runtime.web.page import page_routes
from streamlabel.runtime.web.visitors import Visitors

PACKAGE = "streamlabel.learning.adapters.web"
AT, ASSETS_AT = "/gate", "/gate/assets/"


def gate_page_routes(visitors: Visitors) -> Sequence[web.AbstractRouteDef]:
    """`/gate` and its files, for `visitors` only; `/` leads there."""
    return [
        web.get("/", _lead_to_page),
        web.get(f"{AT}/", _lead_to_page),
        *page_routes(PACKAGE, visitors, at=AT, assets_at=ASSETS_AT),
    ]


async def _lead_to_page(_request: web.Request) -> web.StreamResponse:
    # Not for ever: another release may have another page here.
    return web.Response(status=302, headers={"Location": AT})
