"""The files of the page: all there, small, and nothing in them that the policy would have to forgive."""

from __future__ import annotations

import gzip
import re
from importlib import resources
from pathlib import Path

import pytest
from aiohttp import ClientSession

from streamlabel.review.adapters.web.page import CONTENT_SECURITY_POLICY, page_routes
from streamlabel.review.rules.hosts import AllowedHosts
from support.page_host import page_host
from support.paper_desk import PaperDesk

STATIC = Path(str(resources.files("streamlabel.review.adapters.web") / "static"))
FILES = sorted(path for path in STATIC.rglob("*") if path.is_file())
SCRIPTS = [path for path in FILES if path.suffix == ".js"]
PATHS = {route.path for route in page_routes(AllowedHosts())}


def relative(path: Path) -> str:
    return str(path.relative_to(STATIC))


def test_every_file_has_a_path() -> None:
    assert {"/"} | {f"/assets/{relative(path)}" for path in FILES if path.name != "index.html"} == PATHS


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_files_are_small(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400


@pytest.mark.parametrize("path", SCRIPTS, ids=relative)
def test_modules_import_files_that_exist(path: Path) -> None:
    for target in re.findall(r'(?:from|import) "(\.[^"]+)"', path.read_text()):
        assert (path.parent / target).resolve().is_file(), f"{relative(path)} imports {target}"


def test_the_index_names_files_that_exist() -> None:
    named = re.findall(r'(?:src|href)="([^"]+)"', (STATIC / "index.html").read_text())
    assert named
    assert set(named) <= PATHS


@pytest.mark.parametrize("path", SCRIPTS, ids=relative)
def test_no_script_can_make_markup_or_code_out_of_text(path: Path) -> None:
    sinks = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment|\beval\(|new Function|srcdoc"
    assert not re.search(sinks, path.read_text())


def test_the_index_has_no_inline_script_or_style() -> None:
    text = (STATIC / "index.html").read_text()
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", text)
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", text))


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


async def test_every_file_goes_out_with_policy_type_and_tag() -> None:
    types = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", "": "text/html"}
    async with page_host(PaperDesk()) as host, ClientSession() as session:
        for path in sorted(PATHS):
            async with session.get(host.url.rstrip("/") + path) as response:
                assert response.status == 200
                assert response.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
                assert response.headers["X-Content-Type-Options"] == "nosniff"
                assert response.headers["Cache-Control"] == "no-cache"
                assert response.content_type == types[Path(path).suffix]
            tag = response.headers["ETag"]
            async with session.get(host.url.rstrip("/") + path, headers={"If-None-Match": tag}) as again:
                assert (again.status, await again.read()) == (304, b"")


async def test_files_are_packed_for_those_who_can_unpack() -> None:
    async with page_host(PaperDesk()) as host, ClientSession(auto_decompress=False) as session:
        url = f"{host.url}assets/js/main.js"
        async with session.get(url, headers={"Accept-Encoding": "gzip"}) as packed:
            assert packed.headers["Content-Encoding"] == "gzip"
            body = gzip.decompress(await packed.read())
        async with session.get(url, headers={"Accept-Encoding": "identity"}) as plain:
            assert "Content-Encoding" not in plain.headers
            assert await plain.read() == body


@pytest.mark.parametrize("path", ["assets/", "assets/../connect.py", "assets/%2e%2e/connect.py", "assets/js/none.js"])
async def test_nothing_else_is_there(path: str) -> None:
    async with page_host(PaperDesk()) as host, ClientSession() as session, session.get(host.url + path) as response:
        assert response.status == 404


@pytest.mark.parametrize("path", ["", "assets/js/main.js"])
async def test_under_a_name_that_is_not_ours_there_is_no_page_but_the_key_to_set(path: str) -> None:
    async with page_host(PaperDesk(), hosts=AllowedHosts.of(["label.example.org"])) as host, ClientSession() as session:
        async with session.get(host.url + path, headers={"Host": "rebound.example"}) as refused:
            assert (refused.status, refused.content_type) == (403, "text/plain")
            told = await refused.text()
        async with session.get(host.url + path, headers={"Host": "label.example.org:8443"}) as listed:
            assert listed.status == 200
    assert "'rebound.example'" in told
    assert "STREAMLABEL_REVIEW_ALLOWED_HOSTS" in told
