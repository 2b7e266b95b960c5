"""The files of a page, read once, served from memory under a policy that lets nothing in but themselves."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable

from aiohttp import web
from aiohttp.typedefs import Handler

from streamlabel.runtime.web.visitors import Visitors

# Scripts and styles only as files of ours; pictures also from blobs that the page makes; no page may frame this one.
# With trusted types and no policy for them, no script can turn a string into markup, by whatever mistake.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",
        "connect-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
PAGE_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    # Asked each time whether it is still the same, so that a page never runs against a newer service with old files.
    "Cache-Control": "no-cache",
    "Vary": "Accept-Encoding",
}

_MEDIA_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """One file as it goes out."""

    body: bytes
    packed: bytes
    media_type: str
    etag: str


def page_routes(package: str, visitors: Visitors, *, at: str = "/", assets_at: str = "/assets/") -> list[web.RouteDef]:
    """The page in folder `static` of a package, with the look that all pages share, to be had by `visitors` only.

    Its index.html is at `at`, every other file under `assets_at`. Reading the files is the only thing that touches the disk.
    """
    assets = _load(resources.files(__package__) / "look", "") | _load(resources.files(package) / "static", "")
    index = assets.pop("index.html")
    return [
        web.get(at, _serving(index, visitors)),
        *(web.get(f"{assets_at}{path}", _serving(asset, visitors)) for path, asset in sorted(assets.items())),
    ]


def _load(folder: Traversable, prefix: str) -> dict[str, Asset]:
    assets: dict[str, Asset] = {}
    for entry in folder.iterdir():
        if entry.is_dir():
            assets |= _load(entry, f"{prefix}{entry.name}/")
        elif media_type := _MEDIA_TYPES.get("." + entry.name.rpartition(".")[2]):
            body = entry.read_bytes()
            etag = hashlib.blake2b(body, digest_size=12).hexdigest()
            assets[prefix + entry.name] = Asset(
                body=body, packed=gzip.compress(body, mtime=0), media_type=media_type, etag=etag
            )
    return assets


def _serving(asset: Asset, visitors: Visitors) -> Handler:
    async def serve(request: web.Request) -> web.Response:
        if refusal := visitors.host_refusal(request):
            return web.Response(status=403, text=f"{refusal}\n", headers={"Cache-Control": "no-store"})
        headers = PAGE_HEADERS | {"ETag": f'"{asset.etag}"'}
        if any(match.value in (asset.etag, "*") for match in request.if_none_match or ()):
            return web.Response(status=304, headers=headers)
        packs = "gzip" in request.headers.get("Accept-Encoding", "")
        if packs:
            headers["Content-Encoding"] = "gzip"
        return web.Response(
            body=asset.packed if packs else asset.body, content_type=asset.media_type, charset="utf-8", headers=headers
        )

    return serve
