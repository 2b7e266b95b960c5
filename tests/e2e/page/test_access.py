"""For those who see, hear, or type in another way."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from playwright.async_api import expect

from streamlabel.v1 import project_pb2, record_pb2
from support.accessibility import violations
from support.page_host import PageHost
from support.page_samples import digit_tasks, project, task, text
from support.page_visitor import SCHEMES, Visit, Visitor, eventually
from support.paper_desk import PaperDesk

Kind = project_pb2.PayloadKind


async def welcome(visit: Visit, desk: PaperDesk, host: PageHost, look: dict[str, Any]) -> Visitor:
    ada = await visit("", **look)
    await expect(ada.page.get_by_label("Your name")).to_be_focused()
    return ada


async def projects(visit: Visit, desk: PaperDesk, host: PageHost, look: dict[str, Any]) -> Visitor:
    desk.projects["mail"] = project("mail", Kind.PAYLOAD_KIND_TEXT, ["spam", "ham"], description="Messages")
    ada = await visit(project="", **look)
    await expect(ada.page.locator(".card-waiting").first).to_be_visible()
    return ada


async def working(visit: Visit, desk: PaperDesk, host: PageHost, look: dict[str, Any]) -> Visitor:
    ada = await visit(**look)
    await ada.sees("d-0000")
    await ada.press("0", "1", "7")
    await ada.record.click()
    return ada


async def many_classes(visit: Visit, desk: PaperDesk, host: PageHost, look: dict[str, Any]) -> Visitor:
    desk.projects["mail"] = project("mail", Kind.PAYLOAD_KIND_TEXT, [f"class {n}" for n in range(150)])
    await desk.put(task("mail", "m1", text("hello \u202eworld"), suggestion=("class 7", 0.5)))
    ada = await visit(project="mail", **look)
    await ada.sees("m1")
    return ada


async def other_kinds(visit: Visit, desk: PaperDesk, host: PageHost, look: dict[str, Any]) -> Visitor:
    desk.projects["mail"] = project("mail", Kind.PAYLOAD_KIND_FEATURES, [("spam", "s"), ("ham", "h")])
    await desk.put(task("mail", "m1", record_pb2.Payload(features=record_pb2.Features(values=range(-200, 300)))))
    ada = await visit(project="mail", **look)
    await ada.sees("m1")
    return ada


async def documents(visit: Visit, desk: PaperDesk, host: PageHost, look: dict[str, Any]) -> Visitor:
    desk.projects["mail"] = project("mail", Kind.PAYLOAD_KIND_JSON, [("spam", "s"), ("ham", "h")])
    await desk.put(task("mail", "m1", record_pb2.Payload(json="[" + "1,\n" * 3000 + "1]"), blind=True))
    ada = await visit(project="mail", **look)
    await ada.sees("m1")
    return ada


async def links(visit: Visit, desk: PaperDesk, host: PageHost, look: dict[str, Any]) -> Visitor:
    desk.projects["mail"] = project("mail", Kind.PAYLOAD_KIND_URI, [("spam", "s"), ("ham", "h")])
    await desk.put(task("mail", "m1", record_pb2.Payload(uri="https://example.org/a")))
    ada = await visit(project="mail", **look)
    await ada.sees("m1")
    return ada


async def helped(visit: Visit, desk: PaperDesk, host: PageHost, look: dict[str, Any]) -> Visitor:
    ada = await working(visit, desk, host, look)
    await ada.page.keyboard.press("F1")
    await expect(ada.page.get_by_role("dialog")).to_be_visible()
    return ada


async def caught_up(visit: Visit, desk: PaperDesk, host: PageHost, look: dict[str, Any]) -> Visitor:
    desk.sheets.clear()
    await desk.put(*digit_tasks(1))
    ada = await visit(**look)
    await ada.sees("d-0000")
    await ada.press("0")
    await expect(ada.page.get_by_role("heading", name="All caught up")).to_be_visible()
    return ada


async def in_trouble(visit: Visit, desk: PaperDesk, host: PageHost, look: dict[str, Any]) -> Visitor:
    ada = await visit(**look)
    await ada.sees("d-0000")
    host.down = True
    await ada.press("0")
    await expect(ada.page.locator(".connection")).to_be_visible()
    await ada.press("u", "u")
    await expect(ada.page.locator(".notice")).to_be_visible()
    return ada


async def away(visit: Visit, desk: PaperDesk, host: PageHost, look: dict[str, Any]) -> Visitor:
    ada = await visit(clock=True, **look)
    await ada.sees("d-0000")
    await ada.page.clock.fast_forward("05:01")
    await expect(ada.page.get_by_role("heading", name="Taking a break?")).to_be_visible()
    await ada.page.clock.resume()
    return ada


SCENES = [welcome, projects, working, many_classes, other_kinds, documents, links, helped, caught_up, in_trouble, away]
Scene = Callable[[Visit, PaperDesk, PageHost, dict[str, Any]], Awaitable[Visitor]]


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
async def test_no_barrier_that_a_checker_can_find(visit: Visit, desk: PaperDesk, host: PageHost, scene: Scene) -> None:
    ada = await scene(visit, desk, host, {"color_scheme": "light", "reduced_motion": "reduce"})
    for width, height in ((1280, 800), (360, 740)):
        await ada.page.set_viewport_size({"width": width, "height": height})
        for scheme in SCHEMES:
            await ada.page.emulate_media(color_scheme=scheme)
            assert await violations(ada.page) == [], (width, scheme)


async def test_a_screen_reader_hears_the_task_the_answer_and_the_next(visit: Visit) -> None:
    ada = await visit()
    await expect(ada.announcer).to_have_text("Picture to label, 28 × 28 pixels. Suggested: 0, 55 %.")
    await ada.press("4")
    await expect(ada.announcer).to_have_text("4. Picture to label, 28 × 28 pixels. Suggested: 1, 60 %.")
    await ada.press("u")
    await expect(ada.announcer).to_have_text(
        "Taken back: 4. Until you answer again, it may still count. Picture to label, 28 × 28 pixels. Suggested: 0, 55 %."
    )
    await ada.press("ArrowRight")
    await expect(ada.announcer).to_have_text("Skipped. Picture to label, 28 × 28 pixels. Suggested: 1, 60 %.")


async def test_everything_has_its_name_and_role(visit: Visit) -> None:
    ada = await visit()
    await ada.sees("d-0000")
    await ada.press("4")
    await ada.sees("d-0001")
    await expect(ada.page.locator("body")).to_match_aria_snapshot(
        """
        - banner:
          - heading "Streamlabel" [level=1]
          - 'button "Project digits: choose another"'
          - 'button "You are ada: change the name"'
          - button "Keys"
          - 'button "Theme: as the system"'
        - main:
          - paragraph: Which digit is it? When a stroke is unclear, choose what its writer meant.
          - region "To be labelled":
            - figure:
              - img "Picture to label, 28 × 28 pixels"
            - group: d-0001
          - paragraph:
            - text: The model suggests
            - strong: "1"
            - text: ", 60 %."
          - group "Classes":
            - button "0"
            - button "1"
            - button "2"
          - group "Last answers":
            - button "Undo"
            - list "Your last answers":
              - listitem: "4"
            - button "Skip"
        - status: /Suggested/
        """
    )
    suggested = ada.answer("1")
    assert await suggested.get_attribute("aria-description") == "Suggested by the model, 60 %"
    assert await suggested.get_attribute("aria-keyshortcuts") == "1"


async def test_the_whole_day_can_be_worked_with_tab_and_enter(visit: Visit, desk: PaperDesk) -> None:
    ada = await visit()
    await ada.sees("d-0000")
    seen: list[str] = []
    while not (await ada.focused()).startswith("button answer") and len(seen) < 12:
        await ada.press("Tab")
        seen.append(await ada.focused())
    outline = await ada.page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    await ada.press("Tab", "Tab", "Enter")
    await ada.sees("d-0001")
    # The focus stays where the person put it.
    assert (await ada.focused()).startswith("button answer")
    await ada.press("Tab", "Enter")
    await ada.sees("d-0002")
    await eventually(lambda: list(desk.answers().values()) == ["2", "3"])


async def test_the_dialog_keeps_the_focus_and_gives_it_back(visit: Visit) -> None:
    ada = await visit()
    await ada.sees("d-0000")
    button = ada.page.get_by_role("button", name="Keys")
    await button.focus()
    await ada.press("Enter")
    dialog = ada.page.get_by_role("dialog", name="Keys")
    await expect(dialog).to_be_visible()
    for _ in range(6):
        await ada.press("Tab")
        assert await ada.page.evaluate(
            "() => document.activeElement === document.body || document.activeElement.closest('dialog') !== null"
        )
    await ada.press("Escape")
    await expect(button).to_be_focused()


async def test_nothing_moves_for_those_who_asked_for_stillness(visit: Visit, desk: PaperDesk) -> None:
    ada = await visit(reduced_motion="reduce")
    await ada.sees("d-0000")
    await ada.press("0")
    await ada.sees("d-0001")
    assert await ada.page.evaluate("() => document.getAnimations().length") == 0


async def test_text_at_twice_its_size_is_still_all_there(visit: Visit) -> None:
    ada = await visit(viewport={"width": 640, "height": 800})
    await ada.sees("d-0000")
    await ada.page.evaluate("() => { document.documentElement.style.fontSize = '32px'; }")
    assert await ada.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    for digit in "0123456789":
        await expect(ada.answer(digit)).to_be_in_viewport()


async def test_the_theme_follows_the_system_until_one_is_chosen(visit: Visit) -> None:
    ada = await visit(color_scheme="dark")
    await ada.sees("d-0000")

    async def brightness() -> int:
        colour = await ada.page.evaluate("() => getComputedStyle(document.documentElement).backgroundColor")
        return sum(map(int, re.findall(r"\d+", colour)[:3]))

    assert await brightness() < 150
    await ada.page.get_by_role("button", name="Theme: as the system").click()
    await ada.page.get_by_role("button", name="Theme: light").hover()
    assert await brightness() > 600
    await ada.page.reload()
    await expect(ada.record).to_be_visible()
    assert await brightness() > 600
    await ada.page.get_by_role("button", name="Theme: light").click()
    assert await brightness() < 150
