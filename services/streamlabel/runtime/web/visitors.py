"""Which requests are turned away for where they come from, and what they are told."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from streamlabel.runtime.web.hosts import AllowedHosts

_MOST_SHOWN = 253


@dataclass(frozen=True, slots=True)
class Visitors:
    """Who may come: those who ask under one of `hosts`. `key` is the environment variable in which an operator lists them."""

    hosts: AllowedHosts
    key: str

    def host_refusal(self, request: web.Request) -> str | None:
        """Why the name under which this request came is none of ours, for a person; None: it is."""
        host = request.headers.get("Host", "")
        if self.hosts.admits(host):
            return None
        return f"this service is not published under the name {_shown(host)}: whoever runs it lists its names in {self.key}"

    def origin_refusal(self, request: web.Request) -> str | None:
        """Why the page that makes this call is none of ours, for a person; None: it is, or no page makes it."""
        if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
            return "calls from pages of other sites are not served"
        origin, host = request.headers.get("Origin"), request.headers.get("Host", "")
        if origin is None or self.hosts.admits_origin(origin, host):
            return None
        return (
            f"a page of {_shown(origin)} calls, but this service was asked for as {_shown(host)}: if a proxy in between changes "
            f"Host, let it pass Host on, or list the page's name in {self.key}"
        )


def _shown(value: str) -> str:
    return ascii(value[:_MOST_SHOWN])
