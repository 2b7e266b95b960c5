"""The page over the real desk on a real PostgreSQL, as the service wires them; labels are read from its outbox."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from streamlabel.core.project import Project
from streamlabel.core.record import ImagePayload, PayloadKind, Record
from streamlabel.core.review import ReviewTask, Suggestion
from streamlabel.core.taxonomy import ClassDefinition, Taxonomy
from streamlabel.wire.records import content_hash
from support.nouns import text_project
from support.page_host import PageHost, page_host
from support.page_samples import digit_png
from support.page_visitor import Visitor
from support.review_queue import ReviewQueue, review_queue, task

pytestmark = pytest.mark.integration


def digits() -> Project:
    """Ten classes with their keys."""
    classes = tuple(ClassDefinition(name=digit, key=digit) for digit in "0123456789")
    return replace(
        text_project("digits"), payload_kind=PayloadKind.IMAGE, taxonomy=Taxonomy(version=1, classes=classes)
    )


def digit_task(number: int) -> ReviewTask:
    """The digit `number` % 10, the lower numbers first."""
    made = task(f"d-{number}", project="digits", priority=1 - number / 1000)
    payload = ImagePayload(data=digit_png(str(number % 10), number), media_type="image/png")
    record = Record(key=made.record.key, payload=payload, content_hash=content_hash(payload, {}))
    return replace(made, record=record, suggestion=Suggestion(class_name=str(number % 10), probability=0.6))


@pytest_asyncio.fixture(loop_scope="session")
async def queue(postgres_database: str) -> AsyncIterator[ReviewQueue]:
    async with review_queue(
        # Alone at the desk, one gets back at once what one has skipped.
        postgres_database,
        lease_s=6.0,
        projects=[digits()],
        rest_s=0.0,
    ) as queue:
        yield queue


@pytest_asyncio.fixture(loop_scope="session")
async def host(queue: ReviewQueue) -> AsyncIterator[PageHost]:
    async with page_host(queue.servicer()) as host:
        yield host


async def enter(browser: Browser, host: PageHost, name: str) -> Visitor:
    page = await browser.new_page()
    return await Visitor.enter(page, host.url, name=name, project="digits")


async def wait_for_answers(visitor: Visitor) -> None:
    """Until nothing is left in the browser that the service has not taken."""
    await visitor.page.wait_for_function(
        "() => !Object.keys(localStorage).some((key) => key.startsWith('streamlabel.unsent.'))"
    )


async def test_a_person_labels_undoes_and_skips(browser: Browser, host: PageHost, queue: ReviewQueue) -> None:
    await queue.feed(*(digit_task(number) for number in range(12)))
    ada = await enter(browser, host, "Ada Lovelace")
    await ada.sees("d-0")
    # Right, wrong and taken back, right, skipped, by the suggestion.
    await ada.press("0", "7", "Backspace", "1", "s", "Enter")
    await ada.sees("d-4")
    await ada.press("4")
    await ada.sees("d-5")
    await wait_for_answers(ada)
    labels = {label.key.record_id: label for label in await queue.published()}
    assert {key: label.class_name for key, label in labels.items()} == {"d-0": "0", "d-1": "1", "d-3": "3", "d-4": "4"}
    assert all(label.annotators == ("Ada Lovelace",) for label in labels.values())
    await expect(ada.page.locator(".header-stats")).to_contain_text("4 today")
    await ada.page.context.close()


async def test_a_skipped_task_is_for_the_others_and_comes_back_last(
    browser: Browser, host: PageHost, queue: ReviewQueue
) -> None:
    await queue.feed(*(digit_task(number) for number in range(7)))
    ada = await enter(browser, host, "ada")
    await ada.sees("d-0")
    await ada.press("s")
    for number in range(1, 7):
        await ada.sees(f"d-{number}")
        await ada.press("Enter")
    # The desk hands it out first each time; the page keeps it for the end.
    await ada.sees("d-0")
    await ada.press("0")
    await expect(ada.page.get_by_role("heading", name="All caught up")).to_be_visible()
    await wait_for_answers(ada)
    assert len(await queue.published()) == 7
    await ada.page.context.close()


async def test_whoever_skips_all_sees_all_again_in_the_same_order(
    browser: Browser, host: PageHost, queue: ReviewQueue
) -> None:
    await queue.feed(*(digit_task(number) for number in range(9)))
    ada = await enter(browser, host, "ada")
    for turn in range(20):
        await ada.sees(f"d-{turn % 9}")
        await ada.press("s")
    await ada.page.context.close()


async def test_two_people_share_the_queue_and_nothing_is_answered_twice(
    browser: Browser, host: PageHost, queue: ReviewQueue
) -> None:
    await queue.feed(*(digit_task(number) for number in range(24)))
    ada, bob = await enter(browser, host, "ada"), await enter(browser, host, "bob")
    done = 0
    while done < 24:
        for person in (ada, bob):
            if await person.record.is_visible():
                await person.press("Enter")
                done += 1
    for person in (ada, bob):
        await expect(person.page.get_by_role("heading", name="All caught up")).to_be_visible()
        await wait_for_answers(person)
        await person.page.context.close()
    labels = await queue.published()
    assert len(labels) == 24
    assert all(label.revision == 1 for label in labels)
    assert all(label.class_name == str(int(label.key.record_id[2:]) % 10) for label in labels)


async def test_a_task_that_comes_while_the_page_waits_appears_at_once(
    browser: Browser, host: PageHost, queue: ReviewQueue
) -> None:
    ada = await enter(browser, host, "ada")
    await expect(ada.page.get_by_role("heading", name="All caught up")).to_be_visible()
    await queue.feed(digit_task(3))
    await ada.sees("d-3")
    await ada.page.context.close()


async def test_leases_outlast_thinking_and_end_with_the_page(
    browser: Browser, host: PageHost, queue: ReviewQueue
) -> None:
    await queue.feed(*(digit_task(number) for number in range(3)))
    ada = await enter(browser, host, "ada")
    await ada.sees("d-0")
    # Longer than a lease: kept alive by the page.
    await ada.page.wait_for_timeout(8_000)
    assert list(await queue.desk.lease("bob", project="digits", max_tasks=3)) == []
    await ada.page.close(run_before_unload=True)
    leased = await queue.desk.lease("bob", project="digits", max_tasks=3, wait_s=3.0)
    assert len(leased) == 3
