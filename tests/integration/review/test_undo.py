"""Taking an answer back, before and after its label is out."""

from __future__ import annotations

import asyncio

import pytest

from streamlabel.core.desk import AnnotationStatus, LeasedTask
from streamlabel.core.review import Annotation
from streamlabel.review.ports import Refusal, RefusedError
from support.review_queue import ReviewQueue, review_queue, task

pytestmark = pytest.mark.integration


async def answer(
    queue: ReviewQueue, annotator: str, leased: LeasedTask, class_name: str, annotation_id: str
) -> AnnotationStatus:
    annotation = Annotation(
        annotation_id=annotation_id, lease_token=leased.lease.lease_token, class_name=class_name, think_time_ms=1
    )
    [result] = await queue.desk.submit(annotator, [annotation])
    return result.status


async def seen(queue: ReviewQueue) -> list[tuple[str, int, int]]:
    return [(label.class_name, label.revision, label.supersedes_revision) for label in await queue.published()]


async def test_before_it_is_published_the_label_never_was(postgres_database: str) -> None:
    async with review_queue(postgres_database) as queue:
        await queue.feed(task("r1"))
        [leased] = await queue.desk.lease("ann")
        await answer(queue, "ann", leased, "spam", "a1")
        undone = await queue.desk.undo("ann", "a1")
        assert undone.class_name == "spam"
        assert undone.leased.task == leased.task
        assert undone.leased.lease.fencing_token == 2
        assert await seen(queue) == []
        assert await queue.desk.lease("bob") == []  # It is in ann's hands.
        assert await answer(queue, "ann", undone.leased, "ham", "a2") is AnnotationStatus.ACCEPTED
        assert await seen(queue) == [("ham", 1, 0)]
        [stats] = await queue.desk.stats("mail")
        assert stats.answered_tasks == 1
        assert await queue.scalar("SELECT votes FROM task") == 1


async def test_after_it_is_published_the_next_label_supersedes_it(postgres_database: str) -> None:
    async with review_queue(postgres_database) as queue:
        await queue.feed(task("r1"))
        [leased] = await queue.desk.lease("ann")
        await answer(queue, "ann", leased, "spam", "a1")
        assert await seen(queue) == [("spam", 1, 0)]
        second = await queue.desk.undo("ann", "a1")
        await answer(queue, "ann", second.leased, "ham", "a2")
        # Back and forth before the second label is out: it is withdrawn, and its revision used again.
        third = await queue.desk.undo("ann", "a2")
        await answer(queue, "ann", third.leased, "spam", "a3")
        assert await seen(queue) == [("spam", 2, 1)]
        fourth = await queue.desk.undo("ann", "a3")
        await answer(queue, "ann", fourth.leased, "ham", "a4")
        assert await seen(queue) == [("ham", 3, 2)]
        [stats] = await queue.desk.stats("mail")
        assert stats.answered_tasks == 1


async def test_an_undo_may_be_repeated(postgres_database: str) -> None:
    async with review_queue(postgres_database) as queue:
        await queue.feed(task("r1"))
        [leased] = await queue.desk.lease("ann")
        await answer(queue, "ann", leased, "spam", "a1")
        undos = await asyncio.gather(*(queue.desk.undo("ann", "a1") for _ in range(5)))
        assert {undo.leased.lease.lease_token for undo in undos} == {undos[0].leased.lease.lease_token}
        # The old submit, delivered once more by a slow network, changes nothing.
        assert await answer(queue, "ann", leased, "spam", "a1") is AnnotationStatus.DUPLICATE
        assert await seen(queue) == []
        assert await answer(queue, "ann", undos[0].leased, "ham", "a2") is AnnotationStatus.ACCEPTED


async def test_an_undone_task_left_alone_goes_to_the_next_person(postgres_database: str) -> None:
    async with review_queue(postgres_database, lease_s=0.2) as queue:
        await queue.feed(task("r1"))
        [leased] = await queue.desk.lease("ann")
        await answer(queue, "ann", leased, "spam", "a1")
        assert await seen(queue) == [("spam", 1, 0)]
        await queue.desk.undo("ann", "a1")
        await asyncio.sleep(0.3)
        await queue.leases.expire()
        [other] = await queue.desk.lease("bob")
        assert await answer(queue, "bob", other, "ham", "b1") is AnnotationStatus.ACCEPTED
        [label] = await queue.published()
        assert (label.class_name, label.revision, label.annotators) == ("ham", 2, ("bob",))
        with pytest.raises(RefusedError, match="taken back before"):
            await queue.desk.undo("ann", "a1")


async def test_only_ones_own_accepted_latest_answer(postgres_database: str) -> None:
    async with review_queue(postgres_database) as queue:
        await queue.feed(task("r1"))
        [leased] = await queue.desk.lease("ann")
        await answer(queue, "ann", leased, "spam", "a1")
        await answer(queue, "ann", leased, "ham", "opinion")
        for annotator, annotation_id, refusal in (
            ("bob", "a1", Refusal.NOT_FOUND),
            ("ann", "none", Refusal.NOT_FOUND),
            ("ann", "opinion", Refusal.FAILED_PRECONDITION),
        ):
            with pytest.raises(RefusedError) as refused:
                await queue.desk.undo(annotator, annotation_id)
            assert refused.value.refusal is refusal
        assert await seen(queue) == [("spam", 1, 0)]


async def test_undo_against_the_publisher(postgres_database: str) -> None:
    """Whatever the publisher sees, revisions come out without hole or repetition, and the last word is the annotator's."""
    async with review_queue(postgres_database) as queue:
        await queue.feed(*(task(f"r{i}") for i in range(20)))
        out: dict[str, list[tuple[str, int]]] = {}
        finished = asyncio.Event()

        async def publish() -> None:
            while not finished.is_set():
                for label in await queue.published():
                    out.setdefault(label.key.record_id, []).append((label.class_name, label.revision))
                await asyncio.sleep(0)

        async def change_ones_mind(person: str) -> None:
            while leased := await queue.desk.lease(person):
                current = leased[0]
                for turn in range(4):
                    annotation_id = f"{current.task.key.record_id}-{turn}"
                    class_name = "spam" if turn % 2 else "ham"
                    assert await answer(queue, person, current, class_name, annotation_id) is AnnotationStatus.ACCEPTED
                    if turn < 3:
                        current = (await queue.desk.undo(person, annotation_id)).leased

        publishing = asyncio.create_task(publish())
        await asyncio.gather(*(change_ones_mind(f"p{i}") for i in range(4)))
        await asyncio.sleep(0.2)
        finished.set()
        await publishing
        assert len(out) == 20
        for labels in out.values():
            assert [revision for _, revision in labels] == list(range(1, len(labels) + 1))
            assert labels[-1][0] == "spam"
