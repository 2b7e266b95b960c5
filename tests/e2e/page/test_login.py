"""Signing in, staying in, being put out, signing out: the page over a desk that asks who comes, on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Browser, Page, expect

from streamlabel.client.access import AccessClient
from streamlabel.core.desk import AnnotationStatus
from support.access import OPERATOR_TOKEN, GuardedReview, guarded
from support.accessibility import violations
from support.page_visitor import SCHEMES, Visitor, eventually
from support.review_queue import ReviewQueue, review_queue, task

pytestmark = pytest.mark.integration


@asynccontextmanager
async def at_the_door(browser: Browser, dsn: str) -> AsyncIterator[tuple[ReviewQueue, GuardedReview, Visitor]]:
    """A desk with six tasks, and somebody before its page."""
    async with review_queue(dsn) as queue, guarded(queue) as review:
        await queue.feed(*(task(f"r{number}") for number in range(6)))
        profile = await browser.new_context(viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
        visitor = await Visitor.enter(await profile.new_page(), f"{review.url}/", name="", project="mail")
        try:
            yield queue, review, visitor
        finally:
            await profile.close()
            queue.stopping.set()
        assert visitor.faults == []


async def sign_in(page: Page, token: str) -> None:
    await page.get_by_label("Your token").fill(token)
    await page.keyboard.press("Enter")


async def secrets_in_reach(page: Page) -> str:
    """Everything that a script of this page could read of what the browser keeps."""
    return str(
        await page.evaluate(
            "JSON.stringify([document.cookie, {...localStorage}, {...sessionStorage}, document.documentElement.outerHTML])"
        )
    )


async def test_from_the_login_to_the_logout(browser: Browser, postgres_database: str) -> None:
    async with at_the_door(browser, postgres_database) as (queue, review, ann):
        token = await review.newcomer("ann", "annotator@mail")
        page = ann.page
        await expect(page.get_by_label("Your token")).to_be_focused()
        for scheme in SCHEMES:
            await page.emulate_media(color_scheme=scheme)
            assert await violations(page) == [], scheme
        await sign_in(page, "slt_abcdefghijkl_" + "x" * 43)
        await expect(page.get_by_role("alert")).to_contain_text("this token is not valid here")
        await sign_in(page, token)
        await ann.sees("r0")
        assert token not in await secrets_in_reach(page)
        await page.reload()
        await ann.sees("r0")
        await ann.press("1")
        await ann.sees("r1")
        await eventually(lambda: [status for _, _, status, _ in queue.tally.answers] == [AnnotationStatus.ACCEPTED])

        await page.get_by_role("button", name="ann").click()
        await expect(page.get_by_role("heading", name="You are ann")).to_be_visible()
        assert await violations(page) == []
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.get_by_label("Your token")).to_be_visible()
        await page.reload()
        await expect(page.get_by_label("Your token")).to_be_visible()
        assert [cookie for cookie in await page.context.cookies() if cookie["name"] == "streamlabel_token"] == []


async def test_an_answer_given_while_the_token_is_revoked_waits_for_the_next(
    browser: Browser, postgres_database: str
) -> None:
    async with at_the_door(browser, postgres_database) as (queue, review, ann):
        await sign_in(ann.page, await review.newcomer("ann", "annotator"))
        await ann.sees("r0")
        async with AccessClient(review.address, token=OPERATOR_TOKEN) as office:
            assert await office.revoke("ann") == 1
            await ann.press("1")
            await expect(ann.page.get_by_label("Your token")).to_be_visible()
            assert queue.tally.answers == []
            token, _ = await office.create_token("ann")
        await sign_in(ann.page, token)
        await eventually(lambda: len(queue.tally.answers) == 1)
        await expect(ann.stage).to_be_visible()


async def test_who_comes_next_sends_nothing_of_who_was_there(browser: Browser, postgres_database: str) -> None:
    async with at_the_door(browser, postgres_database) as (queue, review, ann):
        await sign_in(ann.page, await review.newcomer("ann", "annotator"))
        bob = await review.newcomer("bob", "annotator")
        await ann.sees("r0")
        async with AccessClient(review.address, token=OPERATOR_TOKEN) as office:
            await office.revoke("ann")
            await ann.press("1")
            await expect(ann.page.get_by_label("Your token")).to_be_visible()
            await sign_in(ann.page, bob)
            await expect(ann.stage).to_be_visible()
            await ann.press("1")
            await eventually(lambda: len(queue.tally.answers) == 1)
            assert "ann" in str(await ann.page.evaluate("JSON.stringify({...localStorage})"))
            token, _ = await office.create_token("ann")
        await ann.page.get_by_role("button", name="bob").click()
        await ann.page.get_by_role("button", name="Sign out").click()
        await sign_in(ann.page, token)
        await eventually(lambda: len(queue.tally.answers) == 2)
