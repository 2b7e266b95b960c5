"""What a checker can find wrong with a page for those who see, hear or type in another way."""

from __future__ import annotations

from importlib import resources
from typing import Any

from playwright.async_api import Page

AXE = (resources.files("axe_playwright_python") / "axe.min.js").read_text()
STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


async def violations(page: Page) -> list[str]:
    """What axe-core finds wrong with the page as it stands."""
    if not await page.evaluate("() => 'axe' in window"):
        await page.evaluate(AXE)
    found: dict[str, Any] = await page.evaluate(
        "(standards) => axe.run(document, { runOnly: standards, resultTypes: ['violations'] })", STANDARDS
    )
    return [
        f"{violation['id']}: {node['html'][:120]} {node['failureSummary']}"
        for violation in found["violations"]
        for node in violation["nodes"]
    ]
