"""The page of a lot's certificate on a phone and on a desk, light and dark, as a browser lays it out."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.async_api import Browser

from streamlabel.cli.lot_certificate import certificate, document
from streamlabel.cli.lot_page import page as page_of
from streamlabel.core.control import GateState
from streamlabel.gate.chain import FIRST, linked
from streamlabel.gate.lot import Stratum
from streamlabel.gate.lot_closings import Turn
from streamlabel.gate.lot_evidence import GATE_GONE, LabelledBy, Lot
from support.accessibility import violations
from support.lots import BEGIN, END, HOUR

pytestmark = pytest.mark.integration

LOT = Lot(
    strata=(
        Stratum(lane_rate=0.5, labels=120, audited=118, found=3, unanswered=1),
        Stratum(lane_rate=0.15, labels=1_900, audited=334, found=7, unanswered=2),
        Stratum(lane_rate=0.05, labels=9_340, audited=480, found=11),
        Stratum(lane_rate=0.05, labels=40, audited=0, found=0),
    ),
    standing=11_380,
    suspects=37,
    superseded=20,
    not_covered={GATE_GONE: 120},
    audits_gone=14,
    audits=tuple(f"r{row}" for row in range(932)),
    gate_ids=("mail/1", "mail/2"),
    labelled_by=(LabelledBy("mail-intent", 3, 0.05),),
)
# Of each word in the picture: where it stands, how large, and whether the picture cuts it off.
_WORDS = """() => {
  const frame = document.querySelector("svg").getBoundingClientRect();
  return [...document.querySelectorAll("svg text")].map((text) => {
    const box = text.getBoundingClientRect();
    const scale = frame.width / 640;
    return {
      text: text.textContent, left: box.left, right: box.right, top: box.top, bottom: box.bottom,
      size: parseFloat(getComputedStyle(text).fontSize) * scale,
      cut: box.left < frame.left || box.right > frame.right || box.top < frame.top || box.bottom > frame.bottom,
    };
  });
}"""


def lot_page() -> str:
    link = linked(number=7, project="mail", model_name="mail-intent", model_version=3, facts="{}", previous=FIRST)
    shut = Turn(
        at=BEGIN + HOUR, state=GateState.SUSPENDED, reason="inputs changed: p = 3.1e-09 over the last 400 records"
    )
    made = certificate("mail", BEGIN, END, 0.1, LOT, transition=link, closed=(shut,), issued_at=END)
    return page_of(made, document(made)["sha256"])


def overlapping(words: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [
        (one["text"], other["text"])
        for place, one in enumerate(words)
        for other in words[place + 1 :]
        if one["left"] < other["right"] and other["left"] < one["right"]
        and one["top"] + 2 < other["bottom"] and other["top"] + 2 < one["bottom"]
    ]  # fmt: skip


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
async def test_everything_can_be_read(
    browser: Browser, tmp_path: Path, width: int, scheme: Literal["light", "dark"]
) -> None:
    file = tmp_path / "lot.html"
    file.write_text(lot_page())
    profile = await browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = await profile.new_page()
    await page.goto(file.as_uri())
    assert await page.evaluate("document.documentElement.scrollWidth") == width
    ground = await page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(17, 24, 39)"}[scheme]
    words = await page.evaluate(_WORDS)
    assert {each["text"] for each in words} >= {
        "0%",
        "100%",
        "5%",
        "A",
        "B",
        "C",
        "share of these labels that is wrong",
    }
    assert [each["text"] for each in words if each["cut"]] == []
    assert [each["text"] for each in words if each["size"] < 11] == []
    assert overlapping(words) == []
    assert await violations(page) == []
    await profile.close()
