"""Tasks that as many people as may be asked leave open: who gets them, who decides, what can be taken back, what comes again."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from streamlabel.client.review import ReviewClient
from streamlabel.core.decision import DecisionReason, Purpose
from streamlabel.core.desk import AnnotationStatus, LeasedTask
from streamlabel.core.history import EscalationReason, TaskEventKind, TaskState
from streamlabel.core.identity import RecordKey
from streamlabel.core.label import Label
from streamlabel.core.project import ReviewPolicy
from streamlabel.core.review import Annotation, ReviewTask
from streamlabel.review.ports import RefusedError
from streamlabel.wire.headers import ingest_headers
from support.nouns import text_project
from support.review_queue import ReviewQueue, message, review_queue, task
from support.review_server import served

pytestmark = pytest.mark.integration

# Nobody is known here: two people who differ leave a task open.
MAIL = replace(text_project("mail"), review=ReviewPolicy(sure=0.9, max_votes=2))


async def answer(
    queue: ReviewQueue, annotator: str, leased: LeasedTask, class_name: str, annotation_id: str = "1"
) -> AnnotationStatus:
    annotation = Annotation(annotation_id=annotation_id, lease_token=leased.lease.lease_token, class_name=class_name)
    [result] = await queue.desk.submit(annotator, [annotation])
    return result.status


async def vote(queue: ReviewQueue, annotator: str, class_name: str, annotation_id: str = "1") -> LeasedTask:
    [leased] = await queue.desk.lease(annotator)
    assert await answer(queue, annotator, leased, class_name, annotation_id) is AnnotationStatus.ACCEPTED
    return leased


async def contest(queue: ReviewQueue, *, blind: bool = True) -> None:
    """One task that ann and bob leave open."""
    await queue.feed(task("r1", purpose=Purpose.CALIBRATE if blind else Purpose.TRAIN, blind=blind))
    await vote(queue, "ann", "spam")
    await vote(queue, "bob", "ham")


def told(label: Label) -> tuple[str, int, str, str]:
    votes = " ".join(f"{vote.annotator}:{vote.class_name}" for vote in label.votes)
    return label.class_name, label.revision, votes, label.adjudicator


async def out(queue: ReviewQueue) -> list[tuple[str, int, str, str]]:
    return [told(label) for label in await queue.published()]


async def counts(queue: ReviewQueue) -> tuple[int, int, int, int, int]:
    [mail] = await queue.desk.stats("mail")
    return mail.open_tasks, mail.escalated_tasks, mail.contested_tasks, mail.leased_tasks, mail.answered_tasks


async def test_somebody_who_has_not_voted_decides_and_sees_what_was_voted_for(postgres_database: str) -> None:
    async with review_queue(postgres_database, projects=[MAIL]) as queue:
        await contest(queue)
        assert await out(queue) == []
        assert await counts(queue) == (0, 1, 1, 0, 0)
        # Nobody gets it who does not ask for it, nor who has voted on it.
        for name in ("ann", "bob", "cat"):
            assert await queue.desk.lease(name) == []
        for name in ("ann", "bob"):
            assert await queue.desk.lease(name, escalated=True) == []
        [leased] = await queue.desk.lease("cat", escalated=True)
        assert leased.voted_classes == ("ham", "spam")
        assert leased.task.suggestion is None
        assert await counts(queue) == (0, 0, 0, 1, 0)
        assert await answer(queue, "cat", leased, "ham") is AnnotationStatus.ACCEPTED
        assert await answer(queue, "cat", leased, "ham") is AnnotationStatus.DUPLICATE
        [label] = await queue.published()
        assert told(label) == ("ham", 1, "ann:spam bob:ham", "cat")
        assert (label.annotators, label.posterior) == (("ann", "bob", "cat"), None)
        assert await counts(queue) == (0, 0, 0, 0, 1)
        # Who has seen the votes tells nothing of who is right by themselves.
        assert await queue.scalar("SELECT count(*) FROM annotation WHERE vote_no IS NOT NULL") == 2


async def test_it_is_contested_again_whatever_became_of_a_lease(postgres_database: str) -> None:
    async with review_queue(postgres_database, projects=[MAIL], lease_s=0.2) as queue:
        await contest(queue)
        [leased] = await queue.desk.lease("cat", escalated=True)
        await queue.desk.release("cat", [leased.lease.lease_token])
        assert await counts(queue) == (0, 1, 1, 0, 0)
        [late] = await queue.desk.lease("cat", escalated=True)
        await asyncio.sleep(0.3)
        await queue.leases.expire()
        assert await counts(queue) == (0, 1, 1, 0, 0)
        assert await queue.desk.lease("dan") == []
        # Nobody else has it: what was done is not thrown away.
        assert await answer(queue, "cat", late, "spam") is AnnotationStatus.ACCEPTED
        assert await out(queue) == [("spam", 1, "ann:spam bob:ham", "cat")]


async def test_who_had_it_before_it_was_contested_does_not_decide(postgres_database: str) -> None:
    async with review_queue(postgres_database, projects=[MAIL], lease_s=0.2) as queue:
        await queue.feed(task("r1"))
        [late] = await queue.desk.lease("dan")
        await asyncio.sleep(0.3)
        await queue.leases.expire()
        await vote(queue, "ann", "spam")
        await vote(queue, "bob", "ham")
        assert await answer(queue, "dan", late, "ham") is AnnotationStatus.SUPERSEDED
        assert await counts(queue) == (0, 1, 1, 0, 0)


async def test_a_voter_who_changes_their_mind_before_anybody_decides(postgres_database: str) -> None:
    async with review_queue(postgres_database, projects=[MAIL]) as queue:
        await contest(queue)
        [leased] = await queue.desk.lease("cat", escalated=True)
        with pytest.raises(RefusedError, match="another person has the task in hand"):
            await queue.desk.undo("ann", "1")
        await queue.desk.release("cat", [leased.lease.lease_token])
        undone = await queue.desk.undo("ann", "1")
        assert undone.leased.voted_classes == ()
        assert await counts(queue) == (0, 0, 0, 1, 0)
        await queue.desk.release("ann", [undone.leased.lease.lease_token])
        assert await counts(queue) == (1, 0, 0, 0, 0)
        await vote(queue, "ann", "ham", "2")
        assert await out(queue) == [("ham", 1, "bob:ham ann:ham", "")]


async def test_who_decided_may_change_their_mind_and_who_voted_no_more(postgres_database: str) -> None:
    async with review_queue(postgres_database, projects=[MAIL]) as queue:
        await contest(queue)
        [leased] = await queue.desk.lease("cat", escalated=True)
        await answer(queue, "cat", leased, "ham", "c1")
        with pytest.raises(RefusedError, match="somebody has decided since"):
            await queue.desk.undo("ann", "1")
        # Not published yet: the label never was.
        undone = await queue.desk.undo("cat", "c1")
        assert (undone.class_name, undone.leased.voted_classes) == ("ham", ("ham", "spam"))
        assert (await queue.desk.undo("cat", "c1")).leased.voted_classes == ("ham", "spam")
        assert await out(queue) == []
        assert await answer(queue, "cat", undone.leased, "spam", "c2") is AnnotationStatus.ACCEPTED
        assert await out(queue) == [("spam", 1, "ann:spam bob:ham", "cat")]
        # Published: it stays until somebody decides anew.
        undone = await queue.desk.undo("cat", "c2")
        await queue.desk.release("cat", [undone.leased.lease.lease_token])
        assert await counts(queue) == (0, 1, 1, 0, 1)
        [leased] = await queue.desk.lease("dan", escalated=True)
        await answer(queue, "dan", leased, "ham", "d1")
        assert await out(queue) == [("ham", 2, "ann:spam bob:ham", "dan")]


async def come_again(queue: ReviewQueue, again: ReviewTask) -> None:
    batch = [message(again, queue.next_offset, headers=ingest_headers(1_800_000_000_000))]
    stored = (await queue.intake.offsets([0]))[0]
    queue.next_offset += 1
    await queue.intake.apply(0, batch, stored.next_offset, queue.next_offset)


def drawn() -> ReviewTask:
    made = task("r1", purpose=Purpose.CALIBRATE, blind=True)
    return replace(made, decision=replace(made.decision, reason=DecisionReason.CALIBRATION_LANE, gate_id="mail/2"))


@pytest.mark.parametrize("needed", [1, 5])
async def test_what_was_decided_stands_when_its_record_comes_again(postgres_database: str, needed: int) -> None:
    async with review_queue(postgres_database, projects=[MAIL]) as queue:
        await contest(queue)
        await come_again(queue, drawn())
        assert await counts(queue) == (0, 1, 1, 0, 0)
        [leased] = await queue.desk.lease("cat", escalated=True)
        await answer(queue, "cat", leased, "ham")
        again = replace(drawn(), needed_votes=needed, model_version=2)
        await come_again(queue, again)
        assert await out(queue) == [
            ("ham", 1, "ann:spam bob:ham", "cat"),
            ("ham", 2, "ann:spam bob:ham", "cat"),
        ]
        undone = await queue.desk.undo("cat", "1")
        assert undone.leased.voted_classes == ("ham", "spam")


async def test_what_was_contested_with_the_suggestion_in_view_is_asked_anew(postgres_database: str) -> None:
    async with review_queue(postgres_database, projects=[MAIL]) as queue:
        await contest(queue, blind=False)
        [seen] = await queue.desk.lease("cat", escalated=True)
        await come_again(queue, drawn())
        assert await counts(queue) == (1, 0, 0, 0, 0)
        assert await answer(queue, "cat", seen, "ham") is AnnotationStatus.SUPERSEDED
        [leased] = await queue.desk.lease("ann")
        assert leased.voted_classes == ()


async def test_two_who_would_decide_at_once_make_one_label(postgres_database: str) -> None:
    async with (
        review_queue(postgres_database, projects=[MAIL], lease_s=0.2) as one,
        review_queue(postgres_database, projects=[MAIL], lease_s=0.2) as two,
    ):
        await contest(one)
        [first] = await one.desk.lease("cat", escalated=True)
        await asyncio.sleep(0.3)
        await one.leases.expire()
        [second] = await two.desk.lease("dan", escalated=True)
        statuses = await asyncio.gather(
            answer(one, "cat", first, "ham", "c"),
            answer(two, "dan", second, "spam", "d"),
        )
        assert list(statuses) == [AnnotationStatus.SUPERSEDED, AnnotationStatus.ACCEPTED]
        assert await out(one) == [("spam", 1, "ann:spam bob:ham", "dan")]


async def test_it_is_told_to_whom_it_concerns(postgres_database: str) -> None:
    async with review_queue(postgres_database, projects=[MAIL]) as queue, served(queue) as address:
        await contest(queue)
        assert queue.tally.set_aside == [("mail", Purpose.CALIBRATE, EscalationReason.CONTESTED)]
        async with ReviewClient(address) as client:
            [mail] = await client.stats("mail")
            assert (mail.escalated_tasks, mail.contested_tasks) == (1, 1)
            history = await client.history(RecordKey(project="mail", record_id="r1"))
            assert (history.task.state, history.task.escalation) == (TaskState.ESCALATED, EscalationReason.CONTESTED)
            assert history.events[-1].kind is TaskEventKind.ESCALATED
            assert await queue.desk.lease("cat") == []
            assert await client.requeue("mail") == 0
            async with client.work("mail", "cat", escalated=True, idle_timeout_s=0.1) as session:
                async for leased in session:
                    assert leased.voted_classes == ("ham", "spam")
                    await session.answer(leased, "spam")
        assert await out(queue) == [("spam", 1, "ann:spam bob:ham", "cat")]
