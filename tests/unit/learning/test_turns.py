"""A turn of the learner: who hears what where it fails, and which thread asks for what others change."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from streamlabel.core.control import GateState
from streamlabel.core.project import Project
from streamlabel.errors import TransientError
from streamlabel.learning.ports import News, Page, ShelvedBook, StaleReceiptError
from streamlabel.learning.rules.events import Seen, Ticked
from streamlabel.learning.rules.gates import moment
from streamlabel.learning.rules.suspicions import Suspicion, Vouched
from support.gates import a_prediction, binding_of
from support.learning_house import NOW_MS, House, certified_project, learner, subject_of_mail, told


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


def bound_otherwise(project: Project, version: int) -> Project:
    assert project.model is not None
    model = replace(project.model, output_name="another_head", embedding_name="near")
    return replace(project, version=version, bound_since=version, model=model)


async def test_a_model_that_is_bound_otherwise_begins_a_book_of_its_own_that_says_what_changed() -> None:
    house = House(certified_project())
    learning = learner(house)
    await learning.turn(0)
    house.project = bound_otherwise(house.project, 2)
    await learning.turn(0)
    began, ended, anew = house.pages
    assert (began.began, ended.ended, anew.began) == (True, True, True)
    [step] = anew.steps
    assert step.transition.state is GateState.COLD
    assert step.transition.reason == (
        "output.name was probabilities and is another_head; output.embedding was none and is near: model m 1: no evidence yet"
    )
    first, second = told(house)
    assert (second.state, second.first_gate) == (GateState.COLD, 2)
    assert {first.binding, second.binding} == {binding_of(certified_project()), binding_of(house.project)}
    assert len({first.binding, second.binding}) == 2


async def test_a_book_of_before_bindings_were_written_down_ends() -> None:
    house = House(certified_project())
    house.shelved = [ShelvedBook(subject=replace(subject_of_mail(), binding=""), snapshot=None, events=[])]
    await learner(house).turn(0)
    ended, anew = house.pages
    assert (ended.ended, anew.began) == (True, True)
    assert anew.steps[0].transition.reason == (
        "how the model was bound was not written down before: model m 1: no evidence yet"
    )


async def test_the_same_binding_under_another_version_is_the_same_book() -> None:
    house = House(replace(certified_project(), version=4, bound_since=0))
    learning = learner(house)
    await learning.turn(0)
    house.project = replace(house.project, version=5, bound_since=4, description="x")
    given = [(a_prediction(f"r{each}", 0.9, project_version=each), 7) for each in (3, 4, 5, 6)]
    heard = asyncio.create_task(learning.hear(News(receipt="r", predictions=given)))
    await asyncio.sleep(0)
    await learning.turn(1)
    await heard
    assert [page.ended for page in house.pages] == [False, False]
    [seen] = [event for event in house.pages[-1].events if isinstance(event, Seen)]
    assert seen.record_ids == ("r4", "r5"), (
        "of version 3 it is not known how the model was bound, of 6 it is not known yet"
    )


async def test_what_nobody_will_ever_hear_ends_every_book_and_what_was_not_confirmed_is_suspect() -> None:
    house = House(certified_project())
    vouched = Vouched(first_gate=3, confirmed_until_ms=NOW_MS - 70_000, suspicions=(Suspicion(5, 7),))
    house.shelved = [ShelvedBook(subject=subject_of_mail(), snapshot=None, events=[], vouched=vouched)]
    house.numbers = {"mail": 4}
    learning = learner(house)
    heard = asyncio.create_task(learning.hear(News(receipt="r", lost="tasks[1]: offsets 3-9 were deleted")))
    await asyncio.sleep(0)
    await learning.turn(1)
    await heard
    ended, anew = house.pages
    assert ended.ended
    assert ended.vouched is not None
    assert ended.vouched.suspicions == (Suspicion(5, 7), Suspicion(NOW_MS - 70_000, NOW_MS))
    assert anew.began
    assert anew.steps[0].transition.reason == "tasks[1]: offsets 3-9 were deleted: model m 1: no evidence yet"
    [gate] = told(house)
    assert (gate.state, gate.first_gate, len(gate.suspects)) == (GateState.COLD, 5, 2)
    await learning.turn(0)
    assert [page.ended for page in house.pages].count(True) == 1


async def test_a_clock_that_was_ahead_and_is_put_right_goes_on_at_once() -> None:
    """Renewals, points and ticks do not wait until the hour of before comes round; and nothing is confirmed in the future."""
    house = House(certified_project())
    learning = learner(house)
    house.hour_ms = house.seen_until_ms = NOW_MS + 172_800_000
    await learning.turn(0)
    [wrong] = told(house)
    house.hour_ms = house.seen_until_ms = NOW_MS
    await learning.turn(0)
    right = told(house)[-1]
    assert right.gate_id == wrong.gate_id
    assert (right.expires_at, right.lifetime_s) == (moment(NOW_MS) + timedelta(seconds=900), 900)
    assert right.confirmed_until == moment(NOW_MS)
    page = house.pages[-1]
    assert page.point is not None
    assert page.point.at_ms == NOW_MS
    assert [type(event) for event in page.events] == [Ticked]
