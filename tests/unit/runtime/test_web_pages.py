"""The files of our pages: all there, small, and nothing in them that the policy would have to forgive."""

from __future__ import annotations

import gzip
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import pytest
from aiohttp import ClientSession, web

from streamlabel.runtime.web.hosts import AllowedHosts
from streamlabel.runtime.web.page import CONTENT_SECURITY_POLICY, page_routes
from streamlabel.runtime.web.visitors import Visitors

ANYBODY_NEAR = Visitors(AllowedHosts(), "STREAMLABEL_X_ALLOWED_HOSTS")
LOOK = Path(str(resources.files("streamlabel.runtime.web") / "look"))


@dataclass(frozen=True)
class Page:
    """A page of ours, and where its service serves it."""

    package: str
    at: str
    assets_at: str

    @property
    def static(self) -> Path:
        return Path(str(resources.files(self.package) / "static"))

    @property
    def files(self) -> dict[str, Path]:
        """By the path under which they are served, but for the index."""
        return {
            self.assets_at + str(path.relative_to(folder)): path
            for folder in (LOOK, self.static)
            for path in sorted(folder.rglob("*"))
            if path.is_file() and path.name != "index.html"
        }

    @property
    def index(self) -> str:
        return (self.static / "index.html").read_text()

    def routes(self, visitors: Visitors = ANYBODY_NEAR) -> list[web.RouteDef]:
        return page_routes(self.package, visitors, at=self.at, assets_at=self.assets_at)

    @asynccontextmanager
    async def served(self, visitors: Visitors = ANYBODY_NEAR) -> AsyncIterator[str]:
        """Gives the address, without a slash at its end."""
        app = web.Application()
        app.add_routes(self.routes(visitors))
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()


REVIEW = Page("streamlabel.review.adapters.web", "/", "/assets/")
GATES = Page("streamlabel.learning.adapters.web", "/gate", "/gate/assets/")
PAGES = [REVIEW, GATES]
FILES = sorted({path for page in PAGES for path in page.files.values()})
SCRIPTS = [path for path in FILES if path.suffix == ".js"]
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.package.split(".")[1])


def short(path: Path) -> str:
    return "/".join(path.parts[-3:])


@every_page
def test_every_file_has_a_path(page: Page) -> None:
    assert {route.path for route in page.routes()} == {page.at, *page.files}


@every_page
def test_no_page_has_a_file_of_the_name_of_one_that_all_share(page: Page) -> None:
    names = {str(path.relative_to(LOOK)) for path in LOOK.rglob("*") if path.is_file()}
    assert names
    assert not [name for name in names if (page.static / name).exists()]


@pytest.mark.parametrize("path", FILES, ids=short)
def test_files_are_small(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400


@pytest.mark.parametrize("path", SCRIPTS, ids=short)
def test_modules_import_files_that_exist(path: Path) -> None:
    for target in re.findall(r'(?:from|import) "(\.[^"]+)"', path.read_text()):
        assert (path.parent / target).resolve().is_file(), f"{short(path)} imports {target}"


@every_page
def test_the_index_names_files_that_exist(page: Page) -> None:
    named = re.findall(r'(?:src|href)="([^"]+)"', page.index)
    assert named
    assert set(named) <= {page.at, *page.files}
    sheets = {path for path in page.files if path.endswith(".css")}
    assert sheets <= set(named), "every style sheet is used"


@pytest.mark.parametrize("path", SCRIPTS, ids=short)
def test_no_script_can_make_markup_or_code_out_of_text(path: Path) -> None:
    sinks = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment|\beval\(|new Function|srcdoc"
    assert not re.search(sinks, path.read_text())


@every_page
def test_the_index_has_no_inline_script_or_style(page: Page) -> None:
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", page.index)
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", page.index))


def test_the_policy_allows_nothing_but_our_own() -> None:
    policy = dict(part.split(" ", 1) for part in CONTENT_SECURITY_POLICY.split("; "))
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' blob:",
        "connect-src": "'self'",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }


@every_page
async def test_every_file_goes_out_with_policy_type_and_tag(page: Page) -> None:
    types = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", "": "text/html"}
    async with page.served() as url, ClientSession() as session:
        for path in (page.at, *page.files):
            async with session.get(url + path) as response:
                assert response.status == 200
                assert response.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
                assert response.headers["X-Content-Type-Options"] == "nosniff"
                assert response.headers["Cache-Control"] == "no-cache"
                assert response.content_type == types[Path(path).suffix]
            tag = response.headers["ETag"]
            async with session.get(url + path, headers={"If-None-Match": tag}) as again:
                assert (again.status, await again.read()) == (304, b"")


async def test_files_are_packed_for_those_who_can_unpack() -> None:
    async with REVIEW.served() as url, ClientSession(auto_decompress=False) as session:
        script = f"{url}/assets/js/main.js"
        async with session.get(script, headers={"Accept-Encoding": "gzip"}) as packed:
            assert packed.headers["Content-Encoding"] == "gzip"
            body = gzip.decompress(await packed.read())
        async with session.get(script, headers={"Accept-Encoding": "identity"}) as plain:
            assert "Content-Encoding" not in plain.headers
            assert await plain.read() == body


@every_page
@pytest.mark.parametrize("name", ["", "../connect.py", "%2e%2e/page.py", "js/none.js"])
async def test_nothing_else_is_there(page: Page, name: str) -> None:
    async with (
        page.served() as url,
        ClientSession() as session,
        session.get(f"{url}{page.assets_at}{name}") as response,
    ):
        assert response.status == 404


@every_page
@pytest.mark.parametrize("asset", [False, True])
async def test_under_a_name_that_is_not_ours_there_is_no_page_but_the_key_to_set(page: Page, asset: bool) -> None:
    visitors = Visitors(AllowedHosts.of(["label.example.org"]), "STREAMLABEL_OURS_ALLOWED_HOSTS")
    async with page.served(visitors) as url, ClientSession() as session:
        address = url + (f"{page.assets_at}js/main.js" if asset else page.at)
        async with session.get(address, headers={"Host": "rebound.example"}) as refused:
            assert (refused.status, refused.content_type) == (403, "text/plain")
            told = await refused.text()
        async with session.get(address, headers={"Host": "label.example.org:8443"}) as listed:
            assert listed.status == 200
    assert "'rebound.example'" in told
    assert "STREAMLABEL_OURS_ALLOWED_HOSTS" in told
