"""Takes the pictures of the page in docs/images: `python tests/e2e/page/take_images.py` after a change of its looks."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT / "tests"))

from playwright.async_api import Browser  # noqa: E402

from streamlabel.local.datasets import load_digits  # noqa: E402
from streamlabel.v1 import project_pb2  # noqa: E402
from support.browser import chromium  # noqa: E402
from support.page_host import page_host  # noqa: E402
from support.page_samples import digits_project, image, project, task, text  # noqa: E402
from support.page_visitor import Visitor  # noqa: E402
from support.paper_desk import PaperDesk  # noqa: E402

IMAGES = ROOT / "docs" / "images"
CACHE = Path.home() / ".cache" / "streamlabel"
DESKTOP = {"viewport": {"width": 1280, "height": 800}}
PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}
TOPICS = ("card", "cash", "direct debit", "exchange rate", "loan", "top-up", "transfer")
CASES = ("arrived late", "cancel", "declined", "fee charged", "limit", "lost", "not recognised", "pending", "refund")
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


async def main() -> None:
    """All pictures."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    async with chromium() as browser:
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
