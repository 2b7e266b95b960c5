"""Debian's Chromium under Playwright."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Browser, async_playwright

WAY_OUT = "these tests need Chromium: apt-get install -y chromium, or name one in STREAMLABEL_TEST_CHROMIUM"
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def chromium_path() -> str:
    """The browser's executable; fails with the way out where there is none."""
    named = os.environ.get("STREAMLABEL_TEST_CHROMIUM")
    unpacked = Path(sys.executable).with_name("chromium")  # By requirements/debian.sh, where the account is not root's.
    installed = (shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome"))
    found = named or (str(unpacked) if unpacked.exists() else next(filter(None, installed), None))
    if found is None or not os.access(found, os.X_OK):
        raise RuntimeError(WAY_OUT if named is None else f"STREAMLABEL_TEST_CHROMIUM={named} is no program; {WAY_OUT}")
    return found


@asynccontextmanager
async def chromium(*flags: str) -> AsyncIterator[Browser]:
    """A browser with a fresh profile, gone afterwards; `flags` of its command line besides those that all have."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium_path(), args=[*_FLAGS, *flags])
        try:
            yield browser
        finally:
            await browser.close()
