"""Records that come again beyond the window in which repetitions die: one ticket still, and no calibration record unanswered."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from dataclasses import replace

import pytest

from streamlabel.core.decision import DecisionReason, Purpose
from streamlabel.core.desk import AnnotationStatus, LeasedTask
from streamlabel.core.label import Label
from streamlabel.core.project import Project
from streamlabel.core.review import Annotation, ReviewTask
from streamlabel.core.taxonomy import Taxonomy
from streamlabel.review.adapters.postgres.answers import PostgresAnswers
from streamlabel.review.ports import Question, RefusedError, Settlement
from streamlabel.review.rules.answers import judge
from streamlabel.review.rules.tokens import Grant
from streamlabel.wire.headers import ingest_headers
from support.review_queue import LABELS_TOPIC, ReviewQueue, message, review_queue, task

pytestmark = pytest.mark.integration

FIRST_MS = 1_700_000_000_000


def train(gate: int = 1, *, version: int = 1, needed_votes: int = 1, record_id: str = "r1") -> ReviewTask:
    """What routing makes of a record that is not drawn, by the gate of this number."""
    made = task(record_id, needed_votes=needed_votes)
    decision = replace(made.decision, gate_id=f"mail/{gate}", needed_votes=needed_votes)
    return replace(made, decision=decision, model_version=version)


def calibrate(gate: int = 1, *, version: int = 1, needed_votes: int = 1, record_id: str = "r1") -> ReviewTask:
    """What routing makes of one that is drawn."""
    made = task(record_id, purpose=Purpose.CALIBRATE, blind=True, needed_votes=needed_votes)
    decision = replace(
        made.decision,
        reason=DecisionReason.CALIBRATION_LANE,
        gate_id=f"mail/{gate}",
        needed_votes=needed_votes,
    )
    return replace(made, decision=decision, model_version=version)


async def come(queue: ReviewQueue, *tasks: ReviewTask, sent_ms: int = FIRST_MS + 86_400_000) -> None:
    """The records come in at this moment, all in one batch."""
    headers = ingest_headers(sent_ms)
    batch = [message(each, queue.next_offset + place, headers=headers) for place, each in enumerate(tasks)]
    stored = (await queue.intake.offsets([0])).get(0)
    expected = None if stored is None else stored.next_offset
    queue.next_offset += len(batch)
    await queue.intake.apply(0, batch, expected, queue.next_offset)


async def answer(
    queue: ReviewQueue, annotator: str, leased: LeasedTask, class_name: str = "spam", annotation_id: str = "1"
) -> AnnotationStatus:
    given = Annotation(annotation_id=annotation_id, lease_token=leased.lease.lease_token, class_name=class_name)
    [result] = await queue.desk.submit(annotator, [given])
    return result.status


async def vote(queue: ReviewQueue, annotator: str, class_name: str = "spam", annotation_id: str = "1") -> LeasedTask:
    [leased] = await queue.desk.lease(annotator)
    assert await answer(queue, annotator, leased, class_name, annotation_id) is AnnotationStatus.ACCEPTED
    return leased


def told(label: Label) -> tuple[int, str, str, int, str]:
    """Revision, class, gate, model version, and whose answers."""
    votes = " ".join(f"{each.annotator}:{each.class_name}" for each in label.votes)
    gate = label.decision.gate_id.removeprefix("mail/")
    return label.revision, label.class_name, gate, label.model_version, votes or " ".join(label.annotators)


async def out(queue: ReviewQueue) -> list[tuple[int, str, str, int, str]]:
    return [told(label) for label in await queue.published()]


async def state(queue: ReviewQueue) -> tuple[int, int, int, int]:
    """Waiting, of these begun, in hand, and records that have a label."""
    [mail] = await queue.desk.stats("mail")
    return mail.open_tasks, mail.begun_tasks, mail.leased_tasks, mail.answered_tasks


async def rows(queue: ReviewQueue) -> object:
    """All that is kept of tasks and labels on their way."""
    found = await queue.database.fetch("SELECT task.*, message FROM task JOIN task_payload USING (ticket)")
    return [tuple(row) for row in found], await queue.scalar("SELECT count(*) FROM outbox")


@pytest.mark.parametrize("made", [train, calibrate])
@pytest.mark.parametrize("stage", ["ready", "leased", "answered", "published"])
async def test_the_very_same_task_delivered_again_changes_nothing(
    postgres_database: str, made: object, stage: str
) -> None:
    async with review_queue(postgres_database) as queue:
        same = calibrate() if made is calibrate else train()
        await come(queue, same, sent_ms=FIRST_MS)
        leased = await queue.desk.lease("ann") if stage != "ready" else []
        if stage in ("answered", "published"):
            await answer(queue, "ann", leased[0])
        if stage == "published":
            assert len(await out(queue)) == 1
        before = await rows(queue)
        await come(queue, same, sent_ms=FIRST_MS)
        await come(queue, same, same, sent_ms=FIRST_MS)
        assert await rows(queue) == before
        assert queue.dead == []


async def test_a_label_stands_when_its_record_comes_again_and_is_not_drawn(postgres_database: str) -> None:
    async with review_queue(postgres_database) as queue:
        await come(queue, train(record_id="seen"), calibrate(record_id="blind"), sent_ms=FIRST_MS)
        for turn in range(2):
            await vote(queue, "ann", annotation_id=f"{turn}")
        assert len(await out(queue)) == 2
        before = await rows(queue)
        await come(queue, train(2, version=2, record_id="seen"), train(2, version=2, record_id="blind"))
        assert await rows(queue) == before
        assert await state(queue) == (0, 0, 0, 2)


async def test_a_ticket_that_nobody_has_begun_on_takes_the_newer_decision(postgres_database: str) -> None:
    async with review_queue(postgres_database) as queue:
        await come(queue, train(), sent_ms=FIRST_MS)
        newer = replace(train(2, version=2), priority=0.9)
        await come(queue, newer)
        [leased] = await queue.desk.lease("ann")
        assert leased.task == newer
        # In hand it stays what the person sees, and so it does where it is asked blindly.
        await come(queue, train(3, version=3))
        assert await answer(queue, "ann", leased) is AnnotationStatus.ACCEPTED
        assert await out(queue) == [(1, "spam", "2", 2, "ann")]

        await come(queue, calibrate(record_id="blind"), sent_ms=FIRST_MS)
        await come(queue, train(2, record_id="blind"))
        leased = await vote(queue, "ann", annotation_id="2")
        assert leased.task.blind
        assert await out(queue) == [(1, "spam", "1", 1, "ann")]


async def test_a_blind_answer_is_published_again_under_the_new_decision(postgres_database: str) -> None:
    async with review_queue(postgres_database) as queue:
        await come(queue, calibrate(), sent_ms=FIRST_MS)
        await vote(queue, "ann")
        assert await out(queue) == [(1, "spam", "1", 1, "ann")]
        wakes = queue.wakes
        await come(queue, calibrate(2, version=2))
        assert queue.wakes == wakes + 1
        [label] = await queue.published()
        assert told(label) == (2, "spam", "2", 2, "ann")
        assert label.ingested_at is not None
        assert label.ingested_at.timestamp() * 1000 == FIRST_MS + 86_400_000
        assert await queue.desk.lease("bob") == []
        assert await state(queue) == (0, 0, 0, 1)
        # By the same gate, sent once more: learning has seen it once more, too.
        await come(queue, calibrate(2, version=2), sent_ms=FIRST_MS + 2 * 86_400_000)
        assert await out(queue) == [(3, "spam", "2", 2, "ann")]


async def test_two_blind_votes_are_published_again_and_one_becomes_the_first_of_two(postgres_database: str) -> None:
    async with review_queue(postgres_database) as queue:
        await come(queue, calibrate(needed_votes=2, record_id="two"), sent_ms=FIRST_MS)
        await vote(queue, "ann", "spam")
        await vote(queue, "bob", "ham")
        await vote(queue, "cat", "ham")
        assert await out(queue) == [(1, "ham", "1", 1, "ann:spam bob:ham cat:ham")]
        await come(queue, calibrate(2, needed_votes=2, record_id="two"))
        assert await out(queue) == [(2, "ham", "2", 1, "ann:spam bob:ham cat:ham")]
        # One would have been enough this time.
        await come(queue, calibrate(3, record_id="two"))
        assert await out(queue) == [(3, "ham", "3", 1, "ann:spam bob:ham cat:ham")]

        await come(queue, calibrate(record_id="one"), sent_ms=FIRST_MS)
        await vote(queue, "ann", "spam", "2")
        assert await out(queue) == [(1, "spam", "1", 1, "ann")]
        await come(queue, calibrate(2, needed_votes=2, record_id="one"))
        assert await out(queue) == []
        assert await state(queue) == (1, 1, 0, 2)
        assert await queue.desk.lease("ann") == []
        await vote(queue, "bob", "spam", "2")
        assert await out(queue) == [(2, "spam", "2", 1, "ann:spam bob:spam")]
        # Each may still take the answer back.
        undone = await queue.desk.undo("ann", "2")
        assert await answer(queue, "ann", undone.leased, "ham", "3") is AnnotationStatus.ACCEPTED
        await vote(queue, "dan", "ham")
        assert await out(queue) == [(3, "ham", "2", 1, "bob:spam ann:ham dan:ham")]


@pytest.mark.parametrize("stage", ["ready", "leased", "begun", "answered", "published"])
async def test_what_was_seen_with_a_suggestion_is_asked_anew_blindly(postgres_database: str, stage: str) -> None:
    async with review_queue(postgres_database) as queue:
        wanted = 2 if stage == "begun" else 1
        await come(queue, train(needed_votes=wanted), sent_ms=FIRST_MS)
        [old] = await queue.desk.lease("ann")
        if stage == "ready":
            await queue.desk.release("ann", [old.lease.lease_token])
        elif stage != "leased":
            assert await answer(queue, "ann", old, "ham", "old") is AnnotationStatus.ACCEPTED
        published = await out(queue) if stage == "published" else []
        await come(queue, calibrate(2, version=2))
        # Whoever saw the suggestion is out of it: no lease, no answer, nothing to take back.
        assert (await queue.desk.extend("ann", [old.lease.lease_token])).leases == ()
        assert await queue.desk.release("ann", [old.lease.lease_token]) == 0
        if stage in ("ready", "leased"):
            assert await answer(queue, "ann", old, "ham", "late") is AnnotationStatus.SUPERSEDED
        else:
            assert await answer(queue, "ann", old, "ham", "old") is AnnotationStatus.DUPLICATE
            with pytest.raises(RefusedError, match="a later answer has replaced this one"):
                await queue.desk.undo("ann", "old")
        assert (await state(queue))[:3] == (1, 0, 0)
        new = await vote(queue, "bob", "spam", "new")
        assert (new.task.blind, new.task.suggestion, new.task.model_name) == (True, None, "")
        assert await answer(queue, "ann", old, "ham", "too late") is AnnotationStatus.SUPERSEDED
        before = [(1, "ham", "1", 1, "ann")] if stage in ("answered", "published") else []
        assert published + await out(queue) == [*before, (len(before) + 1, "spam", "2", 2, "bob")]
        assert await state(queue) == (0, 0, 0, 1)
        # From now on it is a blind answer.
        await come(queue, calibrate(3, version=2), sent_ms=FIRST_MS + 2 * 86_400_000)
        assert await out(queue) == [(len(before) + 2, "spam", "3", 2, "bob")]


async def test_who_holds_a_blind_ticket_answers_for_the_decision_that_came_meanwhile(postgres_database: str) -> None:
    async with review_queue(postgres_database) as queue:
        await come(queue, calibrate(), sent_ms=FIRST_MS)
        [leased] = await queue.desk.lease("ann")
        await come(queue, calibrate(2, version=2, needed_votes=2))
        assert len((await queue.desk.extend("ann", [leased.lease.lease_token])).leases) == 1
        assert await answer(queue, "ann", leased) is AnnotationStatus.ACCEPTED
        assert await out(queue) == []
        await vote(queue, "bob")
        assert await out(queue) == [(1, "spam", "2", 2, "ann:spam bob:spam")]


async def test_an_answer_that_was_judged_by_the_decision_before_is_judged_again(postgres_database: str) -> None:
    """Between the look and the statement that keeps it."""
    async with review_queue(postgres_database) as queue:
        await come(queue, calibrate(), sent_ms=FIRST_MS)
        [leased] = await queue.desk.lease("ann")
        ticket = int(str(await queue.scalar("SELECT ticket FROM task")))
        answers = PostgresAnswers(queue.database, labels_topic=LABELS_TOPIC, on_label=lambda: None)
        given = Annotation(annotation_id="1", lease_token=leased.lease.lease_token, class_name="spam")
        [found] = await answers.look("ann", [Question(annotation_id="1", ticket=ticket)])
        await come(queue, calibrate(2))
        assert found.standing is not None
        verdict = judge(
            given,
            Grant(ticket=ticket, fencing_token=leased.lease.fencing_token),
            "ann",
            standing=found.standing,
            kept=None,
            project=queue.projects.by_name["mail"],
        )
        settled = Settlement(annotation=given, standing=found.standing, verdict=verdict)
        assert await answers.settle("ann", [settled]) == frozenset()
        assert await answer(queue, "ann", leased) is AnnotationStatus.ACCEPTED
        assert await out(queue) == [(1, "spam", "2", 1, "ann")]


async def test_an_answer_under_another_taxonomy_is_no_answer_to_this_question(postgres_database: str) -> None:
    async with review_queue(postgres_database) as queue:
        await come(queue, calibrate(), sent_ms=FIRST_MS)
        await vote(queue, "ann")
        assert await out(queue) == [(1, "spam", "1", 1, "ann")]
        mail = queue.projects.by_name["mail"]
        queue.projects.by_name["mail"] = _with_class(mail, "newsletter")
        await come(queue, calibrate(2))
        assert await out(queue) == []
        await vote(queue, "ann", "newsletter", "2")
        assert await out(queue) == [(2, "newsletter", "2", 1, "ann")]


def _with_class(project: Project, name: str) -> Project:
    taxonomy = project.taxonomy
    grown = Taxonomy(
        version=taxonomy.version + 1, classes=(*taxonomy.classes, replace(taxonomy.classes[0], name=name, key="9"))
    )
    return replace(project, version=project.version + 1, taxonomy=grown)


@pytest.mark.parametrize("out_already", [0, 1, 2])
@pytest.mark.parametrize("needed_votes", [1, 2])
async def test_an_answer_that_was_published_again_can_be_taken_back(
    postgres_database: str, needed_votes: int, out_already: int
) -> None:
    """All labels that rest on it are withdrawn, but for those that are out; revisions have no hole."""
    async with review_queue(postgres_database) as queue:
        await come(queue, calibrate(needed_votes=needed_votes), sent_ms=FIRST_MS)
        for person in ("ann", "bob")[:needed_votes]:
            await vote(queue, person, "spam", person)
        found = await out(queue) if out_already else []
        await come(queue, calibrate(2, needed_votes=needed_votes))
        found += await out(queue) if out_already > 1 else []
        await come(queue, calibrate(3, needed_votes=needed_votes), sent_ms=FIRST_MS + 2 * 86_400_000)
        undone = await queue.desk.undo("ann", "ann")
        assert await out(queue) == []
        assert await answer(queue, "ann", undone.leased, "ham", "other") is AnnotationStatus.ACCEPTED
        if needed_votes == 2:
            await vote(queue, "cat", "ham", "cat")
        found += await out(queue)
        assert [revision for revision, *_ in found] == list(range(1, out_already + 2))
        assert [class_name for _, class_name, *_ in found] == ["spam"] * out_already + ["ham"]
        assert found[-1][2] == "3"


async def test_a_record_that_comes_twice_in_one_batch_comes_again(postgres_database: str) -> None:
    async with review_queue(postgres_database) as queue:
        await come(queue, train(), calibrate(2), train(3), calibrate(4, needed_votes=2), calibrate(record_id="r2"))
        leases = [await vote(queue, "ann", annotation_id=f"{turn}") for turn in range(2)]
        assert all(leased.task.blind for leased in leases)
        await vote(queue, "bob")
        assert sorted(await out(queue)) == [(1, "spam", "1", 1, "ann"), (1, "spam", "4", 1, "ann:spam bob:spam")]


async def test_what_an_older_release_answered_is_asked_anew(postgres_database: str) -> None:
    """Nobody knows under which taxonomy that was."""
    async with review_queue(postgres_database) as queue:
        await come(queue, calibrate(), sent_ms=FIRST_MS)
        await vote(queue, "ann")
        await queue.database.fetch("UPDATE task SET taxonomy_version = NULL")
        await come(queue, calibrate(2))
        await vote(queue, "bob", "ham")
        assert await out(queue) == [(1, "spam", "1", 1, "ann"), (2, "ham", "2", 1, "bob")]


async def test_people_answer_while_a_stream_is_sent_again_and_again(postgres_database: str) -> None:
    """Two replicas; whatever crosses: revisions without hole, the last label of each record under its last decision, answered blindly
    by a lease that came after whatever had shown a suggestion."""
    async with (
        review_queue(postgres_database, lease_s=0.5) as queue,
        review_queue(postgres_database, lease_s=0.5) as other,
    ):
        over = asyncio.Event()
        found: dict[str, list[Label]] = defaultdict(list)
        blind: dict[tuple[str, str], list[bool]] = defaultdict(list)
        ids = [f"r{number}" for number in range(12)]

        async def replay() -> None:
            chance = random.Random(1)
            for turn in range(1, 40):
                made = [
                    chance.choice((train, calibrate))(turn, needed_votes=chance.randint(1, 2), record_id=each)
                    for each in ids
                ]
                await come(queue, *chance.sample(made, 6), sent_ms=FIRST_MS + turn)
                await asyncio.sleep(0.02)
            await come(queue, *(calibrate(99, record_id=each) for each in ids), sent_ms=FIRST_MS + 99)

        async def person(name: str, replica: ReviewQueue) -> None:
            chance, turn = random.Random(name), 0
            while not over.is_set():
                for leased in await replica.desk.lease(name, max_tasks=3, wait_s=0.1):
                    turn += 1
                    if chance.random() < 0.1:
                        await asyncio.sleep(0.6)
                    status = await answer(replica, name, leased, chance.choice(["spam", "ham"]), f"{turn}")
                    if status is AnnotationStatus.ACCEPTED:
                        blind[leased.task.key.record_id, name].append(leased.task.blind)
                    if status is AnnotationStatus.ACCEPTED and chance.random() < 0.1:
                        try:
                            await replica.desk.undo(name, f"{turn}")
                        except RefusedError:
                            continue

        async def publish() -> None:
            while not over.is_set():
                await queue.leases.expire()
                for label in await queue.published():
                    found[label.key.record_id].append(label)
                await asyncio.sleep(0.02)

        async with asyncio.timeout(60):
            work = [publish(), *(person(f"p{number}", (queue, other)[number % 2]) for number in range(4))]
            tasks = [asyncio.create_task(each) for each in work]
            await replay()
            while await queue.scalar("SELECT count(*) FROM task WHERE state <> 2") or await queue.scalar(
                "SELECT count(*) FROM outbox"
            ):
                await asyncio.sleep(0.05)
            await asyncio.sleep(0.1)
            over.set()
            await asyncio.gather(*tasks)
        assert sorted(found) == sorted(ids)
        for record_id, labels in found.items():
            assert [label.revision for label in labels] == list(range(1, len(labels) + 1)), record_id
            assert labels[-1].decision.gate_id == "mail/99"
            assert all(blind[record_id, each][-1] for each in labels[-1].annotators)
