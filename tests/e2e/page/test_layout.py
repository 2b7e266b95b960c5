"""The page at every size, by day and by night; what it looked like is kept in reports/page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from playwright.async_api import expect

from streamlabel.v1 import project_pb2, record_pb2
from support.page_host import PageHost
from support.page_samples import image, photo_jpeg, project, task, text
from support.page_visitor import SCHEMES, Visit, Visitor
from support.paper_desk import PaperDesk

Kind = project_pb2.PayloadKind
Scene = Callable[[Visit, PaperDesk, dict[str, object]], Awaitable[Visitor]]

PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
SIZES: dict[str, dict[str, object]] = {
    "320": {"viewport": {"width": 320, "height": 568}, "has_touch": True, "is_mobile": True},
    "360": PHONE,
    "740-flat": {"viewport": {"width": 740, "height": 360}, "has_touch": True, "is_mobile": True},
    "768": {"viewport": {"width": 768, "height": 1024}},
    "1440": {"viewport": {"width": 1440, "height": 900}},
}
TOPICS = ("card", "cash_withdrawal", "direct_debit", "exchange_rate", "top_up", "transfer", "verification")
CASES = (
    "arrival",
    "cancel",
    "declined",
    "delayed",
    "fee_charged",
    "limit",
    "lost",
    "not_recognised",
    "pending",
    "refund",
)
LONG = "Where is my parcel? It should have been here on Monday, and nobody ever answers the telephone."
INTENTS = [f"{topic}_{case}" for topic in TOPICS for case in (*CASES, "wrong_amount_received")]


async def digits(visit: Visit, desk: PaperDesk, look: dict[str, object]) -> Visitor:
    ada = await visit("Ada Lovelace", **look)
    await ada.sees("d-0000")
    await ada.press("0", "1", "2", "3")
    await ada.sees("d-0004")
    return ada


async def messages(visit: Visit, desk: PaperDesk, look: dict[str, object]) -> Visitor:
    desk.projects["bank"] = project(
        "bank", Kind.PAYLOAD_KIND_TEXT, INTENTS, instructions="What does the customer want?"
    )
    said = "I tried to take out 50 pounds yesterday and the machine gave me only 20. What is going on?"
    await desk.put(*(task("bank", f"m{n}", text(said), suggestion=(INTENTS[21], 0.62)) for n in range(6)))
    ada = await visit("Ada Lovelace", project="bank", **look)
    await ada.sees("m0")
    await ada.press("Enter")
    await ada.sees("m1")
    return ada


async def tickets(visit: Visit, desk: PaperDesk, look: dict[str, object]) -> Visitor:
    names = [("Refund", "r"), ("Complaint", "c"), ("Question", "q"), ("Praise", "p"), ("Something else", "e")]
    desk.projects["tickets"] = project("tickets", Kind.PAYLOAD_KIND_JSON, names)
    body = '{"id": 90071992547409931, "from": "anna@example.org", "subject": "My order", "tags": [], "lines": ["Hi,", "where is it?"]}'
    await desk.put(task("tickets", "t1", record_pb2.Payload(json=body), suggestion=("Question", 0.83)))
    ada = await visit("Ada Lovelace", project="tickets", **look)
    await ada.sees("t1")
    return ada


async def photos(visit: Visit, desk: PaperDesk, look: dict[str, object]) -> Visitor:
    names = [("Landscape", "l"), ("Portrait", "p"), ("Neither", "n")]
    desk.projects["photos"] = project("photos", Kind.PAYLOAD_KIND_IMAGE, names)
    await desk.put(task("photos", "p1", image(photo_jpeg(), "image/jpeg"), suggestion=("Landscape", 0.71)))
    ada = await visit("Ada Lovelace", project="photos", **look)
    await ada.sees("p1")
    return ada


SCENES = [digits, messages, tickets, photos]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
async def test_all_that_is_needed_is_in_sight(
    visit: Visit, desk: PaperDesk, pictures: Path, scene: Scene, size: str
) -> None:
    ada = await scene(visit, desk, {**SIZES[size], "reduced_motion": "reduce"})
    for scheme in SCHEMES:
        await ada.page.emulate_media(color_scheme=scheme)
        await ada.page.screenshot(path=pictures / f"{scene.__name__}-{size}-{scheme}.png")
        await has_all_in_sight(ada, is_list=scene is messages)


async def has_all_in_sight(ada: Visitor, *, is_list: bool) -> None:
    """What is worked with, and something to label; `is_list`: where the classes are a list, its beginning and its filter."""
    # Nothing to scroll sideways, and the page as a whole stands still.
    assert await ada.page.evaluate(
        "() => [document.documentElement.scrollWidth <= innerWidth, document.documentElement.scrollHeight <= innerHeight]"
    ) == [True, True]
    for name in ("Undo", "Skip"):
        await expect(ada.page.get_by_role("button", name=name)).to_be_in_viewport(ratio=1)
    stage = await ada.stage.bounding_box()
    assert stage is not None
    assert stage["height"] >= 90
    if is_list:
        await expect(ada.filter).to_be_in_viewport(ratio=1)
        await expect(ada.options.first).to_be_in_viewport(ratio=1)
        return
    for button in await ada.page.get_by_role("group", name="Classes").get_by_role("button").all():
        await expect(button).to_be_in_viewport(ratio=1)
        box = await button.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= 44


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scene", [digits, messages], ids=lambda scene: scene.__name__)
async def test_what_is_told_hides_nothing_that_one_works_with(
    visit: Visit, desk: PaperDesk, host: PageHost, pictures: Path, scene: Scene, size: str
) -> None:
    ada = await scene(visit, desk, {**SIZES[size], "reduced_motion": "reduce"})
    host.down = True
    await ada.press("Backspace", "Backspace", "Backspace", "Backspace", "Backspace", "Backspace")
    await expect(ada.page.get_by_text("There is no answer to take back.").first).to_be_visible()
    await expect(ada.page.get_by_role("button", name="Try now")).to_be_visible()
    await ada.page.screenshot(path=pictures / f"told-{scene.__name__}-{size}.png")
    # Each could be pressed where it is seen.
    worked_with = [ada.page.get_by_role("button", name="Try now")]
    if scene is messages:
        worked_with += [ada.filter, ada.options.first]
    else:
        worked_with += await ada.page.get_by_role("group", name="Classes").get_by_role("button").all()
    for control in worked_with:
        assert await control.evaluate(
            """(control) => {
              const { left, top, width, height } = control.getBoundingClientRect();
              return control.contains(document.elementFromPoint(left + width / 2, top + height / 2));
            }"""
        ), control
    told, stage = await ada.page.locator(".connection").bounding_box(), await ada.stage.bounding_box()
    assert told is not None
    assert stage is not None
    if size in ("320", "360", "740-flat"):
        # Here it would hide a line of the text.
        assert told["y"] + told["height"] <= stage["y"]


@pytest.mark.parametrize("count", [2, 3, 5, 7, 11, 16])
async def test_no_row_of_answers_has_a_hole(visit: Visit, desk: PaperDesk, count: int) -> None:
    names = [f"Something {number}" for number in range(count)]
    desk.projects["many"] = project("many", Kind.PAYLOAD_KIND_TEXT, names)
    await desk.put(task("many", "t1", text("short")))
    ada = await visit(project="many")
    await ada.sees("t1")
    for width_px in (320, 360, 768, 1280):
        await ada.resize(width_px, 1100)
        await has_full_rows(ada)


async def has_full_rows(ada: Visitor) -> None:
    """Each row of answers takes the whole width; only the last may have fewer."""
    boxes = await ada.page.locator(".answer").evaluate_all(
        "(all) => all.map((one) => one.getBoundingClientRect()).map(({ left, right, top }) => [left, right, top])"
    )
    left_px, right_px = await ada.page.locator(".answers").evaluate(
        "(all) => [all.getBoundingClientRect().left, all.getBoundingClientRect().right]"
    )
    for row in {top for _, _, top in boxes}:
        in_row = [(left, right) for left, right, top in boxes if top == row]
        assert in_row[0][0] == pytest.approx(left_px, abs=1)
        assert in_row[-1][1] == pytest.approx(right_px, abs=1)
        assert len(in_row) == len([1 for *_, top in boxes if top == boxes[0][2]]) or row == boxes[-1][2]


@pytest.mark.parametrize(
    ("name", "kind", "payload"),
    [
        ("word", Kind.PAYLOAD_KIND_TEXT, text("Where is it?")),
        ("line", Kind.PAYLOAD_KIND_TEXT, text(LONG)),
        ("json", Kind.PAYLOAD_KIND_JSON, record_pb2.Payload(json='{"id": 9}')),
    ],
    ids=["word", "line", "json"],
)
async def test_a_short_text_stands_in_the_middle_and_has_the_width_of_the_card(
    visit: Visit, desk: PaperDesk, name: str, kind: project_pb2.PayloadKind, payload: record_pb2.Payload
) -> None:
    desk.projects[name] = project(name, kind, ["yes", "no"])
    await desk.put(task(name, name, payload))
    ada = await visit(project=name)
    await ada.sees(name)
    for width_px in (360, 768, 1280):
        await ada.resize(width_px, 800)
        body, slot = await ada.page.evaluate(
            """() => {
              const range = document.createRange();
              range.selectNodeContents(document.querySelector(".text-frame > :first-child"));
              return [range, document.querySelector(".slot")].map((one) => one.getBoundingClientRect());
            }"""
        )
        free_px = (body["left"] - slot["left"], slot["right"] - body["right"])
        if name == "line":
            # It breaks for want of room only; no word in it takes more than this.
            assert max(free_px) < 180
        else:
            assert free_px[0] == pytest.approx(free_px[1], abs=2)


async def test_tiny_pictures_grow_in_whole_steps_and_stay_sharp(visit: Visit) -> None:
    ada = await visit()
    await ada.sees("d-0000")
    for width, height in ((1280, 800), (360, 740), (1440, 1200)):
        await ada.page.set_viewport_size({"width": width, "height": height})
        await ada.page.wait_for_timeout(100)
        shown_px, rendering = await ada.stage.locator("img").evaluate(
            "(img) => [img.getBoundingClientRect().width, getComputedStyle(img).imageRendering]"
        )
        assert rendering == "pixelated"
        assert shown_px % 28 == 0
        assert shown_px >= 28 * 4


async def test_on_a_phone_one_tap_answers(visit: Visit, desk: PaperDesk) -> None:
    ada = await visit(**PHONE)
    await ada.sees("d-0000")
    await ada.answer("0").tap()
    await ada.sees("d-0001")
    await ada.page.get_by_role("button", name="Skip").tap()
    await ada.sees("d-0002")
    await ada.page.get_by_role("button", name="Undo").tap()
    await ada.sees("d-0000")


async def test_on_a_phone_the_filter_does_not_open_the_keyboard_by_itself(visit: Visit, desk: PaperDesk) -> None:
    ada = await messages(visit, desk, PHONE)
    await expect(ada.filter).not_to_be_focused()
    await ada.options.first.tap()
    await ada.sees("m2")
    await expect(ada.filter).not_to_be_focused()
