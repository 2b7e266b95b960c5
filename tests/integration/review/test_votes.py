"""Tasks that want the answers of several people, on a real PostgreSQL: who is asked, what becomes a label, what can be taken back."""

from __future__ import annotations

import asyncio
import contextlib
import random

import pytest

from streamlabel.core.decision import Purpose
from streamlabel.core.desk import AnnotationStatus, LeasedTask, QueueStats
from streamlabel.core.label import Label
from streamlabel.core.review import Annotation
from streamlabel.review.ports import Refusal, RefusedError
from support.review_queue import ReviewQueue, review_queue, task

pytestmark = pytest.mark.integration


async def answer(
    queue: ReviewQueue, annotator: str, leased: LeasedTask, class_name: str, annotation_id: str = "1"
) -> AnnotationStatus:
    annotation = Annotation(
        annotation_id=annotation_id, lease_token=leased.lease.lease_token, class_name=class_name, think_time_ms=1
    )
    [result] = await queue.desk.submit(annotator, [annotation])
    return result.status


async def vote(queue: ReviewQueue, annotator: str, class_name: str, annotation_id: str = "1") -> LeasedTask:
    [leased] = await queue.desk.lease(annotator)
    assert await answer(queue, annotator, leased, class_name, annotation_id) is AnnotationStatus.ACCEPTED
    return leased


def told(label: Label) -> tuple[str, int, str]:
    return label.class_name, label.revision, " ".join(f"{vote.annotator}:{vote.class_name}" for vote in label.votes)


async def seen(queue: ReviewQueue) -> list[tuple[str, int, str]]:
    return [told(label) for label in await queue.published()]


def counts(stats: QueueStats) -> tuple[int, int, int, int]:
    return stats.open_tasks, stats.begun_tasks, stats.leased_tasks, stats.answered_tasks


async def test_two_people_make_one_label(postgres_database: str) -> None:
    async with review_queue(postgres_database) as queue:
        await queue.feed(task("r1", purpose=Purpose.CALIBRATE, blind=True, needed_votes=2))
        first = await vote(queue, "ann", "spam")
        assert queue.wakes == 0
        # As with an empty queue; but an operator sees that somebody else is wanted.
        assert await queue.desk.lease("ann") == []
        assert await queue.desk.lease("ann", project="mail") == []
        [mail] = await queue.desk.stats("mail")
        assert counts(mail) == (1, 1, 0, 0)
        assert mail.oldest_at is not None

        second = await vote(queue, "bob", "spam")
        # Nothing tells the two that there are two of them, nor what the other said.
        assert second.task == first.task
        assert (second.task.needed_votes, second.task.decision.needed_votes) == (1, 1)
        # A reply got lost: what was kept is not kept again, and makes no second label.
        for annotator, leased in (("ann", first), ("bob", second)):
            assert await answer(queue, annotator, leased, "spam") is AnnotationStatus.DUPLICATE
        assert await seen(queue) == [("spam", 1, "ann:spam bob:spam")]
        assert counts((await queue.desk.stats("mail"))[0]) == (0, 0, 0, 1)
        assert queue.tally.labelled_in == ["mail"]
        assert await queue.desk.lease("cat") == []


async def test_whoever_disagrees_has_a_third_one_asked(postgres_database: str) -> None:
    async with review_queue(postgres_database) as queue:
        await queue.feed(task("r1", needed_votes=2))
        await vote(queue, "ann", "spam")
        await vote(queue, "bob", "ham")
        assert await queue.desk.lease("ann") == await queue.desk.lease("bob") == []
        await vote(queue, "cat", "ham")
        assert await seen(queue) == [("ham", 1, "ann:spam bob:ham cat:ham")]


async def test_a_begun_task_goes_to_the_next_person_whatever_became_of_a_lease(postgres_database: str) -> None:
    async with review_queue(postgres_database, lease_s=0.2) as queue:
        await queue.feed(task("begun", needed_votes=2, priority=0.1))
        # ann's lease runs out; bob votes; ann's late answer is the second vote, and no answer under an older lease a third.
        [late] = await queue.desk.lease("ann")
        await asyncio.sleep(0.3)
        await queue.leases.expire()
        [walked_away] = await queue.desk.lease("ann")
        await queue.desk.release("ann", [walked_away.lease.lease_token])
        await vote(queue, "bob", "spam")
        assert counts((await queue.desk.stats("mail"))[0]) == (1, 1, 0, 0)
        # cat is silent: the task is begun again, still not for bob. It comes before one that nobody has answered.
        await queue.desk.lease("cat")
        await asyncio.sleep(0.3)
        assert await queue.leases.expire() == {"mail": 1}
        await queue.feed(task("fresh", priority=0.9))
        await asyncio.sleep(0.25)  # They are looked for now and then while ready ones suffice.
        [given, *_] = await queue.desk.lease("dan", max_tasks=2)
        assert given.task.key.record_id == "begun"
        await queue.desk.release("dan", [given.lease.lease_token])
        assert [each.task.key.record_id for each in await queue.desk.lease("bob", max_tasks=2)] == []
        assert await answer(queue, "ann", late, "spam", "late") is AnnotationStatus.ACCEPTED
        assert await answer(queue, "ann", walked_away, "ham", "again") is AnnotationStatus.SUPERSEDED
        assert await seen(queue) == [("spam", 1, "bob:spam ann:spam")]


async def test_an_answer_that_crosses_with_a_vote_of_the_same_person_counts_once(postgres_database: str) -> None:
    async with review_queue(postgres_database, lease_s=0.2) as queue:
        await queue.feed(task("r1", needed_votes=2))
        [first] = await queue.desk.lease("ann")
        await asyncio.sleep(0.3)
        await queue.leases.expire()
        [again] = await queue.desk.lease("ann")
        statuses = await asyncio.gather(
            *(
                answer(queue, "ann", leased, "spam", f"{turn}")
                for turn, leased in enumerate((first, again, first, again))
            )
        )
        assert sorted(status.value for status in statuses) == ["accepted", "superseded", "superseded", "superseded"]
        assert await queue.scalar("SELECT voters FROM task") == ["ann"]
        assert await seen(queue) == []


async def test_a_vote_taken_back_before_there_is_a_label(postgres_database: str) -> None:
    async with review_queue(postgres_database) as queue:
        await queue.feed(task("r1", needed_votes=2))
        await vote(queue, "ann", "spam", "a1")
        undone = await queue.desk.undo("ann", "a1")
        assert undone.class_name == "spam"
        assert (await queue.desk.undo("ann", "a1")).leased.lease.lease_token == undone.leased.lease.lease_token
        assert counts((await queue.desk.stats("mail"))[0]) == (0, 0, 1, 0)
        assert await answer(queue, "ann", undone.leased, "ham", "a2") is AnnotationStatus.ACCEPTED
        # While somebody is at it the vote stays; then it can be taken back, and whoever was not asked before may answer.
        [in_hand] = await queue.desk.lease("bob")
        with pytest.raises(RefusedError, match="another person has the task in hand") as refused:
            await queue.desk.undo("ann", "a2")
        assert refused.value.refusal is Refusal.FAILED_PRECONDITION
        await queue.desk.release("bob", [in_hand.lease.lease_token])
        undone = await queue.desk.undo("ann", "a2")
        await queue.desk.release("ann", [undone.leased.lease.lease_token])
        assert counts((await queue.desk.stats("mail"))[0]) == (1, 0, 0, 0)
        await vote(queue, "bob", "spam")
        await vote(queue, "cat", "spam")
        assert await seen(queue) == [("spam", 1, "bob:spam cat:spam")]
        with pytest.raises(RefusedError, match="taken back before"):
            await queue.desk.undo("ann", "a2")


async def test_a_vote_taken_back_after_the_label_has_the_votes_counted_anew(postgres_database: str) -> None:
    async with review_queue(postgres_database) as queue:
        await queue.feed(task("r1", needed_votes=2))
        await vote(queue, "ann", "spam", "a1")
        await vote(queue, "bob", "spam", "b1")
        # Not published yet: the label never was, though it was bob's answer that made it.
        undone = await queue.desk.undo("ann", "a1")
        assert await seen(queue) == []
        await answer(queue, "ann", undone.leased, "ham", "a2")
        assert await seen(queue) == []
        await vote(queue, "cat", "ham", "c1")
        assert await seen(queue) == [("ham", 1, "bob:spam ann:ham cat:ham")]
        # Published: it stays until the votes make another one, whichever class that is of.
        undone = await queue.desk.undo("ann", "a2")
        await answer(queue, "ann", undone.leased, "spam", "a3")
        assert await seen(queue) == [("spam", 2, "bob:spam cat:ham ann:spam")]
        undone = await queue.desk.undo("bob", "b1")
        assert await seen(queue) == []
        await queue.desk.release("bob", [undone.leased.lease.lease_token])
        await vote(queue, "dan", "spam", "d1")
        assert await seen(queue) == [("spam", 3, "cat:ham ann:spam dan:spam")]
        assert counts((await queue.desk.stats("mail"))[0]) == (0, 0, 0, 1)


async def test_who_waits_hears_of_a_begun_task_though_its_voter_waits_longer(postgres_database: str) -> None:
    async with review_queue(postgres_database, recheck_s=20) as queue:
        await asyncio.sleep(0.3)  # The bell listens.
        await queue.feed(task("r1", needed_votes=2))
        [leased] = await queue.desk.lease("ann")
        voter = asyncio.create_task(queue.desk.lease("ann", wait_s=1))
        waiting = asyncio.create_task(queue.desk.lease("bob", wait_s=15))
        await asyncio.sleep(0.2)
        async with asyncio.timeout(2):
            await answer(queue, "ann", leased, "spam")
            [other] = await waiting
        assert other.lease.task == leased.lease.task
        assert await voter == []


async def test_a_crowd_votes_once_each_and_every_task_has_one_label(postgres_database: str) -> None:
    """Two replicas, people who come late, walk away, and change their mind; a label whose voter voted twice could not be read."""
    async with (
        review_queue(postgres_database, lease_s=0.3) as queue,
        review_queue(postgres_database, lease_s=0.3) as other,
    ):
        await queue.feed(*(task(f"r{i}", needed_votes=1 + i % 4) for i in range(60)))
        finished = asyncio.Event()
        out: dict[str, list[Label]] = {}

        async def person(number: int) -> None:
            chance, replica, name, turn = random.Random(number), (queue, other)[number % 2], f"p{number}", 0
            while not finished.is_set():
                for each in await replica.desk.lease(name, max_tasks=chance.randint(1, 3), wait_s=0.1):
                    turn += 1
                    mood = chance.random()
                    if mood < 0.05:
                        await asyncio.sleep(0.4)
                    elif mood < 0.1:
                        continue
                    status = await answer(replica, name, each, chance.choice(["spam", "ham"]), f"{turn}")
                    if status is AnnotationStatus.ACCEPTED and mood > 0.95:
                        with contextlib.suppress(RefusedError):  # Somebody has it in hand, or has answered since.
                            await replica.desk.undo(name, f"{turn}")

        async def sweep_and_publish() -> None:
            while not finished.is_set():
                await queue.leases.expire()
                for label in await queue.published():
                    out.setdefault(label.key.record_id, []).append(label)
                if await queue.scalar("SELECT count(*) FROM task WHERE state <> 2") == 0 and len(out) == 60:
                    finished.set()
                await asyncio.sleep(0.05)

        async with asyncio.timeout(60):
            await asyncio.gather(sweep_and_publish(), *(person(number) for number in range(8)))
        for record_id, labels in out.items():
            assert [label.revision for label in labels] == list(range(1, len(labels) + 1)), record_id
            assert len(labels[-1].annotators) >= 1 + int(record_id[1:]) % 4
        counted = await queue.database.fetch("SELECT record_id, votes, voters FROM task")
        assert {row["record_id"]: row["votes"] for row in counted} == {
            record_id: len(labels[-1].annotators) for record_id, labels in out.items()
        }
        for row in counted:
            assert row["voters"] is None or tuple(row["voters"]) == out[row["record_id"]][-1].annotators
