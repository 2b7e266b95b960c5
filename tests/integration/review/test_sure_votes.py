"""Projects that say how sure several people's answers must make a label, on a real PostgreSQL."""

from __future__ import annotations

import asyncio
import contextlib
import random
from dataclasses import replace

import pytest

from streamlabel.core.desk import AnnotationStatus, LeasedTask
from streamlabel.core.label import Label
from streamlabel.core.project import ReviewPolicy
from streamlabel.core.review import Annotation
from streamlabel.review.adapters.postgres.crowd_upkeep import CrowdFitter, CrowdReader
from streamlabel.review.adapters.postgres.crowds import PostgresCrowds
from streamlabel.review.ports import RefusedError
from support.nouns import text_project
from support.review_queue import ReviewQueue, review_queue, task

pytestmark = pytest.mark.integration

MAIL = replace(text_project("mail"), review=ReviewPolicy(sure=0.9, max_votes=3))


async def answer(
    queue: ReviewQueue, annotator: str, leased: LeasedTask, class_name: str, annotation_id: str
) -> AnnotationStatus:
    annotation = Annotation(annotation_id=annotation_id, lease_token=leased.lease.lease_token, class_name=class_name)
    [result] = await queue.desk.submit(annotator, [annotation])
    return result.status


async def vote(queue: ReviewQueue, annotator: str, class_name: str, annotation_id: str) -> LeasedTask:
    [leased] = await queue.desk.lease(annotator)
    assert await answer(queue, annotator, leased, class_name, annotation_id) is AnnotationStatus.ACCEPTED
    return leased


def told(label: Label) -> tuple[str, int, str]:
    return label.class_name, label.revision, " ".join(f"{vote.annotator}:{vote.class_name}" for vote in label.votes)


async def become_known(queue: ReviewQueue, *, tasks: int = 30) -> None:
    """ann, bob and cat answer the same tasks; bob takes every tenth for the other class, so that he is known to err."""
    await queue.feed(*(task(f"{i}", needed_votes=3) for i in range(tasks)))
    for name in ("ann", "bob", "cat"):
        for _ in range(tasks):
            [leased] = await queue.desk.lease(name)
            number = int(leased.task.key.record_id)
            is_spam = (number % 2 == 1) != (name == "bob" and number % 10 < 2)
            await answer(queue, name, leased, "spam" if is_spam else "ham", f"known{number}")
    await queue.published()
    assert await queue.crowds.refit(MAIL)
    await queue.crowds.refresh()


async def test_two_are_asked_while_nobody_is_known_and_one_suffices_then(postgres_database: str) -> None:
    async with review_queue(postgres_database, projects=[MAIL]) as queue:
        await queue.feed(task("r1"))
        await vote(queue, "ann", "spam", "1")
        assert await queue.published() == await queue.desk.lease("ann") == []
        await vote(queue, "bob", "spam", "1")
        [label] = await queue.published()
        assert told(label) == ("spam", 1, "ann:spam bob:spam")
        assert label.posterior is None

        await become_known(queue)
        await queue.feed(task("r2"))
        await vote(queue, "ann", "ham", "2")
        [label] = await queue.published()
        assert told(label) == ("ham", 1, "ann:ham")
        assert label.posterior is not None
        assert label.posterior > 0.9
        # A stranger's vote is counted, and two are asked.
        await queue.feed(task("r3"))
        await vote(queue, "eve", "ham", "3")
        assert await queue.published() == []
        await vote(queue, "ann", "ham", "3")
        [label] = await queue.published()
        assert (told(label), label.posterior) == (("ham", 1, "eve:ham ann:ham"), None)


async def test_who_differ_are_weighed(postgres_database: str) -> None:
    async with review_queue(postgres_database, projects=[MAIL]) as queue:
        await become_known(queue)
        await queue.feed(task("r1"))
        await vote(queue, "bob", "ham", "1")
        assert await queue.published() == []  # He errs too often to be believed alone.
        await vote(queue, "ann", "spam", "1")
        [label] = await queue.published()
        assert told(label) == ("spam", 1, "bob:ham ann:spam")
        assert label.posterior is not None
        assert label.posterior > 0.9


async def test_an_answer_that_sufficed_can_be_taken_back(postgres_database: str) -> None:
    async with review_queue(postgres_database, projects=[MAIL]) as queue:
        await become_known(queue)
        await queue.feed(task("r1"))
        await vote(queue, "ann", "ham", "1")
        # Before it is published the label never was.
        undone = await queue.desk.undo("ann", "1")
        assert (undone.class_name, await queue.published()) == ("ham", [])
        assert await answer(queue, "ann", undone.leased, "spam", "2") is AnnotationStatus.ACCEPTED
        assert [told(label) for label in await queue.published()] == [("spam", 1, "ann:spam")]
        # Afterwards the next vote supersedes it, whoever gives it.
        undone = await queue.desk.undo("ann", "2")
        await queue.desk.release("ann", [undone.leased.lease.lease_token])
        await vote(queue, "cat", "ham", "3")
        assert [told(label) for label in await queue.published()] == [("ham", 2, "cat:ham")]
        with pytest.raises(RefusedError, match="taken back before"):
            await queue.desk.undo("ann", "2")


async def test_a_project_that_counts_again_counts_what_was_weighed(postgres_database: str) -> None:
    async with review_queue(postgres_database, projects=[MAIL]) as queue:
        await queue.feed(task("r1"), task("r2"))
        await vote(queue, "ann", "spam", "1")
        await vote(queue, "ann", "spam", "2")
        undone = await queue.desk.undo("ann", "2")
        queue.projects.by_name["mail"] = replace(MAIL, review=ReviewPolicy())
        # A vote less than none: its next answer is the label, without votes.
        assert await answer(queue, "ann", undone.leased, "ham", "3") is AnnotationStatus.ACCEPTED
        assert [told(label) for label in await queue.published()] == [("ham", 1, "")]
        assert await queue.desk.undo("ann", "3")
        # What has a vote goes on by votes.
        leased = await vote(queue, "bob", "spam", "4")
        assert [told(label) for label in await queue.published()] == [("spam", 1, "ann:spam bob:spam")]
        assert leased.lease.task.record_id == "r1"


async def test_people_are_known_by_votes_that_stand(postgres_database: str) -> None:
    async with review_queue(postgres_database, projects=[MAIL]) as queue:
        await queue.feed(*(task(f"r{i}", needed_votes=2) for i in range(40)))
        for number in range(40):
            await vote(queue, "ann", "spam", f"{number}")
            await vote(queue, "bob", "spam", f"{number}")
        for number in range(25):
            undone = await queue.desk.undo("bob", f"{number}")
            await queue.desk.release("bob", [undone.leased.lease.lease_token])
        assert await queue.crowds.refit(MAIL)
        # 15 are left on which both have voted.
        await queue.crowds.refresh()
        crowd = queue.crowds.of(MAIL)
        assert crowd is not None
        assert crowd.annotators == ()
        assert await queue.scalar("SELECT votes FROM crowd_model") == 55
        # Nobody has voted since.
        assert not await queue.crowds.refit(MAIL)


async def test_other_classes_are_another_crowd(postgres_database: str) -> None:
    async with review_queue(postgres_database, projects=[MAIL]) as queue:
        await become_known(queue)
        newer = replace(MAIL, taxonomy=replace(MAIL.taxonomy, version=2))
        assert queue.crowds.of(MAIL) is not None
        assert queue.crowds.of(newer) is None
        assert not await queue.crowds.refit(newer)
        renamed = text_project("mail", classes=("spam", "eggs"))
        assert queue.crowds.of(replace(renamed, review=MAIL.review)) is None


async def test_one_replica_fits_and_the_other_reads(postgres_database: str) -> None:
    async with review_queue(postgres_database, projects=[MAIL]) as one, review_queue(postgres_database) as two:
        await become_known(one)
        fitter = CrowdFitter(one.crowds, one.projects, interval_s=0.05)
        reader = CrowdReader(two.crowds, interval_s=0.05)
        running = [asyncio.create_task(each.run()) for each in (fitter, reader)]
        async with asyncio.timeout(10):
            while two.crowds.of(MAIL) is None:
                await asyncio.sleep(0.02)
            first = two.crowds.of(MAIL)
            two.projects.by_name["mail"] = MAIL
            await one.feed(*(task(f"more{i}", needed_votes=2) for i in range(20)))
            for number in range(20):
                for name, queue in (("ann", one), ("cat", two)):
                    await vote(queue, name, "spam", f"more{number}")
            while two.crowds.of(MAIL) is first:
                await asyncio.sleep(0.02)
        for each in (fitter, reader):
            await each.stop()
        await asyncio.gather(*running)
        assert await one.scalar("SELECT fit_no FROM crowd_model") == 2


async def test_who_dies_between_reading_votes_and_keeping_the_fit_loses_a_fit(
    postgres_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with review_queue(postgres_database, projects=[MAIL]) as queue:
        await become_known(queue)
        before = await queue.scalar("SELECT fit_no FROM crowd_model")
        await queue.feed(*(task(f"more{i}", needed_votes=2) for i in range(20)))
        for number in range(20):
            for name in ("ann", "cat"):
                await vote(queue, name, "spam", f"more{number}")

        class KilledError(BaseException):
            pass

        def killed(*_: object) -> bytes:
            raise KilledError

        with monkeypatch.context() as patched:
            patched.setattr("streamlabel.review.adapters.postgres.crowds._packed", killed)
            with pytest.raises(KilledError):
                await queue.crowds.refit(MAIL)
        assert await queue.scalar("SELECT fit_no FROM crowd_model") == before
        successor = PostgresCrowds(queue.database)
        assert await successor.refit(MAIL)
        await successor.refresh()
        crowd = successor.of(MAIL)
        assert crowd is not None
        assert {"ann", "bob", "cat"} == set(crowd.annotators)


async def test_a_crowd_of_two_replicas_is_asked_as_often_as_it_takes(postgres_database: str) -> None:
    """People come late, walk away, change their mind and decide what others leave open, while they become known; each task ends in one
    label of its votes."""
    sure = replace(MAIL, review=ReviewPolicy(sure=0.95, max_votes=4))
    async with (
        review_queue(postgres_database, lease_s=0.3, projects=[sure]) as one,
        review_queue(postgres_database, lease_s=0.3, projects=[sure]) as two,
    ):
        await one.feed(*(task(f"r{i}") for i in range(150)))
        finished = asyncio.Event()
        out: dict[str, list[Label]] = {}
        upkeep = [CrowdFitter(one.crowds, one.projects, interval_s=0.1)]
        upkeep += [CrowdReader(each.crowds, interval_s=0.1) for each in (one, two)]  # type: ignore[misc]
        running = [asyncio.create_task(each.run()) for each in upkeep]

        async def person(number: int) -> None:
            chance, replica, name, turn = random.Random(number), (one, two)[number % 2], f"p{number}", 0
            while not finished.is_set():
                adjudicates = chance.random() < 0.2
                for each in await replica.desk.lease(
                    name, max_tasks=chance.randint(1, 3), wait_s=0.1, escalated=adjudicates
                ):
                    turn += 1
                    mood = chance.random()
                    if mood < 0.03:
                        await asyncio.sleep(0.4)
                    elif mood < 0.06:
                        continue
                    truth = ("spam", "ham")[int(each.task.key.record_id[1:]) % 2]
                    said = truth if chance.random() < 0.9 - number / 40 else ("ham" if truth == "spam" else "spam")
                    status = await answer(replica, name, each, said, f"{turn}")
                    if status is AnnotationStatus.ACCEPTED and mood > 0.97:
                        with contextlib.suppress(RefusedError):  # Somebody has it in hand.
                            await replica.desk.undo(name, f"{turn}")

        async def sweep_and_publish() -> None:
            while not finished.is_set():
                await one.leases.expire()
                for label in await one.published():
                    out.setdefault(label.key.record_id, []).append(label)
                if await one.scalar("SELECT count(*) FROM task WHERE state <> 2") == 0 and len(out) == 150:
                    finished.set()
                await asyncio.sleep(0.05)

        async with asyncio.timeout(90):
            await asyncio.gather(sweep_and_publish(), *(person(number) for number in range(8)))
        for each in upkeep:
            await each.stop()
        await asyncio.gather(*running)
        for record_id, labels in out.items():
            assert [label.revision for label in labels] == list(range(1, len(labels) + 1)), record_id
            assert len(labels[-1].votes) <= 4
        assert any(label.posterior is not None for labels in out.values() for label in labels)
        for row in await one.database.fetch("SELECT record_id, voters, label_class, label_posterior FROM task"):
            last = out[row["record_id"]][-1]
            assert row["voters"] == [vote.annotator for vote in last.votes]
            assert (row["label_class"], row["label_posterior"]) == (last.class_name, last.posterior)
            assert last.posterior is None or last.posterior >= 0.95
