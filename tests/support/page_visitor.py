"""A person at the review page, as a browser under remote control: looks, presses keys, waits for what is said."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Self

from playwright.async_api import ConsoleMessage, Locator, Page, expect

# As long as the page takes two presses of a key for one.
SETTLE_S = 0.12
# What the system may prefer; a page that is open follows it.
SCHEMES: Sequence[Literal["light", "dark"]] = ("light", "dark")


@dataclass
class Visitor:
    """What is on the screen, and how to work it. `faults` are script errors and breaches of the page's policy."""

    page: Page
    faults: list[str] = field(default_factory=list)

    @classmethod
    async def enter(cls, page: Page, url: str, *, name: str, project: str) -> Self:
        """Gives the name if asked, and opens the project; with an empty `name` the page stays at the question."""
        visitor = cls(page)
        page.on("pageerror", lambda error: visitor.faults.append(str(error)))
        page.on("console", visitor._listen)
        page.on("dialog", lambda dialog: visitor.faults.append(f"dialog: {dialog.message}"))
        await page.goto(f"{url}#{project}")
        if name:
            await page.get_by_label("Your name").fill(name)
            await page.keyboard.press("Enter")
        return visitor

    def _listen(self, message: ConsoleMessage) -> None:
        # A failed fetch is weather; everything else that Chromium calls an error is ours.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            self.faults.append(message.text)

    @property
    def stage(self) -> Locator:
        return self.page.get_by_role("region", name="To be labelled")

    @property
    def record(self) -> Locator:
        """The id of the record on the table."""
        return self.stage.locator(".facts summary")

    @property
    def hint(self) -> Locator:
        return self.page.locator(".hint")

    @property
    def filter(self) -> Locator:
        return self.page.get_by_role("combobox")

    @property
    def options(self) -> Locator:
        return self.page.get_by_role("option")

    @property
    def announcer(self) -> Locator:
        return self.page.locator("#announcer")

    @property
    def trail(self) -> Locator:
        return self.page.get_by_role("list", name="Your last answers").get_by_role("listitem")

    def answer(self, name: str) -> Locator:
        return self.page.get_by_role("group", name="Classes").get_by_role("button", name=name, exact=True)

    async def sees(self, record_id: str) -> None:
        """Waits until this record can be seen, and as long as a person needs to see it."""
        await expect(self.record).to_have_text(record_id)
        await asyncio.sleep(SETTLE_S)

    async def press(self, *keys: str) -> None:
        """One key after the other, as fast as the page takes them for meant."""
        for key in keys:
            await asyncio.sleep(SETTLE_S)
            await self.page.keyboard.press(key)

    async def resize(self, width_px: int, height_px: int) -> None:
        """Another window; returns when the page has been laid out and painted for it."""
        await self.page.set_viewport_size({"width": width_px, "height": height_px})
        await self.page.evaluate(
            "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
        )

    async def focused(self) -> str:
        """A short description of what has the focus."""
        described: str = await self.page.evaluate(
            "() => { const e = document.activeElement; return `${e.tagName} ${e.className}`.trim().toLowerCase(); }"
        )
        return described


Visit = Callable[..., Awaitable[Visitor]]


async def eventually(is_true: Callable[[], bool], *, timeout_s: float = 8.0) -> None:
    """Returns when `is_true()`; fails after `timeout_s`."""
    end = time.monotonic() + timeout_s
    while not is_true():
        assert time.monotonic() < end, f"not within {timeout_s} s"
        await asyncio.sleep(0.02)
