"""The day's work: look, press a key, look at the next."""

from __future__ import annotations

import asyncio
import statistics
import sys

import pytest
from playwright.async_api import expect

from streamlabel.v1 import review_history_pb2
from streamlabel.v1.review_service_pb2 import LeaseTasksRequest, ReleaseLeasesRequest
from support.page_host import PageHost
from support.page_samples import digit_tasks
from support.page_visitor import Visit, eventually
from support.paper_desk import PaperDesk


async def test_one_key_a_task(visit: Visit, desk: PaperDesk) -> None:
    ada = await visit()
    for number in range(12):
        await ada.sees(f"d-{number:04d}")
        await ada.page.keyboard.press(str(number % 10))
    await eventually(lambda: len(desk.answers()) == 12)
    assert desk.answers() == {f"digits/d-{number:04d}": str(number % 10) for number in range(12)}
    assert all(annotation.think_time_ms >= 100 for annotation in desk.submissions)
    assert len({annotation.annotation_id for annotation in desk.submissions}) == 12


async def test_enter_and_space_accept_the_suggestion_and_blind_tasks_have_none(visit: Visit, desk: PaperDesk) -> None:
    ada = await visit()
    await ada.sees("d-0000")
    await expect(ada.hint).to_contain_text("The model suggests 0, 55 %.")
    await ada.press("Enter", "Space", "Enter")
    await ada.sees("d-0003")
    await expect(ada.hint).to_have_text("Asked blind: what the model thinks is not shown.")
    await expect(ada.page.locator(".answer-suggested")).to_have_count(0)
    await ada.press("Enter", "Space")
    await ada.sees("d-0003")
    await eventually(lambda: len(desk.answers()) == 3)
    # The third suggestion was wrong, and was what was shown.
    assert list(desk.answers().values()) == ["0", "1", "3"]


async def test_undo_brings_back_one_answer_after_the_other(visit: Visit, desk: PaperDesk) -> None:
    ada = await visit()
    await ada.sees("d-0000")
    await ada.press("7", "8", "9")
    await ada.sees("d-0003")
    await eventually(lambda: len(desk.answers()) == 3)
    for key, record in (("u", "d-0002"), ("Backspace", "d-0001"), ("Control+z", "d-0000")):
        await ada.press(key)
        await ada.sees(record)
    await eventually(lambda: desk.answers() == {})
    await expect(ada.page.get_by_role("button", name="Undo")).to_be_disabled()
    await ada.press("0", "1", "2")
    await ada.sees("d-0003")
    await eventually(lambda: len(desk.answers()) == 3)
    assert list(desk.answers().values()) == ["0", "1", "2"]


async def test_an_undone_task_can_be_answered_before_the_service_has_given_it_back(
    visit: Visit, desk: PaperDesk, host: PageHost
) -> None:
    ada = await visit()
    await ada.sees("d-0000")
    await ada.press("7")
    await eventually(lambda: len(desk.answers()) == 1)
    host.delay_s = 1.0
    await ada.press("u", "0")
    await ada.sees("d-0001")
    await eventually(lambda: desk.answers() == {"digits/d-0000": "0"})


async def test_an_undone_task_says_that_the_answer_may_still_count(
    visit: Visit, desk: PaperDesk, host: PageHost
) -> None:
    ada = await visit()
    await ada.sees("d-0000")
    await ada.press("7")
    await eventually(lambda: len(desk.answers()) == 1)
    await ada.press("u")
    await ada.sees("d-0000")
    await expect(ada.hint).to_contain_text("Taken back. Until you answer again, “7” may still count.")
    await expect(ada.announcer).to_contain_text("Taken back: 7. Until you answer again, it may still count.")
    await eventually(lambda: desk.answers() == {})
    # Of one that never left nothing can count.
    host.down = True
    await ada.press("0", "1")
    await expect(ada.page.locator(".connection")).to_contain_text("2 answers are kept here")
    await ada.press("u")
    await ada.sees("d-0001")
    await expect(ada.hint).not_to_contain_text("Taken back")
    await ada.press("u")
    await ada.sees("d-0000")
    await expect(ada.hint).to_contain_text("“0” may still count.")


async def test_after_a_reload_the_last_answers_can_still_be_taken_back(visit: Visit, desk: PaperDesk) -> None:
    ada = await visit()
    await ada.sees("d-0000")
    await ada.press("7", "8")
    await eventually(lambda: len(desk.answers()) == 2)
    await ada.page.reload()
    await expect(ada.record).to_be_visible()
    await expect(ada.page.locator(".header-stats")).to_contain_text("2 today")
    for record, said in (("d-0001", "8"), ("d-0000", "7")):
        await ada.press("u")
        await ada.sees(record)
        await expect(ada.announcer).to_contain_text(f"Taken back: {said}.")
        await expect(ada.hint).to_contain_text(f"“{said}” may still count.")
    await eventually(lambda: desk.answers() == {})
    await expect(ada.page.get_by_role("button", name="Undo")).to_be_disabled()
    await ada.press("0", "1")
    await eventually(lambda: desk.answers() == {"digits/d-0000": "0", "digits/d-0001": "1"})
    await expect(ada.page.locator(".header-stats")).to_contain_text("2 today")


async def test_undo_with_nothing_to_undo_says_so(visit: Visit) -> None:
    ada = await visit()
    await ada.sees("d-0000")
    await ada.press("u")
    await expect(ada.page.locator(".notice")).to_have_text("There is no answer to take back.")
    await ada.sees("d-0000")


async def test_skip_gives_the_task_to_others_and_shows_the_next(visit: Visit, desk: PaperDesk) -> None:
    ada = await visit()
    await ada.sees("d-0000")
    await ada.press("s")
    await ada.sees("d-0001")
    await ada.press("ArrowRight")
    await ada.sees("d-0002")
    await eventually(lambda: len(desk.skips) == 2)
    assert {review_history_pb2.SkipReason.Name(skip.reason) for skip in desk.skips} == {"SKIP_REASON_CANNOT_TELL"}
    assert sorted(desk.held_by("ada")) == [f"digits/d-{number:04d}" for number in (2, 3, 4, 5)]
    assert desk.answers() == {}


async def test_a_bouncing_or_held_key_is_one_answer(visit: Visit, desk: PaperDesk) -> None:
    ada = await visit()
    await ada.sees("d-0000")
    await ada.page.evaluate(
        """() => {
          const press = (repeat) => document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "0", repeat, bubbles: true }));
          press(false); press(false); for (let n = 0; n < 50; n += 1) press(true);
        }"""
    )
    await asyncio.sleep(0.3)
    await ada.sees("d-0001")
    assert desk.answers() == {"digits/d-0000": "0"}


async def test_a_click_answers_and_enter_then_accepts_instead_of_repeating_it(visit: Visit, desk: PaperDesk) -> None:
    ada = await visit()
    await ada.sees("d-0000")
    await ada.answer("9").click()
    await ada.sees("d-0001")
    await ada.press("Enter")
    await ada.sees("d-0002")
    await eventually(lambda: list(desk.answers().values()) == ["9", "1"])


async def test_the_header_tells_depth_and_own_count(visit: Visit, desk: PaperDesk) -> None:
    ada = await visit()
    await ada.sees("d-0000")
    await ada.press("0", "1", "2", "3")
    await expect(ada.page.locator(".header-stats")).to_contain_text("4 today")
    await expect(ada.page.locator(".header-stats")).to_contain_text("a minute")
    await expect(ada.page.locator(".header-stats")).to_contain_text("32 waiting")


async def test_what_others_have_begun_is_not_told_to_wait(visit: Visit, desk: PaperDesk) -> None:
    desk.begun = 3
    ada = await visit()
    await ada.sees("d-0000")
    await expect(ada.page.locator(".header-stats")).to_contain_text("36 waiting")


async def test_an_empty_queue_waits_pleasantly_and_goes_on_by_itself(visit: Visit, desk: PaperDesk) -> None:
    desk.sheets.clear()
    ada = await visit()
    await expect(ada.page.get_by_role("heading", name="All caught up")).to_be_visible()
    await desk.put(*digit_tasks(1))
    await ada.sees("d-0000")
    await ada.press("0")
    await expect(ada.page.get_by_role("heading", name="All caught up")).to_be_visible()
    # The last answer of a queue can be taken back, too.
    await ada.press("u")
    await ada.sees("d-0000")


async def test_at_the_end_the_header_does_not_say_that_something_waits(visit: Visit, desk: PaperDesk) -> None:
    desk.sheets.clear()
    await desk.put(*digit_tasks(5))
    ada = await visit()
    await ada.sees("d-0000")
    # Four are in hand; from now on the figure is as old as that.
    await expect(ada.page.locator(".header-stats")).to_contain_text("1 waiting")
    await ada.page.route("**/GetQueueStats", lambda route: route.abort())
    await ada.press("0", "1", "2", "3", "4")
    await expect(ada.page.get_by_role("heading", name="All caught up")).to_be_visible()
    await expect(ada.page.locator(".header-stats")).to_contain_text("0 waiting")
    await expect(ada.page.get_by_text("Nothing waits.")).to_be_visible()


async def test_what_is_on_the_desks_of_others_is_told_and_comes_when_they_leave_it(
    visit: Visit, desk: PaperDesk
) -> None:
    desk.sheets.clear()
    await desk.put(*digit_tasks(4))
    handed = await desk.LeaseTasks(LeaseTasksRequest(annotator="bob", max_tasks=2), None)
    ada = await visit()
    await ada.sees("d-0002")
    await ada.press("2", "3")
    await expect(ada.page.get_by_role("heading", name="All caught up")).to_be_visible()
    await expect(
        ada.page.get_by_text("2 more are on other desks: other people’s, or yours in another tab.")
    ).to_be_visible()
    tokens = [leased.lease.lease_token for leased in handed.tasks]
    await desk.ReleaseLeases(ReleaseLeasesRequest(annotator="bob", lease_tokens=tokens[:1]), None)
    await ada.sees("d-0000")
    await ada.press("0")
    await expect(
        ada.page.get_by_text("One more is on another desk: somebody else’s, or yours in another tab.")
    ).to_be_visible()


async def test_the_next_picture_is_there_before_one_can_blink(visit: Visit, capsys: pytest.CaptureFixture[str]) -> None:
    ada = await visit()
    for number in range(30):
        await ada.sees(f"d-{number:04d}")
        await ada.page.keyboard.press(str(number % 10))
    await ada.sees("d-0030")
    took_ms = await ada.page.evaluate(
        '() => performance.getEntriesByName("next-picture").map((entry) => entry.duration)'
    )
    assert len(took_ms) == 30
    ordered = sorted(took_ms)
    with capsys.disabled():
        sys.stdout.write(
            f"\nkey press to next picture, {len(ordered)} times: median {statistics.median(ordered):.1f} ms, "
            f"p95 {ordered[28]:.1f} ms, worst {ordered[-1]:.1f} ms\n"
        )


async def test_the_name_is_asked_once(visit: Visit) -> None:
    ada = await visit("Ada Lovelace")
    await ada.sees("d-0000")
    await ada.page.reload()
    await expect(ada.record).to_be_visible()
    await expect(ada.page.locator(".header-person-name")).to_have_text("Ada Lovelace")


async def test_the_help_lists_keys_and_can_turn_single_keys_off(visit: Visit, desk: PaperDesk) -> None:
    ada = await visit()
    await ada.sees("d-0000")
    await ada.press("?")
    dialog = ada.page.get_by_role("dialog", name="Keys")
    await expect(dialog).to_contain_text("Accept the suggestion")
    await ada.press("3")
    await dialog.get_by_label("Single characters work as keys").uncheck()
    await ada.press("Escape")
    await expect(dialog).to_have_count(0)
    await ada.press("4")
    await ada.sees("d-0000")
    await ada.press("Enter")
    await ada.sees("d-0001")
    await eventually(lambda: list(desk.answers().values()) == ["0"])
