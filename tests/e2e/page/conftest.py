"""A desk, the page over it, and a person at a browser."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from support.browser import chromium
from support.page_host import PageHost, page_host
from support.page_samples import digit_tasks, digits_project
from support.page_visitor import Visit, Visitor
from support.paper_desk import PaperDesk

REPORTS = Path(__file__).parents[3] / "reports" / "page"

expect.set_options(timeout=8_000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # One browser for all of them, hence one loop.
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="session")
async def desk() -> PaperDesk:
    """Forty digits wait."""
    desk = PaperDesk(projects={"digits": digits_project()})
    await desk.put(*digit_tasks(40))
    return desk


@pytest_asyncio.fixture(loop_scope="session")
async def host(desk: PaperDesk) -> AsyncIterator[PageHost]:
    async with page_host(desk) as host:
        yield host


@pytest_asyncio.fixture(loop_scope="session")
async def visit(browser: Browser, host: PageHost) -> AsyncIterator[Visit]:
    """Opens the page in a browser profile of its own, and gives the person before it; all of them leave in the end.

    A script error, or anything that the policy of the page had to stop, fails the test.
    """
    async with AsyncExitStack() as exits:
        visitors: list[Visitor] = []

        async def visit(name: str = "ada", project: str = "digits", *, clock: bool = False, **context: Any) -> Visitor:
            profile = await browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **context})
            exits.push_async_callback(profile.close)
            page = await profile.new_page()
            if clock:
                # Time can be put forward: `page.clock.fast_forward`.
                await page.clock.install()
            visitor = await Visitor.enter(page, host.url, name=name, project=project)
            visitors.append(visitor)
            return visitor

        yield visit
        for visitor in visitors:
            assert visitor.faults == []


@pytest.fixture(scope="session")
def pictures() -> Path:
    """Where screenshots are kept."""
    folder = Path(os.environ.get("STREAMLABEL_TEST_REPORTS", REPORTS))
    folder.mkdir(parents=True, exist_ok=True)
    return folder
