"""The page under names: its own, one that a stranger has pointed here, and its own behind a proxy that hides it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest_asyncio
from aiohttp import ClientSession, web
from playwright.async_api import Browser, expect

from streamlabel.runtime.web.hosts import AllowedHosts
from support.browser import chromium
from support.page_host import PageHost, page_host
from support.page_visitor import Visitor, eventually
from support.paper_desk import PaperDesk

OURS, REBOUND = "label.example.org", "rebound.example"
READ_TASKS = """
async () => {
  const response = await fetch("/streamlabel.v1.ReviewService/LeaseTasks", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ annotator: "eve", maxTasks: 1 }),
  });
  return [response.status, await response.text()];
}
"""


@pytest_asyncio.fixture(loop_scope="session")
async def named_browser() -> AsyncIterator[Browser]:
    """To this browser both names lead to this machine, as DNS would have it after the rebinding."""
    async with chromium(f"--host-resolver-rules=MAP {OURS} 127.0.0.1, MAP {REBOUND} 127.0.0.1") as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="session")
async def named_host(desk: PaperDesk) -> AsyncIterator[PageHost]:
    async with page_host(desk, hosts=AllowedHosts.of([OURS])) as host:
        yield host


def mistakes(visitor: Visitor) -> list[str]:
    """Without Chromium's remark that one header means nothing to it where a name comes without TLS."""
    return [fault for fault in visitor.faults if "Cross-Origin-Opener-Policy header has been ignored" not in fault]


async def label_one(browser: Browser, url: str, desk: PaperDesk) -> None:
    ada = await Visitor.enter(await browser.new_page(), url, name="ada", project="digits")
    await ada.sees("d-0000")
    await ada.press("7")
    await eventually(lambda: desk.answers() == {"digits/d-0000": "7"})
    assert mistakes(ada) == []
    await ada.page.context.close()


async def test_under_its_listed_name_the_page_works(
    named_browser: Browser, named_host: PageHost, desk: PaperDesk
) -> None:
    await label_one(named_browser, f"http://{OURS}:{named_host.port}/", desk)


async def test_a_rebound_name_gets_neither_page_nor_tasks(
    named_browser: Browser, named_host: PageHost, desk: PaperDesk
) -> None:
    page = await named_browser.new_page()
    response = await page.goto(f"http://{REBOUND}:{named_host.port}/")
    assert response is not None
    assert response.status == 403
    await expect(page.locator("body")).to_contain_text("STREAMLABEL_REVIEW_ALLOWED_HOSTS")
    # What the stranger's own script would do, in the origin that the browser takes for the stranger's: the policy that
    # goes with our refusal is not theirs to obey.
    await page.context.close()
    free = await (await named_browser.new_context(bypass_csp=True)).new_page()
    await free.goto(f"http://{REBOUND}:{named_host.port}/")
    status, told = await free.evaluate(READ_TASKS)
    assert status == 403
    assert "permission_denied" in told
    assert desk.held_by("eve") == []
    await free.context.close()


@asynccontextmanager
async def proxy_before(target: PageHost) -> AsyncIterator[int]:
    """A proxy as many are by default: what it passes on bears the address that it was told, not the name that was asked for."""
    async with ClientSession(auto_decompress=False) as session:

        async def pass_on(request: web.Request) -> web.Response:
            headers = {name: value for name, value in request.headers.items() if name.lower() != "host"}
            url = target.url.rstrip("/") + request.path_qs
            async with session.request(request.method, url, headers=headers, data=await request.read()) as answer:
                kept = {name: value for name, value in answer.headers.items() if name != "Transfer-Encoding"}
                return web.Response(status=answer.status, body=await answer.read(), headers=kept)

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", pass_on)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            yield runner.addresses[0][1]
        finally:
            await runner.cleanup()


async def test_behind_a_proxy_that_changes_host_the_listed_name_works(
    named_browser: Browser, named_host: PageHost, desk: PaperDesk
) -> None:
    async with proxy_before(named_host) as port:
        await label_one(named_browser, f"http://{OURS}:{port}/", desk)


async def test_behind_such_a_proxy_a_name_that_is_not_listed_is_told_what_is_missing(
    named_browser: Browser, named_host: PageHost, desk: PaperDesk
) -> None:
    async with proxy_before(named_host) as port:
        page = await named_browser.new_page()
        ada = await Visitor.enter(page, f"http://{REBOUND}:{port}/", name="", project="digits")
        await expect(page.get_by_role("heading", name="The service refused")).to_be_visible()
        await expect(page.locator(".screen-detail")).to_contain_text("STREAMLABEL_REVIEW_ALLOWED_HOSTS")
        assert mistakes(ada) == []
        await page.context.close()
    assert desk.held_by("ada") == []
