"""The network comes and goes; no answer does."""

from __future__ import annotations

from playwright.async_api import expect

from support.page_host import PageHost
from support.page_samples import digit_tasks
from support.page_visitor import Visit, eventually
from support.paper_desk import ACCEPTED, PaperDesk


async def test_answers_given_offline_are_kept_told_of_and_sent(visit: Visit, desk: PaperDesk, host: PageHost) -> None:
    ada = await visit()
    await ada.sees("d-0000")
    await ada.page.context.set_offline(True)
    # What was fetched ahead can still be answered.
    await ada.press("0", "1")
    await ada.sees("d-0002")
    banner = ada.page.get_by_role("status").filter(has_text="No connection to the service.")
    await expect(banner).to_contain_text("2 answers are kept here and leave by themselves.")
    assert desk.answers() == {}
    await ada.page.context.set_offline(False)
    await expect(banner).to_have_count(0)
    await eventually(lambda: list(desk.answers().values()) == ["0", "1"])
    await ada.press("2")
    await eventually(lambda: len(desk.answers()) == 3)


async def test_a_service_that_stops_and_comes_back_costs_nothing(visit: Visit, desk: PaperDesk, host: PageHost) -> None:
    ada = await visit()
    await ada.sees("d-0000")
    host.down = True
    await ada.press("0", "1", "2", "3")
    await expect(ada.page.get_by_role("heading", name="The service is not ready")).to_be_visible()
    banner = ada.page.locator(".connection")
    await expect(banner).to_contain_text("4 answers are kept here")
    await ada.page.get_by_role("button", name="Try now").last.click()
    host.down = False
    await ada.sees("d-0004")
    await expect(banner).to_be_hidden()
    await eventually(lambda: list(desk.answers().values()) == ["0", "1", "2", "3"])
    # Whatever was sent twice was taken once.
    assert len({annotation.annotation_id for annotation in desk.submissions}) == 4


async def test_an_answer_survives_a_reload_that_comes_before_the_network(
    visit: Visit, desk: PaperDesk, host: PageHost
) -> None:
    ada = await visit()
    await ada.sees("d-0000")
    host.down = True
    await ada.press("7")
    await expect(ada.page.locator(".connection")).to_contain_text("1 answer is kept here")
    await ada.page.reload()
    await expect(ada.page.get_by_role("heading", name="The service is not ready")).to_be_visible()
    host.down = False
    await eventually(lambda: desk.answers() == {"digits/d-0000": "7"}, timeout_s=20)


async def test_leases_that_run_out_while_the_service_is_away_cost_no_answer_and_show_no_task_twice(
    visit: Visit, desk: PaperDesk, host: PageHost
) -> None:
    desk.lease_s = 3.0
    ada = await visit()
    await ada.sees("d-0000")
    host.down = True
    await ada.press("0", "1")
    await ada.sees("d-0002")
    await ada.page.wait_for_timeout(4_000)
    host.down = False
    for number in range(2, 8):
        await expect(ada.record).to_have_text(f"d-{number:04d}", timeout=20_000)
        await ada.press(str(number))
    await eventually(lambda: len(desk.answers()) == 8)
    assert desk.answers() == {f"digits/d-{number:04d}": str(number) for number in range(8)}
    assert set(desk.statuses.values()) == {ACCEPTED}


async def test_undo_while_offline_takes_back_what_could_not_leave(
    visit: Visit, desk: PaperDesk, host: PageHost
) -> None:
    ada = await visit()
    await ada.sees("d-0000")
    host.down = True
    await ada.press("7", "8")
    await expect(ada.page.locator(".connection")).to_contain_text("2 answers are kept here")
    await ada.press("u", "1")
    host.down = False
    await eventually(lambda: desk.answers() == {"digits/d-0000": "7", "digits/d-0001": "1"}, timeout_s=20)


async def test_a_page_opened_while_the_service_is_away_says_what_to_do_and_starts_by_itself(
    visit: Visit, host: PageHost
) -> None:
    host.down = True
    ada = await visit("")
    alert = ada.page.get_by_role("alert")
    await expect(alert).to_contain_text("The service is not ready")
    await expect(alert).to_contain_text("It is tried again by itself.")
    await expect(alert).to_contain_text("/readyz")
    host.down = False
    await ada.page.get_by_label("Your name").fill("ada")
    host.down = True
    await ada.page.keyboard.press("Enter")
    await expect(alert).to_contain_text("The service is not ready")
    host.down = False
    await ada.sees("d-0000")


async def test_a_project_that_is_gone_is_said_to_be(visit: Visit, desk: PaperDesk) -> None:
    ada = await visit()
    await ada.sees("d-0000")
    desk.projects.pop("digits")
    desk.sheets.clear()
    await ada.press("0", "1", "2", "3")
    await expect(ada.page.get_by_role("heading", name="This project is gone")).to_be_visible()


async def test_somebody_else_was_first(visit: Visit, desk: PaperDesk) -> None:
    ada = await visit()
    await ada.sees("d-0000")
    await desk.take_away("digits/d-0000")
    await ada.press("0")
    await expect(ada.page.locator(".notice")).to_have_text(
        "Somebody answered first. Your “0” is kept as a second opinion."
    )
    await expect(ada.trail).to_have_count(0)
    await ada.sees("d-0001")


async def test_an_answer_that_is_refused_is_told_with_the_reason_and_not_counted(visit: Visit, desk: PaperDesk) -> None:
    ada = await visit()
    await ada.sees("d-0000")
    del desk.projects["digits"].taxonomy.classes[9]
    await ada.press("9")
    await expect(ada.page.locator(".notice")).to_have_text("“9” was not taken: class '9' is not in the taxonomy.")
    await expect(ada.page.locator(".header-stats")).to_contain_text("0 today")


async def test_a_lost_lease_is_told_and_the_next_task_shown(visit: Visit, desk: PaperDesk) -> None:
    desk.lease_s = 3.0
    ada = await visit()
    await ada.sees("d-0000")
    await desk.take_away("digits/d-0000")
    await expect(ada.page.locator(".notice")).to_contain_text("somebody else has it")
    await ada.sees("d-0001")


async def test_leases_are_kept_alive_while_one_thinks(visit: Visit, desk: PaperDesk) -> None:
    desk.lease_s = 3.0
    ada = await visit()
    await ada.sees("d-0000")
    await ada.page.wait_for_timeout(5_000)
    assert len(desk.held_by("ada")) == 4
    assert desk.extended >= 8
    await ada.press("0")
    await eventually(lambda: desk.answers() == {"digits/d-0000": "0"})


async def test_a_new_version_of_the_project_brings_its_new_classes(visit: Visit, desk: PaperDesk) -> None:
    ada = await visit()
    await ada.sees("d-0000")
    digits = desk.projects["digits"]
    digits.version = 2
    digits.taxonomy.classes.add(name="unreadable", key="x")
    newer = digit_tasks(3, first=90)
    for task in newer:
        task.project_version = 2
    desk.sheets = {key: sheet for key, sheet in desk.sheets.items() if sheet.owner == "ada"}
    await desk.put(*newer)
    await ada.press("0", "1", "2", "3")
    await expect(ada.answer("unreadable")).to_be_visible()
    await ada.press("x")
    await eventually(lambda: "unreadable" in desk.answers().values())
