"""Which requests are turned away for where they come from, and what they are told."""

from __future__ import annotations

from aiohttp import web

from streamlabel.review.rules.hosts import AllowedHosts
from streamlabel.runtime.settings import env_key

_ALLOWED_HOSTS = env_key("review_allowed_hosts")
_MOST_SHOWN = 253


def host_refusal(request: web.Request, hosts: AllowedHosts) -> str | None:
    """Why the name under which this request came is none of ours, for a person; None: it is."""
    host = request.headers.get("Host", "")
    if hosts.admits(host):
        return None
    return f"this service is not published under the name {_shown(host)}: whoever runs it lists its names in {_ALLOWED_HOSTS}"


def origin_refusal(request: web.Request, hosts: AllowedHosts) -> str | None:
    """Why the page that makes this call is none of ours, for a person; None: it is, or no page makes it."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        return "calls from pages of other sites are not served"
    origin, host = request.headers.get("Origin"), request.headers.get("Host", "")
    if origin is None or hosts.admits_origin(origin, host):
        return None
    return (
        f"a page of {_shown(origin)} calls, but this service was asked for as {_shown(host)}: if a proxy in between changes "
        f"Host, let it pass Host on, or list the page's name in {_ALLOWED_HOSTS}"
    )


def _shown(value: str) -> str:
    return ascii(value[:_MOST_SHOWN])
