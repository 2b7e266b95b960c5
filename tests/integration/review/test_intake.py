"""The way in: repeated, broken and contested deliveries."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from streamlabel.runtime import dead_letter
from streamlabel.runtime.handlers import Cause, Loss, StaleOffsetError, StoredOffset
from streamlabel.runtime.log_mark import mark_of
from support.nouns import text_project
from support.review_queue import GROUP, TASKS_TOPIC, ReviewQueue, message, review_queue, task

pytestmark = pytest.mark.integration


async def count(queue: ReviewQueue) -> int:
    return int(str(await queue.scalar("SELECT count(*) FROM task")))


async def next_offsets(queue: ReviewQueue, *partitions: int) -> dict[int, int]:
    return {partition: each.next_offset for partition, each in (await queue.intake.offsets(partitions)).items()}


async def test_offsets_move_with_the_tasks(postgres_database: str) -> None:
    async with review_queue(postgres_database) as queue:
        assert await queue.intake.offsets([0, 1]) == {}
        await queue.intake.apply(0, [message(task("r1"), 4), message(task("r2"), 7)], None, 8)
        await queue.intake.apply(1, [message(task("r3"), 0, partition=1)], None, 1)
        await queue.intake.apply(0, [], 8, 11)
        assert await next_offsets(queue, 0, 1, 2) == {0: 11, 1: 1}
        assert await count(queue) == 3
        assert await queue.scalar("SELECT partition_no FROM task WHERE record_id = 'r3'") == 1


async def test_a_log_that_was_made_anew_is_taken_in_from_its_beginning(postgres_database: str) -> None:
    first = [message(task("r1"), 0), message(task("r2"), 1)]
    async with review_queue(postgres_database) as queue:
        await queue.intake.apply(0, first, None, 2)
        assert await queue.intake.offsets([0]) == {0: StoredOffset(2, mark_of(first[-1]))}
        loss = Loss(topic=TASKS_TOPIC, partition=0, cause=Cause.ANOTHER_LOG, stored_offset=2, goes_on_at=0)
        assert "send them again" in await queue.intake.lost(loss)
        assert await queue.intake.offsets([0]) == {0: StoredOffset(0)}
        with pytest.raises(StaleOffsetError):
            await queue.intake.lost(loss)
        await queue.intake.apply(0, [message(task("r2"), 0), message(task("r3"), 1)], 0, 2)
        assert await count(queue) == 3


@pytest.mark.parametrize("expected", [None, 0, 1, 3])
async def test_a_consumer_that_lost_the_partition_applies_nothing(postgres_database: str, expected: int | None) -> None:
    async with review_queue(postgres_database) as queue:
        await queue.intake.apply(0, [message(task("r1"), 0), message(task("r2"), 1)], None, 2)
        with pytest.raises(StaleOffsetError):
            await queue.intake.apply(0, [message(task("zombie"), 2), message(b"foreign", 3)], expected, 4)
        assert await next_offsets(queue, 0) == {0: 2}
        assert await count(queue) == 2
        assert await queue.outbox.pending(0, 10) == []


async def test_of_two_consumers_at_once_one_gets_through(postgres_database: str) -> None:
    async with review_queue(postgres_database) as queue, review_queue(postgres_database) as other:
        for expected in (None, 1):
            offset = expected or 0
            batch = [message(task(f"r{offset}"), offset)]
            outcomes = await asyncio.gather(
                *(each.intake.apply(0, batch, expected, offset + 1) for each in (queue, other) for _ in range(3)),
                return_exceptions=True,
            )
            names = sorted(type(outcome).__name__ for outcome in outcomes)
            assert names == ["NoneType"] + ["StaleOffsetError"] * 5
        assert await count(queue) == 2


async def test_a_task_delivered_again_is_one_task(postgres_database: str) -> None:
    async with review_queue(postgres_database) as queue:
        await queue.feed(task("r1"), task("r1"), task("r2"))
        await queue.feed(task("r2"), task("r1"), task("r3"))
        assert await count(queue) == 3
        [leased, *_] = await queue.desk.lease("ann", max_tasks=3)
        await queue.feed(leased.task)
        assert len(await queue.desk.lease("bob", max_tasks=10)) == 0
        assert queue.dead == []


async def test_what_cannot_be_a_task_is_a_dead_letter_and_the_rest_goes_on(postgres_database: str) -> None:
    async with review_queue(postgres_database) as queue:
        await queue.feed(task("taken", text="first"))
        await queue.feed(
            task("r1"),
            b"\xff foreign",
            task("r2", project="nobody"),
            task("taken", text="second"),
            task("r3", needed_votes=16),
            task("r4", text="one"),
            task("r4", text="two"),
            task("r5"),
        )
        expected = {
            2: "MALFORMED",
            3: "UNKNOWN_PROJECT",
            4: "CONFLICTING_RECORD",
            5: "UNSUPPORTED_VOTES",
            7: "CONFLICTING_RECORD",
        }
        assert await count(queue) == 4
        assert sorted(queue.dead) == sorted(expected.values())
        assert queue.wakes == 1
        rows = await queue.outbox.pending(0, 100)
        found = {}
        for row in rows:
            headers = dict(row.headers)
            assert row.topic == dead_letter.dead_letter_topic(TASKS_TOPIC, GROUP)
            assert headers[dead_letter.STAGE] == b"review"
            found[int(headers[dead_letter.OFFSET])] = headers[dead_letter.REASON].decode()
        assert found == expected
        foreign = next(row for row in rows if dict(row.headers)[dead_letter.OFFSET] == b"2")
        assert foreign.value == b"\xff foreign"


async def test_a_hostile_message_does_not_stop_the_stream(postgres_database: str) -> None:
    async with review_queue(postgres_database) as queue:
        named = replace(task("r1"), model_name="m\x00")
        batch = [
            message(named, 0),
            message(b"", 1, headers=(("a\x00b", b"\xff"), ("a\x00b", b""))),
            replace(message(task("r2"), 2), key=b"mail/another"),
            message(task("r3"), 3),
        ]
        await queue.intake.apply(0, batch, None, 4)
        assert await count(queue) == 1
        rows = await queue.outbox.pending(0, 10)
        assert [dict(row.headers)[dead_letter.REASON] for row in rows] == [b"MALFORMED"] * 3
        assert any(row.headers[:2] == (("a\x00b", b"\xff"), ("a\x00b", b"")) for row in rows)


async def test_a_project_that_was_just_applied_is_looked_for_before_it_is_called_unknown(
    postgres_database: str,
) -> None:
    async with review_queue(postgres_database) as queue:

        async def refresh() -> None:
            queue.projects.by_name["new"] = text_project("new")

        queue.refresh = refresh
        await queue.feed(task("r1", project="new"))
        assert queue.dead == []
        assert await count(queue) == 1


async def test_who_waits_hears_of_new_tasks_at_once_through_any_replica(postgres_database: str) -> None:
    async with (
        review_queue(postgres_database, recheck_s=20) as queue,
        review_queue(postgres_database, recheck_s=20) as other,
    ):
        await asyncio.sleep(0.3)  # Both bells listen.
        waiting = [asyncio.create_task(each.desk.lease("ann", project="mail", wait_s=15)) for each in (queue, other)]
        elsewhere = asyncio.create_task(queue.desk.lease("bob", project="news", wait_s=0.8))
        await asyncio.sleep(0.3)
        async with asyncio.timeout(2):
            await queue.feed(task("r1"), task("r2"))
            tasks = [leased for [leased] in await asyncio.gather(*waiting)]
        assert {leased.task.key.record_id for leased in tasks} == {"r1", "r2"}
        # A released task rings too.
        third = asyncio.create_task(other.desk.lease("cat", wait_s=15))
        await asyncio.sleep(0.2)
        async with asyncio.timeout(2):
            await queue.desk.release("ann", [leased.lease.lease_token for leased in tasks])
            assert len(await third) == 1
        assert await elsewhere == []


async def test_nobody_waits_for_a_process_that_stops(postgres_database: str) -> None:
    async with review_queue(postgres_database, recheck_s=20) as queue:
        waiting = asyncio.create_task(queue.desk.lease("ann", wait_s=15))
        await asyncio.sleep(0.3)
        queue.stopping.set()
        async with asyncio.timeout(2):
            assert await waiting == []
