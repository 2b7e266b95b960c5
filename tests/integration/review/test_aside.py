"""Tasks that nobody answers, on a real PostgreSQL: skipped, run out, set aside, put back, withdrawn, and never lost or going round.

The pains are numbered as in the survey of other tools: 2 is "No more tasks" while the rest is locked by somebody, 3 an expired lock
that is never cleared, 6 two people on one record in every setting, 8 tasks that an admin has to hand out one by one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from streamlabel.client.review import CallRefusedError, ReviewClient
from streamlabel.core.decision import Purpose
from streamlabel.core.desk import AnnotationStatus, LeasedTask, LostReason
from streamlabel.core.history import EscalationReason, SkipReason, TaskEventKind, TaskState
from streamlabel.core.identity import RecordKey
from streamlabel.core.review import Annotation
from streamlabel.review.ports import RefusedError
from streamlabel.review.rules.aside import AsideLimits
from streamlabel.v1 import review_history_pb2, review_service_pb2, review_service_pb2_grpc
from support.nouns import text_project
from support.review_queue import ReviewQueue, review_queue, task
from support.review_server import served

pytestmark = pytest.mark.integration

R1 = RecordKey(project="mail", record_id="r1")


async def answer(queue: ReviewQueue, annotator: str, leased: LeasedTask, annotation_id: str = "1") -> AnnotationStatus:
    annotation = Annotation(annotation_id=annotation_id, lease_token=leased.lease.lease_token, class_name="spam")
    [result] = await queue.desk.submit(annotator, [annotation])
    return result.status


async def skip(queue: ReviewQueue, annotator: str, leased: LeasedTask, reason: SkipReason = SkipReason.OTHER) -> bool:
    return await queue.aside.skip(annotator, leased.lease.lease_token, reason)


async def leave(queue: ReviewQueue) -> None:
    """All who have nothing in hand went home more than a minute ago."""
    await queue.database.fetch("UPDATE attendance SET seen_at = seen_at - interval '2 minutes'")


async def waits(queue: ReviewQueue) -> tuple[int, int, int, int]:
    [mail] = await queue.desk.stats("mail")
    return mail.open_tasks, mail.begun_tasks, mail.leased_tasks, mail.escalated_tasks


async def kinds(queue: ReviewQueue, key: RecordKey = R1) -> list[str]:
    return [event.kind.value for event in (await queue.archive.history(key)).events]


async def test_a_skipped_task_goes_to_somebody_else_at_once_and_not_back(postgres_database: str) -> None:
    """Pain 6: who has seen a record is not shown it again while others could take it. Pain 8: nobody has to hand it out."""
    async with review_queue(postgres_database) as queue:
        await queue.feed(task("r1", purpose=Purpose.CALIBRATE, blind=True), task("r2", priority=0.1))
        [first] = await queue.desk.lease("ann")
        waiting = asyncio.create_task(queue.desk.lease("bob", max_tasks=2, wait_s=5))
        assert [leased.task.key.record_id for leased in await waiting] == ["r2"]
        waiting = asyncio.create_task(queue.desk.lease("cat", wait_s=5))
        await asyncio.sleep(0.1)
        assert not await skip(queue, "ann", first, SkipReason.NOT_MY_FIELD)
        # It rings for those who wait.
        [given] = await waiting
        assert given.task == first.task
        assert await queue.desk.lease("ann") == []
        assert queue.tally.skips == [("mail", Purpose.CALIBRATE, SkipReason.NOT_MY_FIELD)]
        assert queue.tally.set_aside == []
        # Released, it is still not for ann; nor does that it was skipped make it look begun.
        await queue.desk.release("cat", [given.lease.lease_token])
        assert await waits(queue) == (1, 0, 1, 0)
        assert await queue.desk.lease("ann", project="mail") == []
        # What was done is done once, also where the reply was lost; and nothing was said about the record.
        assert not await skip(queue, "ann", first)
        assert len(queue.tally.skips) == 1
        assert await queue.published() == []
        [given] = await queue.desk.lease("cat")
        assert await answer(queue, "cat", given) is AnnotationStatus.ACCEPTED
        [label] = await queue.published()
        assert (label.key, label.annotators, label.decision.purpose) == (R1, ("cat",), Purpose.CALIBRATE)


async def test_a_skipped_task_comes_before_others_of_its_purpose_and_not_before_calibration(
    postgres_database: str,
) -> None:
    async with review_queue(postgres_database) as queue:
        await queue.feed(*(task(f"r{number}", priority=1 - number / 10) for number in range(3)))
        [first] = await queue.desk.lease("ann")
        assert not await skip(queue, "ann", first)
        blind = [task(f"c{number}", purpose=Purpose.CALIBRATE, blind=True) for number in range(2)]
        await queue.feed(*blind, task("vote", needed_votes=2, priority=0.0))
        held = {each.task.key.record_id: each for each in await queue.desk.lease("cat", max_tasks=10)}
        await queue.desk.release("cat", [each.lease.lease_token for name, each in held.items() if name != "vote"])
        assert await answer(queue, "cat", held["vote"]) is AnnotationStatus.ACCEPTED
        given = []
        for _ in range(6):
            await asyncio.sleep(0.25)  # They are looked for now and then while ready ones suffice.
            given += [each.task.key.record_id for each in await queue.desk.lease("bob", project="mail")]
        assert given == ["vote", "c0", "c1", "r0", "r1", "r2"]


async def test_alone_one_gets_back_what_one_skipped_when_nothing_else_waits(postgres_database: str) -> None:
    """Pain 2: "no more tasks" is never said for long while there are some that this person may answer."""
    async with review_queue(postgres_database, rest_s=0.3, aside=AsideLimits(attempts=3)) as queue:
        await queue.feed(task("r1", priority=0.9), task("r2"))
        [first] = await queue.desk.lease("ann")
        assert not await skip(queue, "ann", first)
        await asyncio.sleep(0.35)
        # What one has not seen comes first, however urgent the other.
        [second] = await queue.desk.lease("ann")
        assert second.task.key.record_id == "r2"
        assert await answer(queue, "ann", second, "2") is AnnotationStatus.ACCEPTED
        for last in (False, True):
            async with asyncio.timeout(5):
                [again] = await queue.desk.lease("ann", wait_s=5)
            assert again.task.key == R1
            # In the end somebody else has to look.
            assert await skip(queue, "ann", again) is last
        assert queue.tally.set_aside == [("mail", Purpose.TRAIN, EscalationReason.ATTEMPTS)]
        assert await waits(queue) == (0, 0, 0, 1)


async def test_so_many_people_or_all_who_are_there_set_a_task_aside(postgres_database: str) -> None:
    async with review_queue(postgres_database) as queue:
        await queue.feed(task("r1"))
        # bob works on any project, cat on another.
        assert await queue.desk.lease("cat", project="news") == []
        assert await queue.desk.lease("bob", project="mail", escalated=True) == []
        for name, aside in (("ann", False), ("bob", True)):
            [leased] = await queue.desk.lease(name, project="mail")
            assert await skip(queue, name, leased) is aside
        assert queue.tally.set_aside == [("mail", Purpose.TRAIN, EscalationReason.SKIPPED)]
        # There is always somebody else; after three people it is enough.
        await queue.aside.requeue("mail")
        for name, aside in (("ann", False), ("bob", False), ("eve", True)):
            [leased] = await queue.desk.lease(name, project="mail")
            await queue.desk.lease(f"after {name}", project="mail")
            assert await skip(queue, name, leased) is aside
        # Who has gone home is nobody to wait for; who has something in hand is there.
        await queue.aside.requeue("mail")
        await queue.feed(task("r2", priority=0.1))
        first, second = await queue.desk.lease("ann", max_tasks=2)
        await leave(queue)
        assert not await skip(queue, "ann", first)
        [given] = await queue.desk.lease("bob")
        assert await skip(queue, "bob", given)
        assert second.task.key.record_id == "r2"


async def test_leases_that_run_out_again_and_again_set_a_task_aside(postgres_database: str) -> None:
    """Pain 3: an expired lease is cleared by itself; and what nobody answers does not go round for ever."""
    async with review_queue(postgres_database, lease_s=0.15, aside=AsideLimits(attempts=3)) as queue:
        await queue.feed(task("r1"), task("r2", priority=0.1))
        for attempt in range(1, 4):
            [leased] = await queue.desk.lease("ann")
            assert leased.lease.fencing_token == attempt
            await asyncio.sleep(0.2)
            assert await queue.leases.expire() == {"mail": 1}
        assert queue.tally.set_aside == [("mail", Purpose.TRAIN, EscalationReason.ATTEMPTS)]
        assert await waits(queue) == (1, 0, 0, 1)
        # Ordinary calls never get it; who asks for such tasks gets nothing else.
        assert [each.task.key.record_id for each in await queue.desk.lease("bob", max_tasks=5)] == ["r2"]
        [aside] = await queue.desk.lease("bob", max_tasks=5, escalated=True)
        assert aside.task.key == R1
        # Whatever becomes of that lease, it stays aside.
        await queue.desk.release("bob", [aside.lease.lease_token])
        assert await waits(queue) == (0, 0, 1, 1)
        [aside] = await queue.desk.lease("bob", project="mail", escalated=True)
        await asyncio.sleep(0.2)
        await queue.leases.expire()
        assert await waits(queue) == (1, 0, 0, 1)
        assert len(queue.tally.set_aside) == 1
        # The answer of whoever had it last counts even so: work that was done is not thrown away.
        assert await answer(queue, "bob", aside) is AnnotationStatus.ACCEPTED
        assert await kinds(queue) == [
            "arrived", "expired", "expired", "expired", "escalated", "expired", "answered", "labelled",
        ]  # fmt: skip


async def test_an_answer_ends_the_count_of_attempts(postgres_database: str) -> None:
    async with review_queue(postgres_database, lease_s=0.15, aside=AsideLimits(attempts=2)) as queue:
        await queue.feed(task("r1", needed_votes=2))
        for name in ("ann", "bob"):
            await queue.desk.lease("eve")
            await asyncio.sleep(0.2)
            await queue.leases.expire()
            [leased] = await queue.desk.lease(name)
            assert await answer(queue, name, leased) is AnnotationStatus.ACCEPTED
        assert queue.tally.set_aside == []
        assert len(await queue.published()) == 1


async def test_a_person_sets_a_task_aside_and_it_is_put_back(postgres_database: str) -> None:
    """Pain 8: what was set aside is one call away from the queue, all of it."""
    async with review_queue(postgres_database) as queue:
        await queue.feed(task("r1", needed_votes=2), task("r2"), task("n1", project="news"))
        [first] = await queue.desk.lease("ann", project="mail")
        assert await answer(queue, "ann", first) is AnnotationStatus.ACCEPTED
        for annotator, project in (("bob", "mail"), ("bob", "mail"), ("bob", "news")):
            [leased] = await queue.desk.lease(annotator, project=project)
            for _ in range(2):  # The reply was lost.
                await queue.aside.escalate(annotator, leased.lease.lease_token, "the chief knows this customer")
        assert queue.tally.set_aside == [
            ("mail", Purpose.TRAIN, EscalationReason.BY_PERSON),
            ("mail", Purpose.TRAIN, EscalationReason.BY_PERSON),
            ("news", Purpose.TRAIN, EscalationReason.BY_PERSON),
        ]
        assert await waits(queue) == (0, 0, 0, 2)
        # Nobody votes twice, aside or not.
        assert [each.task.key.record_id for each in await queue.desk.lease("ann", project="mail", escalated=True)] == [
            "r2"
        ]
        assert await queue.aside.requeue("mail") == 1
        assert await waits(queue) == (1, 1, 1, 0)
        [again] = await queue.desk.lease("bob", project="mail")
        assert again.task.key == R1
        assert await answer(queue, "bob", again) is AnnotationStatus.ACCEPTED
        [label] = await queue.published()
        assert label.annotators == ("ann", "bob")
        assert await kinds(queue) == ["arrived", "answered", "escalated", "requeued", "answered", "labelled"]
        [news] = await queue.desk.stats("news")
        assert news.escalated_tasks == 1


async def test_a_lease_that_is_gone_says_why(postgres_database: str) -> None:
    """Pain 2: who has lost a task is told, and what became of it; the page need not guess that somebody locks it."""
    async with review_queue(postgres_database, lease_s=0.3) as queue:
        names = ("ran-out", "taken", "answered", "anew", "of-a-gone-project")
        await queue.feed(*(task(name, priority=1 - place / 10) for place, name in enumerate(names[:4])))
        await queue.feed(task(names[4], project="news"))
        held = {each.task.key.record_id: each for each in await queue.desk.lease("ann", max_tasks=10)}
        await asyncio.sleep(0.35)
        await queue.leases.expire()
        for name in ("taken", "answered"):
            await queue.database.fetch("UPDATE task SET priority = 2 WHERE record_id = $1", name)
            [given] = await queue.desk.lease("bob", project="mail")
            assert given.task.key.record_id == name
            if name == "answered":
                assert await answer(queue, "bob", given) is AnnotationStatus.ACCEPTED
        await queue.feed(task("anew", purpose=Purpose.CALIBRATE, blind=True))
        [news] = await queue.desk.lease("ann", project="news")
        del queue.projects.by_name["news"]
        tokens = [held[name].lease.lease_token for name in names[:4]] + [news.lease.lease_token, "never given"]
        extended = await queue.desk.extend("ann", tokens)
        assert extended.leases == ()
        assert [(each.lease_token, each.reason) for each in extended.lost] == list(
            zip(
                tokens,
                (
                    LostReason.EXPIRED,
                    LostReason.TAKEN,
                    LostReason.ANSWERED,
                    LostReason.WITHDRAWN,
                    LostReason.WITHDRAWN,
                    LostReason.UNKNOWN,
                ),
                strict=True,
            )
        )
        assert extended.lost_lease_tokens == tuple(tokens)
        # What nobody may see any more is in nobody's hands either.
        assert await queue.scalar("SELECT state FROM task WHERE project = 'news'") == 0
        for name, code in (("taken", "gone"), ("answered", "has its answer"), ("of-a-gone-project", "withdrawn")):
            token = news.lease.lease_token if name == names[4] else held[name].lease.lease_token
            with pytest.raises(RefusedError, match=code):
                await queue.aside.skip("ann", token, SkipReason.OTHER)


async def test_who_answers_too_late_hears_when_somebody_else_did_and_no_more(postgres_database: str) -> None:
    async with review_queue(postgres_database, lease_s=0.15) as queue:
        await queue.feed(task("r1"), task("r2", needed_votes=2, priority=0.1))
        late, vote = await queue.desk.lease("ann", max_tasks=2)
        await asyncio.sleep(0.2)
        await queue.leases.expire()
        given, voted = await queue.desk.lease("bob", max_tasks=2)
        assert await answer(queue, "bob", given) is AnnotationStatus.ACCEPTED
        answered_at = await queue.scalar("SELECT answered_at FROM annotation")
        annotations = [
            Annotation(annotation_id=name, lease_token=leased.lease.lease_token, class_name="ham")
            for name, leased in (("late", late), ("vote", vote))
        ]
        for _ in range(2):
            lost, held = await queue.desk.submit("ann", annotations)
            assert (lost.status, lost.won_at) == (AnnotationStatus.SUPERSEDED, answered_at)
            # Of one that is still to be answered nothing is told: bob has it in hand.
            assert (held.status, held.won_at) == (AnnotationStatus.SUPERSEDED, None)
            assert "bob" not in repr((lost, held))
            assert "spam" not in repr((lost, held))
        assert voted.task.key == vote.task.key
        assert (await kinds(queue))[-1] == "second_opinion"


async def test_the_history_of_a_record_from_its_arrival_to_its_label(postgres_database: str) -> None:
    async with review_queue(postgres_database, lease_s=30) as queue:
        await queue.feed(task("r1", needed_votes=2))
        arrived = await queue.archive.history(R1)
        assert (arrived.task.state, arrived.lease) == (TaskState.READY, None)
        assert (arrived.decision, arrived.suggestion) == (task("r1").decision, task("r1").suggestion)
        [leased] = await queue.desk.lease("ann")
        held = await queue.archive.history(R1)
        assert held.lease is not None
        assert (held.lease.annotator, held.lease.fencing_token) == ("ann", 1)
        assert held.lease.expires_at - held.lease.leased_at == timedelta(seconds=30)
        await queue.aside.skip("ann", leased.lease.lease_token, SkipReason.CANNOT_TELL, "two\nlines")
        for name, class_name in (("bob", "spam"), ("cat", "ham"), ("dan", "spam")):
            [leased] = await queue.desk.lease(name)
            annotation = Annotation(
                annotation_id="1", lease_token=leased.lease.lease_token, class_name=class_name, think_time_ms=700
            )
            await queue.desk.submit(name, [annotation])
            if name == "cat":
                undone = await queue.desk.undo("cat", "1")
                again = Annotation(annotation_id="2", lease_token=undone.leased.lease.lease_token, class_name="ham")
                await queue.desk.submit("cat", [again])
        told = await queue.archive.history(R1)
        assert [(each.kind.value, each.annotator, each.class_name, each.revision) for each in told.events] == [
            ("arrived", "", "", 0),
            ("skipped", "ann", "", 0),
            ("answered", "bob", "spam", 0),
            ("answered", "cat", "ham", 0),
            ("retracted", "cat", "ham", 0),
            ("answered", "cat", "ham", 0),
            ("answered", "dan", "spam", 0),
            ("labelled", "", "spam", 1),
        ]
        skipped = told.events[1]
        assert (skipped.skip_reason, skipped.note) == (SkipReason.CANNOT_TELL, "two\nlines")
        assert [each.at for each in told.events] == sorted(each.at for each in told.events)
        assert (told.task.state, told.task.votes, told.task.revision) == (TaskState.ANSWERED, 3, 1)
        # cat could take their vote back; eve could not answer any more.
        assert [each.kind for each in (await queue.archive.history(R1, annotator="cat")).events] == [
            TaskEventKind.ARRIVED,
            TaskEventKind.ANSWERED,
            TaskEventKind.RETRACTED,
            TaskEventKind.ANSWERED,
        ]
        assert await queue.archive.history(R1, annotator="eve") == told


async def test_tasks_are_listed_a_page_at_a_time(postgres_database: str) -> None:
    async with review_queue(postgres_database) as queue:
        await queue.feed(*(task(f"r{number}") for number in range(7)), task("n1", project="news"))
        await queue.feed(task("c1", purpose=Purpose.CALIBRATE, blind=True))
        for name in ("ann", "bob"):
            [leased] = await queue.desk.lease(name, project="mail")
            await queue.aside.escalate(name, leased.lease.lease_token)
        await queue.desk.lease("cat", project="mail")

        async def read(**filters: object) -> list[str]:
            found: list[str] = []
            after = ""
            while True:
                page = await queue.archive.tasks("mail", size=3, after=after, **filters)  # type: ignore[arg-type]
                assert len(page.tasks) <= 3
                found += [each.key.record_id for each in page.tasks]
                if not (after := page.next_token):
                    return found

        assert await read() == [*(f"r{number}" for number in range(7)), "c1"]
        assert await read(state=TaskState.ESCALATED) == ["r0", "c1"]
        assert await read(state=TaskState.LEASED) == ["r1"]
        assert await read(state=TaskState.READY) == ["r2", "r3", "r4", "r5", "r6"]
        assert await read(state=TaskState.BEGUN) == []
        assert await read(purpose=Purpose.CALIBRATE) == ["c1"]
        assert await read(state=TaskState.ESCALATED, purpose=Purpose.TRAIN) == ["r0"]
        [first, *_] = (await queue.archive.tasks("mail", state=TaskState.ESCALATED)).tasks
        assert (first.escalation, first.attempts) == (EscalationReason.BY_PERSON, 1)


async def test_refusals_name_the_field(postgres_database: str) -> None:
    async with review_queue(postgres_database) as queue, served(queue) as address, ReviewClient(address) as client:
        await queue.feed(task("r1"))
        [leased] = await client.lease("ann")
        token = leased.lease.lease_token
        calls: tuple[tuple[Callable[[], Awaitable[object]], str, str], ...] = (
            (lambda: client.skip("", token, SkipReason.OTHER), "INVALID_ARGUMENT", "annotator"),
            (lambda: client.skip("ann", token, SkipReason.OTHER, "x" * 501), "INVALID_ARGUMENT", "note"),
            (lambda: client.escalate("ann", token, "a\0b"), "INVALID_ARGUMENT", "note"),
            (lambda: client.skip("bob", token, SkipReason.OTHER), "NOT_FOUND", "lease_token"),
            (lambda: client.escalate("ann", "x" * 100), "NOT_FOUND", "lease_token"),
            (lambda: client.requeue("nix"), "NOT_FOUND", "project"),
            (lambda: client.tasks("nix"), "NOT_FOUND", "project"),
            (lambda: client.tasks("mail", page_size=501), "INVALID_ARGUMENT", "page_size"),
            (lambda: client.tasks("mail", page_token="9" * 19), "INVALID_ARGUMENT", "page_token"),
            (lambda: client.tasks("mail", page_token="-1"), "INVALID_ARGUMENT", "page_token"),
            (lambda: client.history(RecordKey(project="mail", record_id="no")), "NOT_FOUND", "record_id"),
            (lambda: client.history(RecordKey(project="nix", record_id="r1")), "NOT_FOUND", "project"),
            (lambda: client.history(R1, annotator="x" * 200), "INVALID_ARGUMENT", "annotator"),
        )
        for call, code, field in calls:
            with pytest.raises(CallRefusedError) as refused:
                await call()
            assert (refused.value.code, refused.value.field) == (code, field)
        async with grpc.aio.insecure_channel(address) as channel:
            stub = review_service_pb2_grpc.ReviewServiceStub(channel)
            for request, method, field in (
                (review_service_pb2.SkipTaskRequest(annotator="ann", lease_token=token), stub.SkipTask, "reason"),
                (
                    review_service_pb2.SkipTaskRequest(
                        annotator="ann", lease_token=token, reason=review_history_pb2.SkipReason.ValueType(99)
                    ),
                    stub.SkipTask,
                    "reason",
                ),
                (review_service_pb2.GetTaskRequest(project="mail"), stub.GetTask, "record_id"),
                (review_service_pb2.GetTaskRequest(project="UP", record_id="r"), stub.GetTask, "project"),
            ):
                with pytest.raises(grpc.aio.AioRpcError) as failed:
                    await method(request)
                assert failed.value.code() is grpc.StatusCode.INVALID_ARGUMENT
                value = dict(failed.value.trailing_metadata() or ())["grpc-status-details-bin"]
                bad = error_details_pb2.BadRequest()
                assert status_pb2.Status.FromString(value).details[0].Unpack(bad)
                assert [violation.field for violation in bad.field_violations] == [field]
        # None of it did anything to the lease, and all of it works.
        assert (await client.extend("ann", [token])).lost == ()
        assert not await client.skip("ann", token, SkipReason.BROKEN_RECORD, "cut off")
        [given] = await client.lease("bob")
        await client.escalate("bob", given.lease.lease_token)
        assert [each.key for each in (await client.tasks("mail", state=TaskState.ESCALATED)).tasks] == [R1]
        assert [each.task.key for each in await client.lease("cat", escalated=True)] == [R1]
        assert await client.requeue("mail") == 0
        assert [each.kind.value for each in (await client.history(R1)).events] == ["arrived", "skipped", "escalated"]


async def test_a_project_that_goes_and_a_second_replica(postgres_database: str) -> None:
    """Pain 6: skips of one replica count in the other."""
    async with review_queue(postgres_database) as one, review_queue(postgres_database) as other:
        one.projects.by_name["late"] = text_project("late")
        await one.feed(task("r1"))
        [leased] = await one.desk.lease("ann")
        assert not await skip(other, "ann", leased)
        assert await one.desk.lease("ann") == await other.desk.lease("ann") == []
        [given] = await other.desk.lease("bob")
        results = await asyncio.gather(skip(one, "bob", given), skip(other, "bob", given))
        # Both are told what came of the one skip: all who are there have passed it on.
        assert results == [True, True]
        assert await one.scalar("SELECT count(*) FROM skip") == 2
