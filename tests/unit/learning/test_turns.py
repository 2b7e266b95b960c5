"""A turn of the learner: who hears what where it fails, and which thread asks for what others change."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Sequence

import pytest

from streamlabel.core.project import Project
from streamlabel.errors import TransientError
from streamlabel.learning.ports import News, Page, StaleReceiptError
from support.learning_house import House, certified_project, learner


class PartlyStale(House):
    """Its shelf refuses the receipt `old`."""

    async def keep(self, pages: Sequence[Page], receipts: Sequence[object]) -> None:
        if stale := [each for each in receipts if each == "old"]:
            raise StaleReceiptError("the offset is no longer 3", stale)
        await super().keep(pages, receipts)


async def test_a_stale_receipt_is_told_to_whoever_brought_it_and_others_may_try_again() -> None:
    house = PartlyStale(certified_project())
    learning = learner(house)
    old, fresh = (asyncio.create_task(learning.hear(News(receipt=receipt))) for receipt in ("old", "fresh"))
    await asyncio.sleep(0)
    with pytest.raises(StaleReceiptError):
        await learning.turn(1)
    with pytest.raises(StaleReceiptError):
        await old
    with pytest.raises(TransientError, match="the offset is no longer 3"):
        await fresh
    assert house.pages == []

    again = asyncio.create_task(learning.hear(News(receipt="fresh")))
    await asyncio.sleep(0)
    await learning.turn(1)
    await again
    assert [page.began for page in house.pages] == [True]


class Following(House):
    """Remembers who asked for the projects: they change in the thread of the loop, and may not while somebody looks through them."""

    def __init__(self, project: Project) -> None:
        super().__init__(project)
        self.asked_in: set[int] = set()

    def all(self) -> Iterable[Project]:
        self.asked_in.add(threading.get_ident())
        return super().all()

    def live_version(self, project: Project) -> int | None:
        self.asked_in.add(threading.get_ident())
        return super().live_version(project)


async def test_projects_and_releases_are_looked_through_in_the_loop_that_changes_them() -> None:
    house = Following(certified_project())
    await learner(house).turn(0)
    assert house.asked_in == {threading.get_ident()}
    assert len(house.pages) == 1
