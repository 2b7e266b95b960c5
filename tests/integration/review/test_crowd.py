"""Fifty people and two replicas at one queue: nothing twice, nothing lost, whatever they do."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import pytest

from streamlabel.core.desk import AnnotationStatus
from streamlabel.core.review import Annotation
from support.review_queue import ReviewQueue, review_queue, task

pytestmark = pytest.mark.integration
PEOPLE = 50
TASKS = 1_000


async def test_nobody_is_handed_what_another_has(postgres_database: str) -> None:
    async with review_queue(postgres_database) as queue, review_queue(postgres_database) as other:
        await queue.feed(*(task(f"r{i}", priority=i % 7 / 7) for i in range(TASKS)))
        handed: Counter[str] = Counter()

        async def person(number: int) -> None:
            desk = (queue, other)[number % 2].desk
            while leased := await desk.lease(f"p{number}", project="mail", max_tasks=1 + number % 5):
                handed.update(each.task.key.record_id for each in leased)

        await asyncio.gather(*(person(number) for number in range(PEOPLE)))
        assert handed == Counter({f"r{i}": 1 for i in range(TASKS)})


async def test_careless_people_lose_and_double_nothing(postgres_database: str) -> None:
    """They walk away, come late, answer twice, release, undo, and get their replies lost; each task ends in one final label."""
    async with (
        review_queue(postgres_database, lease_s=0.5) as queue,
        review_queue(postgres_database, lease_s=0.5) as other,
    ):
        await queue.feed(*(task(f"r{i}") for i in range(TASKS)))
        accepted: dict[str, list[str]] = {}
        finished = asyncio.Event()

        async def person(number: int) -> None:
            chance = random.Random(number)
            replica: ReviewQueue = (queue, other)[number % 2]
            name, turn = f"p{number}", 0
            while not finished.is_set():
                leased = await replica.desk.lease(name, max_tasks=chance.randint(1, 3), wait_s=0.1)
                for each in leased:
                    turn += 1
                    mood = chance.random()
                    if mood < 0.05:
                        continue  # walks away
                    if mood < 0.10:
                        await replica.desk.release(name, [each.lease.lease_token])
                        continue
                    if mood < 0.15:
                        await asyncio.sleep(0.7)  # comes late
                    answer = Annotation(
                        annotation_id=f"{turn}",
                        lease_token=each.lease.lease_token,
                        class_name=chance.choice(["spam", "ham"]),
                    )
                    [result] = await replica.desk.submit(name, [answer])
                    if mood > 0.9:  # the reply got lost
                        [again] = await replica.desk.submit(name, [answer])
                        assert again.status in (AnnotationStatus.DUPLICATE, AnnotationStatus.SUPERSEDED)
                    if result.status is not AnnotationStatus.ACCEPTED:
                        assert result.status is AnnotationStatus.SUPERSEDED
                        continue
                    record_id = each.task.key.record_id
                    accepted.setdefault(record_id, []).append(name)
                    if 0.5 < mood < 0.55:
                        await replica.desk.undo(name, f"{turn}")
                        accepted[record_id].remove(name)

        async def sweep_and_publish() -> dict[str, list[tuple[int, str, str]]]:
            out: dict[str, list[tuple[int, str, str]]] = {}
            while True:
                await queue.leases.expire()
                for label in await queue.published():
                    entry = (label.revision, label.class_name, label.annotators[0])
                    out.setdefault(label.key.record_id, []).append(entry)
                if await queue.scalar("SELECT count(*) FROM task WHERE state <> 2") == 0 and len(out) == TASKS:
                    finished.set()
                    return out
                await asyncio.sleep(0.05)

        async with asyncio.timeout(60):
            out, *_ = await asyncio.gather(sweep_and_publish(), *(person(number) for number in range(PEOPLE)))
        for record_id, labels in out.items():
            assert [revision for revision, _, _ in labels] == list(range(1, len(labels) + 1)), record_id
            # The final label is that of the one who was told "accepted" and did not take it back.
            assert accepted[record_id] == [labels[-1][2]], record_id
        assert await queue.scalar("SELECT count(*) FROM annotation WHERE status = 1 AND undone_under IS NULL") == TASKS
        assert await queue.scalar("SELECT count(*) FROM task WHERE votes <> 1") == 0


async def test_the_outbox_loses_nothing_to_transactions_that_commit_out_of_order(postgres_database: str) -> None:
    async with review_queue(postgres_database, pool_max=20) as queue:
        await queue.feed(*(task(f"r{i}") for i in range(20)))
        leased = await queue.desk.lease("ann", max_tasks=20)
        # A transaction that took its row number first and commits last.
        slow = await queue.database.connect()
        transaction = slow.transaction()
        await transaction.start()
        await slow.execute(
            "INSERT INTO outbox (topic, partition_no, key, value, headers) VALUES ('t', 0, 'slow', 'x', '')"
        )
        for number, each in enumerate(leased):
            answer = Annotation(annotation_id=f"{number}", lease_token=each.lease.lease_token, class_name="spam")
            await queue.desk.submit("ann", [answer])
        first = await queue.outbox.pending(0, 5)
        rest = await queue.outbox.pending(first[-1].seq, 100)
        assert [row.seq for row in [*first, *rest]] == list(range(1, 21))
        await queue.outbox.published(20)
        await transaction.commit()
        await slow.close()
        late = await queue.outbox.pending(20, 10)
        assert [(row.seq, row.key) for row in late] == [(21, b"slow")]
        # What is not confirmed is told again, in the same place.
        assert await queue.outbox.pending(20, 10) == late
        assert await queue.outbox.last_published() == 20


async def test_two_readers_of_the_outbox_never_number_a_row_twice(postgres_database: str) -> None:
    async with review_queue(postgres_database) as queue, review_queue(postgres_database) as other:
        await queue.feed(*(b"\xff foreign" for _ in range(200)))
        groups = await asyncio.gather(*(each.outbox.pending(0, 30) for each in (queue, other) for _ in range(8)))
        numbers = {row.seq: dict(row.headers)["dead-letter-offset"] for rows in groups for row in rows}
        everything = await queue.outbox.pending(0, 1000)
        assert [row.seq for row in everything] == list(range(1, 201))
        for row in everything:
            assert (
                numbers.get(row.seq, dict(row.headers)["dead-letter-offset"]) == dict(row.headers)["dead-letter-offset"]
            )


async def test_a_caller_that_leaves_in_the_middle_leaves_no_task_in_nobodys_hands(postgres_database: str) -> None:
    async with review_queue(postgres_database) as queue:
        await queue.feed(*(task(f"r{i}") for i in range(50)))
        chance = random.Random(7)
        for _ in range(40):
            calls = [asyncio.create_task(queue.desk.lease(f"p{i}")) for i in range(4)]
            await asyncio.sleep(chance.random() * 0.004)
            for call in calls:
                call.cancel()
            for call in calls:
                outcome = (await asyncio.gather(call, return_exceptions=True))[0]
                if isinstance(outcome, list):
                    for leased in outcome:
                        await queue.desk.release(f"p{calls.index(call)}", [leased.lease.lease_token])
        assert await queue.scalar("SELECT count(*) FROM task WHERE state = 0") == 50
