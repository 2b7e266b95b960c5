"""Tasks do not wait in the hands of somebody who has left; two tabs are two hands."""

from __future__ import annotations

import re

from playwright.async_api import expect

from support.page_visitor import Visit, Visitor, eventually
from support.paper_desk import PaperDesk


async def test_after_a_still_minute_only_the_task_on_the_table_is_kept(visit: Visit, desk: PaperDesk) -> None:
    ada = await visit(clock=True)
    await ada.sees("d-0000")
    await eventually(lambda: len(desk.held_by("ada")) == 4)
    await ada.page.clock.fast_forward("01:01")
    await eventually(lambda: desk.held_by("ada") == ["digits/d-0000"])
    await ada.page.mouse.move(50, 50)
    await eventually(lambda: len(desk.held_by("ada")) == 4)
    await ada.sees("d-0000")


async def test_after_five_still_minutes_all_goes_back_until_the_person_does(visit: Visit, desk: PaperDesk) -> None:
    ada = await visit(clock=True)
    await ada.sees("d-0000")
    await ada.page.clock.fast_forward("05:01")
    await expect(ada.page.get_by_role("heading", name="Taking a break?")).to_be_visible()
    await eventually(lambda: desk.held_by("ada") == [])
    # Brushing the mouse is not coming back; a key that means a class answers nothing.
    await ada.page.mouse.move(50, 50)
    await ada.press("7")
    await expect(ada.page.get_by_role("heading", name="Taking a break?")).to_be_visible()
    assert desk.answers() == {}
    await ada.press("Enter")
    await expect(ada.record).to_be_visible()
    await eventually(lambda: len(desk.held_by("ada")) == 4)


async def test_closing_the_page_gives_all_tasks_back_at_once(visit: Visit, desk: PaperDesk) -> None:
    ada = await visit()
    await ada.sees("d-0000")
    await eventually(lambda: len(desk.held_by("ada")) == 4)
    await ada.page.close(run_before_unload=True)
    await eventually(lambda: desk.held_by("ada") == [])


async def test_two_tabs_of_one_person_never_show_the_same_task(visit: Visit, desk: PaperDesk) -> None:
    left = await visit()
    await left.sees("d-0000")
    right = Visitor(await left.page.context.new_page())
    await right.page.goto(left.page.url)
    await right.sees("d-0004")
    for _ in range(4):
        await left.press("1")
        await right.press("2")
    await eventually(lambda: len(desk.answers()) == 8)
    assert sorted(desk.answers().values()) == ["1"] * 4 + ["2"] * 4
    # Both count for the one person.
    await expect(left.page.locator(".header-stats")).to_contain_text("8 today")
    await expect(right.page.locator(".header-stats")).to_contain_text("8 today")


async def test_the_project_is_in_the_address_and_can_be_changed(visit: Visit, desk: PaperDesk) -> None:
    desk.projects["other"] = desk.projects["digits"].__class__.FromString(desk.projects["digits"].SerializeToString())
    desk.projects["other"].name = "other"
    ada = await visit(project="")
    await expect(ada.page.get_by_role("heading", name="Projects")).to_be_visible()
    await ada.page.get_by_role("button", name=re.compile("^digits")).click()
    await ada.sees("d-0000")
    assert ada.page.url.endswith("#digits")
    await ada.page.get_by_role("button", name="Project digits: choose another").click()
    await eventually(lambda: desk.held_by("ada") == [])
    await ada.page.get_by_role("button", name=re.compile("^other")).click()
    await expect(ada.page.get_by_role("heading", name="All caught up")).to_be_visible()
    await ada.page.go_back()
    await ada.page.go_back()
    await expect(ada.record).to_be_visible()
    assert ada.page.url.endswith("#digits")


async def test_with_one_project_there_is_nothing_to_choose(visit: Visit) -> None:
    ada = await visit(project="")
    await ada.sees("d-0000")


async def test_a_project_appears_by_itself(visit: Visit, desk: PaperDesk) -> None:
    digits = desk.projects.pop("digits")
    ada = await visit(project="")
    await expect(ada.page.get_by_text("There is no project yet.")).to_be_visible()
    desk.projects["digits"] = digits
    await expect(ada.page.get_by_role("button", name="digits")).to_be_visible()
