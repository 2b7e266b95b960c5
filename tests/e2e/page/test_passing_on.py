"""Tasks that the person at the page does not answer: skipped with a reason, set aside, taken by others, withdrawn.

The pains are numbered as in the survey of other tools: 2 is "No more tasks" while the rest is locked by somebody, 3 an expired lock
that is never cleared, 6 two people on one record in every setting, 8 tasks that an admin has to hand out one by one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from streamlabel.core.desk import AnnotationStatus
from streamlabel.core.history import SkipReason
from streamlabel.core.identity import RecordKey
from streamlabel.core.review import Annotation
from streamlabel.review.rules.aside import AsideLimits
from streamlabel.v1.review_history_pb2 import SkipReason as WireReason
from support.accessibility import violations
from support.page_host import PageHost, page_host
from support.page_visitor import Visit, Visitor, eventually
from support.paper_desk import PaperDesk
from support.review_queue import ReviewQueue, review_queue, task


async def test_skip_for_a_reason_by_keys_alone(visit: Visit, desk: PaperDesk) -> None:
    ada = await visit()
    await ada.sees("d-0000")
    await ada.press("r")
    dialog = ada.page.get_by_role("dialog", name="Why do you skip it?")
    await expect(dialog).to_contain_text("The record is broken")
    await ada.press("2")
    await expect(dialog).to_have_count(0)
    await ada.sees("d-0001")
    await ada.press("F2", *["Tab"] * 7)
    await ada.page.keyboard.type("Is it a 3?\nOr an 8?")
    await ada.page.get_by_role("button", name="Another reason").click()
    await ada.sees("d-0002")
    await ada.press("r", "Escape")
    await ada.sees("d-0002")
    await eventually(lambda: len(desk.skips) == 2)
    assert [(WireReason.Name(skip.reason), skip.note) for skip in desk.skips] == [
        ("SKIP_REASON_BROKEN_RECORD", ""),
        ("SKIP_REASON_OTHER", "Is it a 3?\nOr an 8?"),
    ]
    assert desk.answers() == {}


async def test_set_aside_with_a_note_and_the_help_says_how(visit: Visit, desk: PaperDesk) -> None:
    ada = await visit()
    await ada.sees("d-0000")
    await ada.press("?")
    legend = ada.page.get_by_role("dialog", name="Keys")
    for words in ("Skip for a reason", "Set aside for somebody who decides"):
        await expect(legend).to_contain_text(words)
    await ada.press("Escape", "e")
    await expect(ada.page.get_by_role("dialog", name="Set it aside")).to_be_visible()
    await ada.page.keyboard.type("<b>ask the chief</b>")
    await ada.press("Control+Enter")
    await ada.sees("d-0001")
    await expect(ada.page.locator(".notice")).to_have_text("Set aside for somebody who decides such tasks.")
    # The menu has it too.
    await ada.page.get_by_role("button", name="Reasons not to answer").click()
    await ada.press("5")
    await ada.sees("d-0002")
    await eventually(lambda: len(desk.escalated) == 2)
    assert [request.note for request in desk.escalated] == ["<b>ask the chief</b>", ""]


async def test_what_is_passed_on_while_offline_leaves_by_itself(visit: Visit, desk: PaperDesk, host: PageHost) -> None:
    ada = await visit()
    await ada.sees("d-0000")
    host.down = True
    await ada.press("s")
    await ada.sees("d-0001")
    await ada.press("1")
    await expect(ada.page.locator(".connection")).to_contain_text("1 answer is kept here")
    assert desk.skips == []
    host.down = False
    await eventually(lambda: len(desk.skips) == 1)
    await eventually(lambda: desk.answers() == {"digits/d-0001": "1"})


async def test_the_dialog_can_be_read_and_worked_by_all(visit: Visit, desk: PaperDesk) -> None:
    ada = await visit(viewport={"width": 360, "height": 640})
    await ada.sees("d-0000")
    await ada.page.get_by_role("button", name="Reasons not to answer").click()
    await expect(ada.page.get_by_role("dialog")).to_be_visible()
    assert await violations(ada.page) == []
    assert await ada.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_a_withdrawn_task_leaves_the_table_with_a_clear_word(visit: Visit, desk: PaperDesk) -> None:
    """Pain 2: what became of a task that goes away is said; nobody has to guess who locks it."""
    desk.lease_s = 3.0
    ada = await visit()
    await ada.sees("d-0000")
    desk.withdraw("digits/d-0000")
    await ada.sees("d-0001")
    await expect(ada.page.locator(".notice")).to_have_text(
        "That task was withdrawn: no answer to it is wanted any more."
    )


# Over the real desk, on a real PostgreSQL.


@pytest_asyncio.fixture(loop_scope="session")
async def queue(postgres_database: str) -> AsyncIterator[ReviewQueue]:
    async with review_queue(postgres_database, lease_s=3.0, aside=AsideLimits(attempts=2)) as queue:
        yield queue


@pytest_asyncio.fixture(loop_scope="session")
async def real(queue: ReviewQueue) -> AsyncIterator[PageHost]:
    async with page_host(queue.servicer()) as host:
        yield host


async def enter(browser: Browser, host: PageHost, name: str) -> Visitor:
    profile = await browser.new_context()
    return await Visitor.enter(await profile.new_page(), host.url, name=name, project="mail")


async def state(queue: ReviewQueue, record_id: str) -> str:
    history = await queue.archive.history(RecordKey(project="mail", record_id=record_id))
    return history.task.state.value


async def until_state(queue: ReviewQueue, record_id: str, wanted: str) -> None:
    async with asyncio.timeout(8):
        while await state(queue, record_id) != wanted:
            await asyncio.sleep(0.05)


@pytest.mark.integration
async def test_two_people_pass_a_task_on_and_it_is_set_aside(
    browser: Browser, real: PageHost, queue: ReviewQueue
) -> None:
    """Pain 6: nobody sees again what they passed on. Pain 8: it comes to the next person by itself, and then to whoever decides."""
    await queue.feed(task("r1"))
    ada = await enter(browser, real, "ada")
    await ada.sees("r1")
    bob = await enter(browser, real, "bob")
    await expect(bob.page.get_by_role("heading", name="All caught up")).to_be_visible()
    await ada.press("r", "3")
    await bob.sees("r1")
    await expect(ada.page.get_by_role("heading", name="All caught up")).to_be_visible()
    await bob.press("r", "1")
    await until_state(queue, "r1", "escalated")
    await asyncio.sleep(1.5)
    for person in (ada, bob):
        await expect(person.page.get_by_role("heading", name="All caught up")).to_be_visible()
    assert [reason for _, _, reason in queue.tally.skips] == [SkipReason.NOT_MY_FIELD, SkipReason.CANNOT_TELL]
    await queue.aside.requeue("mail")
    # It rings for whoever waits.
    await until_state(queue, "r1", "leased")
    for person in (ada, bob):
        await person.page.context.close()


@pytest.mark.integration
async def test_a_task_of_one_who_left_is_free_again_and_not_for_ever(
    browser: Browser, real: PageHost, queue: ReviewQueue
) -> None:
    """Pain 3: an expired lease is cleared within seconds. Pain 2: "all caught up" is said only while nobody could answer any."""
    await queue.feed(task("r1"))
    [gone] = await queue.desk.lease("gone")
    ada = await enter(browser, real, "ada")
    await expect(ada.page.get_by_role("heading", name="All caught up")).to_be_visible()
    await asyncio.sleep(3.2)
    await queue.leases.expire()
    await ada.sees("r1")
    # What the one who left says now counts only while nobody else has it; ada's does.
    answer = Annotation(annotation_id="a", lease_token=gone.lease.lease_token, class_name="spam")
    [late] = await queue.desk.submit("gone", [answer])
    assert late.status is AnnotationStatus.SUPERSEDED
    # It ran out once; passed on, it has been in two hands without an answer: that is as often as is allowed here.
    await ada.press("s")
    await until_state(queue, "r1", "escalated")
    await ada.page.context.close()


@pytest.mark.integration
async def test_who_comes_too_late_reads_since_when(browser: Browser, real: PageHost, queue: ReviewQueue) -> None:
    await queue.feed(task("r1"))
    ada = await enter(browser, real, "ada")
    await ada.sees("r1")
    # Her network is away for longer than the lease, and somebody else answers.
    await ada.page.context.set_offline(True)
    await ada.page.evaluate("() => undefined")
    await asyncio.sleep(3.2)
    await queue.leases.expire()
    [taken] = await queue.desk.lease("bob")
    answer = Annotation(annotation_id="a", lease_token=taken.lease.lease_token, class_name="spam")
    await queue.desk.submit("bob", [answer])
    await ada.page.get_by_role("group", name="Classes").get_by_role("button").first.click()
    await ada.page.context.set_offline(False)
    notice = ada.page.locator(".notice-superseded")
    await expect(notice).to_contain_text("Somebody answered first, at ")
    await expect(notice).to_contain_text("is kept as a second opinion.")
    await ada.page.context.close()
