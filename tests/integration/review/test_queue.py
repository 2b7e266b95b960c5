"""The desk on a real PostgreSQL, one person after the other."""

from __future__ import annotations

import asyncio

import pytest

from streamlabel.core.decision import Purpose
from streamlabel.core.desk import AnnotationStatus, LeasedTask
from streamlabel.core.label import LabelSource
from streamlabel.core.review import Annotation
from streamlabel.review.ports import Refusal, RefusedError
from support.nouns import text_project
from support.review_queue import LABELS_TOPIC, ReviewQueue, review_queue, task

pytestmark = pytest.mark.integration


def answer(leased: LeasedTask, class_name: str = "spam", annotation_id: str = "a1") -> Annotation:
    return Annotation(
        annotation_id=annotation_id, lease_token=leased.lease.lease_token, class_name=class_name, think_time_ms=900
    )


async def status_of(
    queue: ReviewQueue, annotator: str, leased: LeasedTask, class_name: str = "spam", annotation_id: str = "a1"
) -> AnnotationStatus:
    [result] = await queue.desk.submit(annotator, [answer(leased, class_name, annotation_id)])
    return result.status


async def test_a_task_goes_in_and_its_label_comes_out(postgres_database: str) -> None:
    async with review_queue(postgres_database) as queue:
        await queue.feed(task("r1", text="buy now"), partition=3)
        [leased] = await queue.desk.lease("ann")
        assert str(leased.lease.task) == "mail/r1"
        assert leased.lease.fencing_token == 1
        assert leased.task == task("r1", text="buy now")
        assert await status_of(queue, "ann", leased) is AnnotationStatus.ACCEPTED

        [row] = await queue.outbox.pending(0, 10)
        assert (row.topic, row.partition, row.key) == (LABELS_TOPIC, 3, b"mail/r1")
        assert dict(row.headers) == {"ingested-at": b"1700000000000"}
        [label] = await queue.published()
        assert (label.class_name, label.source, label.revision) == ("spam", LabelSource.HUMAN, 1)
        assert label.annotators == ("ann",)
        assert label.content_hash == leased.task.record.content_hash
        assert label.decision == leased.task.decision
        assert label.ingested_at is not None
        assert label.ingested_at.timestamp() == 1_700_000_000
        assert await queue.desk.lease("ann") == []
        assert await queue.published() == []


async def test_the_most_urgent_task_comes_first(postgres_database: str) -> None:
    async with review_queue(postgres_database) as queue:
        await queue.feed(
            task("late", priority=0.5),
            task("audit", purpose=Purpose.AUDIT, priority=1.0),
            task("sure", priority=0.1),
            task("unsure", priority=0.9),
            task("lane", purpose=Purpose.CALIBRATE, priority=0.0),
            task("later", priority=0.5),
        )
        tasks = await queue.desk.lease("ann", project="mail", max_tasks=10)
        assert [each.task.key.record_id for each in tasks] == ["lane", "unsure", "late", "later", "sure", "audit"]


async def test_any_project_means_those_that_exist(postgres_database: str) -> None:
    async with review_queue(postgres_database) as queue:
        await queue.feed(task("r1", project="mail"), task("r2", project="news", priority=0.9))
        tasks = await queue.desk.lease("ann", max_tasks=10)
        assert [str(each.lease.task) for each in tasks] == ["news/r2", "mail/r1"]
        await queue.desk.release("ann", [each.lease.lease_token for each in tasks])
        del queue.projects.by_name["news"]
        assert [str(each.lease.task) for each in await queue.desk.lease("ann", max_tasks=10)] == ["mail/r1"]


async def test_calibration_that_people_pass_over_is_counted_and_comes_back_first(postgres_database: str) -> None:
    async with review_queue(postgres_database) as queue:
        await queue.feed(task("lane", purpose=Purpose.CALIBRATE), task("r1"), task("r2"))
        held = await queue.desk.lease("ann", max_tasks=10)
        assert await queue.desk.release("ann", [each.lease.lease_token for each in held]) == 3
        assert sorted(queue.tally.back, key=str) == [("mail", Purpose.CALIBRATE, 1), ("mail", Purpose.TRAIN, 2)]
        [again] = await queue.desk.lease("ann")
        assert again.task.key.record_id == "lane"


async def test_a_leased_task_is_nobody_elses_not_even_its_owners_again(postgres_database: str) -> None:
    async with review_queue(postgres_database) as queue:
        await queue.feed(task("r1"))
        [first] = await queue.desk.lease("ann")
        assert await queue.desk.lease("ann") == []
        assert await queue.desk.lease("bob") == []
        assert await queue.desk.release("bob", [first.lease.lease_token]) == 0
        assert await queue.desk.release("ann", [first.lease.lease_token]) == 1
        assert await queue.desk.release("ann", [first.lease.lease_token]) == 0
        [second] = await queue.desk.lease("bob")
        assert second.lease.fencing_token == 2


async def test_a_heartbeat_keeps_a_lease_and_tells_of_a_lost_one(postgres_database: str) -> None:
    async with review_queue(postgres_database, lease_s=0.6) as queue:
        await queue.feed(task("r1"), task("r2"))
        kept, lost = await queue.desk.lease("ann", max_tasks=2)
        for _ in range(4):
            await asyncio.sleep(0.25)
            extended = await queue.desk.extend("ann", [kept.lease.lease_token])
            assert [lease.lease_token for lease in extended.leases] == [kept.lease.lease_token]
            assert extended.leases[0].expires_at > kept.lease.expires_at
        assert await queue.leases.expire() == {"mail": 1}
        extended = await queue.desk.extend("ann", [kept.lease.lease_token, lost.lease.lease_token, "nonsense"])
        assert [lease.lease_token for lease in extended.leases] == [kept.lease.lease_token]
        assert extended.lost_lease_tokens == (lost.lease.lease_token, "nonsense")
        someone_elses = await queue.desk.extend("bob", [kept.lease.lease_token])
        assert someone_elses.lost_lease_tokens == (kept.lease.lease_token,)


async def test_an_answer_after_its_time_is_not_lost_while_the_task_is_free(postgres_database: str) -> None:
    async with review_queue(postgres_database, lease_s=0.2) as queue:
        await queue.feed(task("unswept"), task("swept"))
        unswept, swept = await queue.desk.lease("ann", max_tasks=2)
        await asyncio.sleep(0.3)
        assert await status_of(queue, "ann", unswept, annotation_id="a1") is AnnotationStatus.ACCEPTED
        await queue.leases.expire()
        assert await status_of(queue, "ann", swept, annotation_id="a2") is AnnotationStatus.ACCEPTED
        assert len(await queue.published()) == 2


async def test_a_late_answer_never_overwrites(postgres_database: str) -> None:
    async with review_queue(postgres_database, lease_s=0.2) as queue:
        await queue.feed(task("r1"))
        [late] = await queue.desk.lease("ann")
        await asyncio.sleep(0.3)
        await queue.leases.expire()
        [current] = await queue.desk.lease("bob")
        assert current.lease.fencing_token == 2
        assert await status_of(queue, "ann", late, "ham") is AnnotationStatus.SUPERSEDED
        assert await status_of(queue, "bob", current, "spam") is AnnotationStatus.ACCEPTED
        assert await status_of(queue, "ann", late, "ham", "a2") is AnnotationStatus.SUPERSEDED
        # What was kept before is told again, not kept again.
        assert await status_of(queue, "ann", late, "ham") is AnnotationStatus.SUPERSEDED
        assert [(label.class_name, label.annotators) for label in await queue.published()] == [("spam", ("bob",))]
        assert await queue.scalar("SELECT count(*) FROM annotation WHERE status = 3") == 2


async def test_an_answer_that_crosses_with_a_new_lease_of_the_same_person_counts(postgres_database: str) -> None:
    async with review_queue(postgres_database, lease_s=0.2) as queue:
        await queue.feed(task("r1"))
        [first] = await queue.desk.lease("ann")
        await asyncio.sleep(0.3)
        await queue.leases.expire()
        [again] = await queue.desk.lease("ann")
        assert again.lease.fencing_token == 2
        assert await status_of(queue, "ann", first, annotation_id="a1") is AnnotationStatus.ACCEPTED
        assert await status_of(queue, "ann", again, annotation_id="a2") is AnnotationStatus.SUPERSEDED
        assert len(await queue.published()) == 1


async def test_an_expired_lease_of_another_does_not_stand_in_the_way(postgres_database: str) -> None:
    async with review_queue(postgres_database, lease_s=0.2) as queue:
        await queue.feed(task("r1"))
        [first] = await queue.desk.lease("ann")
        await asyncio.sleep(0.3)
        await queue.leases.expire()
        [second] = await queue.desk.lease("bob")
        await asyncio.sleep(0.3)
        assert await status_of(queue, "ann", first) is AnnotationStatus.ACCEPTED
        assert await status_of(queue, "bob", second) is AnnotationStatus.SUPERSEDED
        assert len(await queue.published()) == 1


async def test_a_submit_may_be_repeated(postgres_database: str) -> None:
    async with review_queue(postgres_database) as queue:
        await queue.feed(task("r1"))
        [leased] = await queue.desk.lease("ann")
        statuses = await asyncio.gather(*(status_of(queue, "ann", leased) for _ in range(8)))
        assert sorted(status.value for status in statuses) == ["accepted"] + ["duplicate"] * 7
        assert await status_of(queue, "ann", leased) is AnnotationStatus.DUPLICATE
        assert len(await queue.published()) == 1
        assert await queue.scalar("SELECT votes FROM task") == 1


async def test_a_second_answer_to_the_same_task_is_a_second_opinion(postgres_database: str) -> None:
    async with review_queue(postgres_database) as queue:
        await queue.feed(task("r1"))
        [leased] = await queue.desk.lease("ann")
        results = await queue.desk.submit("ann", [answer(leased, "spam", "a1"), answer(leased, "ham", "a2")])
        assert [result.status for result in results] == [AnnotationStatus.ACCEPTED, AnnotationStatus.SUPERSEDED]
        assert [label.class_name for label in await queue.published()] == ["spam"]


async def test_an_id_that_is_used_again_is_refused_not_swallowed(postgres_database: str) -> None:
    async with review_queue(postgres_database) as queue:
        await queue.feed(task("r1"), task("r2"))
        one, two = await queue.desk.lease("ann", max_tasks=2)
        results = await queue.desk.submit("ann", [answer(one, "spam", "same"), answer(two, "spam", "same")])
        assert [result.status for result in results] == [AnnotationStatus.ACCEPTED, AnnotationStatus.REJECTED]
        assert "needs an id of its own" in results[1].detail
        # Ids are each person's own.
        await queue.desk.release("ann", [two.lease.lease_token])
        [other] = await queue.desk.lease("bob")
        assert await status_of(queue, "bob", other, "spam", "same") is AnnotationStatus.ACCEPTED


async def test_what_can_never_be_accepted_says_why(postgres_database: str) -> None:
    async with review_queue(postgres_database) as queue:
        await queue.feed(task("r1"))
        [leased] = await queue.desk.lease("ann")
        [unknown] = await queue.desk.submit("ann", [answer(leased, "eggs")])
        assert unknown.status is AnnotationStatus.REJECTED
        assert unknown.detail == "class_name 'eggs' is not in taxonomy version 1 of project 'mail'"
        [stolen] = await queue.desk.submit("bob", [answer(leased)])
        assert stolen.status is AnnotationStatus.REJECTED
        [invented] = await queue.desk.submit("ann", [Annotation(annotation_id="x", lease_token="x", class_name="spam")])
        assert "lease_token is unknown" in invented.detail
        # A refusal costs nothing: the same id may come again with a class that exists.
        assert await status_of(queue, "ann", leased) is AnnotationStatus.ACCEPTED


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda desk: desk.lease(""), "annotator"),
        (lambda desk: desk.lease("a" * 129), "annotator"),
        (lambda desk: desk.lease("a\x00b"), "annotator"),
        (lambda desk: desk.lease("ann", max_tasks=0), "max_tasks"),
        (lambda desk: desk.lease("ann", max_tasks=101), "max_tasks"),
        (lambda desk: desk.lease("ann", wait_s=30.1), "wait_s"),
        (lambda desk: desk.lease("ann", wait_s=float("nan")), "wait_s"),
        (lambda desk: desk.extend("ann", ["x" * 65]), "lease_tokens"),
        (lambda desk: desk.release("ann", ["x"] * 101), "lease_tokens"),
        (lambda desk: desk.submit("ann", []), "annotations"),
        (
            lambda desk: desk.submit("ann", [Annotation(annotation_id="\x00", lease_token="", class_name="")]),
            "annotations[0].annotation_id",
        ),
        (lambda desk: desk.undo("ann", "\x00"), "annotation_id"),
    ],
)
async def test_a_wrong_call_names_its_field(postgres_database: str, call, field: str) -> None:
    async with review_queue(postgres_database) as queue:
        with pytest.raises(RefusedError) as refused:
            await call(queue.desk)
        assert refused.value.refusal is Refusal.INVALID_ARGUMENT
        assert refused.value.field == field


async def test_an_unknown_project_is_not_found(postgres_database: str) -> None:
    async with review_queue(postgres_database) as queue:
        for call in (queue.desk.lease("ann", project="nix"), queue.desk.stats("nix")):
            with pytest.raises(RefusedError) as refused:
                await call
            assert refused.value.refusal is Refusal.NOT_FOUND


async def test_a_blind_task_shows_nothing_of_the_model(postgres_database: str) -> None:
    async with review_queue(postgres_database) as queue:
        await queue.feed(task("r1", purpose=Purpose.CALIBRATE, blind=True))
        [leased] = await queue.desk.lease("ann")
        assert leased.task.suggestion is None
        assert leased.task.decision.score == 0
        assert leased.task.model_name == ""
        await status_of(queue, "ann", leased)
        [label] = await queue.published()
        assert label.decision.score == 0.4
        assert label.model_name == "m"


async def test_one_answer_holds_what_a_message_can(postgres_database: str) -> None:
    async with review_queue(postgres_database, max_handed_bytes=25_000) as queue:
        await queue.feed(*(task(f"r{i}", text="x" * 10_000) for i in range(5)))
        assert len(await queue.desk.lease("ann", max_tasks=5)) == 2
        # The rest went back and is free.
        assert len(await queue.desk.lease("bob", max_tasks=2)) == 2


async def test_the_board_tells_of_each_queue(postgres_database: str) -> None:
    async with review_queue(postgres_database) as queue:
        await queue.feed(*(task(f"r{i}") for i in range(5)))
        [mail, news] = await queue.desk.stats()
        assert (mail.project, mail.open_tasks, mail.leased_tasks, mail.answered_tasks) == ("mail", 5, 0, 0)
        assert mail.oldest_at is not None
        assert (news.project, news.open_tasks, news.oldest_at) == ("news", 0, None)
        first, second, _ = await queue.desk.lease("ann", max_tasks=3)
        await status_of(queue, "ann", first, annotation_id="a1")
        await status_of(queue, "ann", second, annotation_id="a2")
        for _ in range(2):  # Before the labels are published, and after.
            [mail] = await queue.desk.stats("mail")
            assert (mail.open_tasks, mail.leased_tasks, mail.answered_tasks) == (2, 1, 2)
            assert mail.answers_per_minute == 2
            await queue.published()
        assert queue.tally.granted == {"mail": 3}
        assert [(status, took_s) for _, _, status, took_s in queue.tally.answers] == [
            (AnnotationStatus.ACCEPTED, 0.9)
        ] * 2


async def test_the_class_must_exist_when_the_answer_comes(postgres_database: str) -> None:
    async with review_queue(postgres_database) as queue:
        await queue.feed(task("r1"))
        [leased] = await queue.desk.lease("ann")
        queue.projects.by_name["mail"] = text_project("mail", classes=("junk", "ham"))
        assert await status_of(queue, "ann", leased, "spam") is AnnotationStatus.REJECTED
        assert await status_of(queue, "ann", leased, "junk") is AnnotationStatus.ACCEPTED
