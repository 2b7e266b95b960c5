"""Takes the pictures of both pages in docs/images: `python tests/e2e/page/take_images.py` after a change of their looks."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT / "tests"))

from playwright.async_api import Browser  # noqa: E402

from streamlabel.learning.rules.book import Book  # noqa: E402
from streamlabel.learning.rules.limits import BookLimits  # noqa: E402
from streamlabel.learning.rules.points import Point, point_of  # noqa: E402
from streamlabel.learning.rules.standing import Step  # noqa: E402
from streamlabel.learning.rules.subject import Subject  # noqa: E402
from streamlabel.local.datasets import load_digits  # noqa: E402
from streamlabel.local.servers import EmbeddedServers  # noqa: E402
from streamlabel.v1 import project_pb2  # noqa: E402
from support.browser import chromium  # noqa: E402
from support.gate_page import gate_host, subject  # noqa: E402
from support.gate_stream import CLASSES, GateStream  # noqa: E402
from support.page_host import page_host  # noqa: E402
from support.page_samples import digits_project, image, project, task, text  # noqa: E402
from support.page_visitor import Visitor  # noqa: E402
from support.paper_desk import PaperDesk  # noqa: E402

IMAGES = ROOT / "docs" / "images"
CACHE = Path.home() / ".cache" / "streamlabel"
DESKTOP = {"viewport": {"width": 1280, "height": 800}}
TALL = {"viewport": {"width": 1280, "height": 960}}
PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}
TOPICS = ("card", "cash", "direct debit", "exchange rate", "loan", "top-up", "transfer")
CASES = ("arrived late", "cancel", "declined", "fee charged", "limit", "lost", "not recognised", "pending", "refund")
MINUTE_MS, BATCHES, WORSE = 60_000, 420, (180, 240)
MESSAGE = "I took out 50 pounds yesterday, but the machine gave me only 20. How do I get the rest back?"


async def new_desk() -> PaperDesk:
    """Real digits, and messages of many kinds."""
    intents = [f"{topic}: {case}" for topic in TOPICS for case in (*CASES, "wrong amount", "other")]
    messages = project("support", project_pb2.PAYLOAD_KIND_TEXT, intents, instructions="What does the customer want?")
    desk = PaperDesk(projects={"digits": digits_project(), "support": messages})
    digits = load_digits(CACHE)
    for number in (step * 1237 % len(digits) for step in range(140)):  # the file has them sorted by class
        guess = str(digits.labels[number])
        await desk.put(task("digits", f"d-{number:04d}", image(digits.png(number)), suggestion=(guess, 0.71)))
    await desk.put(
        *(task("support", f"m{n}", text(MESSAGE), suggestion=("cash: wrong amount", 0.62)) for n in range(9))
    )
    return desk


async def take(
    browser: Browser, url: str, *, name: str, project: str, answers: int, scheme: Any, look: dict[str, Any]
) -> None:
    """One picture, after some answers."""
    context = await browser.new_context(**look, color_scheme=scheme, reduced_motion="reduce")
    visitor = await Visitor.enter(await context.new_page(), url, name="Ada", project=project)
    await visitor.record.wait_for()
    await visitor.press(*["Enter"] * answers)
    await visitor.page.wait_for_timeout(400)
    await visitor.page.screenshot(path=IMAGES / f"{name}.png")
    await context.close()


def lived() -> tuple[Subject, list[Point], list[Step]]:
    """Seven hours of a real gate, ended just now: records as they come, and from the third hour to the fourth the model is worse."""
    about = replace(subject("support"), model_name="support-intent", class_names=CLASSES)
    life = GateStream(Book(about, BookLimits()), now_ms=round(time.time() * 1000) - BATCHES * MINUTE_MS, delay=3)
    points, steps = [], []
    for batch in range(BATCHES):
        life.step(error=0.5 if WORSE[0] <= batch < WORSE[1] else 0.015)
        life.now_ms += MINUTE_MS - 100
        points.append(point_of(life.book, life.now_ms))
        steps += life.book.take_steps()
    return about, points, steps


async def take_gates(browser: Browser) -> None:
    """A gate with a past."""
    with tempfile.TemporaryDirectory() as folder, EmbeddedServers(Path(folder), ("postgres",)) as servers:
        async with gate_host(servers.postgres) as host:
            about, points, steps = lived()
            await host.begin(about)
            await host.live(about, *points, steps=steps)
            for name, scheme, look in (("gate-page-light", "light", TALL), ("gate-page-phone-dark", "dark", PHONE)):
                context = await browser.new_context(**look, color_scheme=scheme, reduced_motion="reduce")
                page = await context.new_page()
                await page.goto(host.url)
                await page.locator(".line-coverage").first.wait_for()
                await page.wait_for_timeout(300)
                await page.screenshot(path=IMAGES / f"{name}.png")
                await context.close()


async def main() -> None:
    """All pictures."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    async with chromium() as browser:
        await take_gates(browser)
        for name, project_name, answers, scheme, look in (
            ("page-digits-light", "digits", 9, "light", DESKTOP),
            ("page-digits-dark", "digits", 9, "dark", DESKTOP),
            ("page-classes-light", "support", 2, "light", DESKTOP),
            ("page-phone-light", "digits", 4, "light", PHONE),
            ("page-phone-dark", "support", 1, "dark", PHONE),
        ):
            async with page_host(await new_desk()) as host:
                await take(
                    browser, host.url, name=name, project=project_name, answers=answers, scheme=scheme, look=look
                )


if __name__ == "__main__":
    asyncio.run(main())
