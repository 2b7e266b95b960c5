"""The queue's own schema: a restart in mid-run, replicas that start together, plans. The rest is in `runtime/test_postgres.py`."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Callable

import pytest

from streamlabel.core.desk import AnnotationStatus
from streamlabel.core.review import Annotation
from streamlabel.errors import TransientError
from streamlabel.local.servers import EmbeddedServers
from streamlabel.review.adapters.postgres import answers, board, leases, past_answers
from streamlabel.review.adapters.postgres.schema import seal_key
from streamlabel.runtime.postgres.migrations import migrations
from support.review_queue import database_of, review_queue, task

pytestmark = pytest.mark.integration

MIGRATIONS = "streamlabel.review.adapters.postgres.migrations"


async def until_it_answers(call: Callable, *arguments: object, **named: object) -> object:
    """What a client does: try again while the trouble passes."""
    async with asyncio.timeout(30):
        while True:
            try:
                return await call(*arguments, **named)
            except TransientError:
                await asyncio.sleep(0.05)


async def test_a_restart_in_mid_run_loses_and_doubles_nothing(own_servers: Callable[..., EmbeddedServers]) -> None:
    servers = own_servers("postgres")
    async with review_queue(servers.postgres, lease_s=2.0) as queue:
        await queue.feed(*(task(f"r{i}") for i in range(300)))
        accepted: Counter[str] = Counter()
        troubles = 0

        async def person(number: int) -> None:
            name = f"p{number}"
            while len(accepted) < 300:
                leased = await until_it_answers(queue.desk.lease, name, wait_s=0.2)
                for each in leased:
                    answer = Annotation(
                        annotation_id=each.task.key.record_id, lease_token=each.lease.lease_token, class_name="spam"
                    )
                    [result] = await until_it_answers(queue.desk.submit, name, [answer])
                    if result.status in (AnnotationStatus.ACCEPTED, AnnotationStatus.DUPLICATE):
                        accepted[each.task.key.record_id] += 1

        async def sweep() -> None:
            nonlocal troubles
            while len(accepted) < 300:
                try:
                    await queue.leases.expire()
                except TransientError:
                    troubles += 1
                await asyncio.sleep(0.02)

        async def kill_and_start() -> None:
            for _ in range(2):
                await asyncio.sleep(0.15)
                servers.kill("postgres")
                await asyncio.sleep(0.3)
                servers.restart("postgres")

        async with asyncio.timeout(90):
            await asyncio.gather(kill_and_start(), sweep(), *(person(number) for number in range(8)))
        assert troubles > 0
        assert accepted == Counter({f"r{i}": 1 for i in range(300)})
        labels = await queue.published()
        assert Counter(label.key.record_id for label in labels) == accepted


async def test_replicas_that_start_together_migrate_once_and_share_the_seal(postgres_database: str) -> None:
    databases = [database_of(postgres_database) for _ in range(5)]
    await asyncio.gather(*(database.start() for database in databases))
    keys = await asyncio.gather(*(seal_key(database) for database in databases))
    assert len(set(keys)) == 1
    assert len(keys[0]) == 32
    rows = await databases[0].fetch("SELECT number FROM migration ORDER BY number")
    assert [row["number"] for row in rows] == [migration.number for migration in migrations(MIGRATIONS)]
    await asyncio.gather(*(database.stop() for database in databases))


async def test_two_schemas_of_one_database_are_two_queues(postgres_database: str) -> None:
    one, two = database_of(postgres_database), database_of(postgres_database, schema='odd "name')
    for database in (one, two):
        await database.start()
    assert await seal_key(one) != await seal_key(two)
    for database in (one, two):
        await database.stop()


async def test_the_plans_of_a_fresh_and_of_a_full_table_go_by_the_index(postgres_database: str) -> None:
    async with review_queue(postgres_database, pool_max=1) as queue:
        await queue.desk.lease("ann", project="mail")
        await queue.feed(*(task(f"r{i}") for i in range(500)))
        for sql, index in (
            (leases._CLAIM_IN_PROJECT, "task_ready_in_project"),
            (leases._CLAIM_ANYWHERE, "task_ready_anywhere"),
            (leases._MAY_VOTE, "task_begun"),
            (leases._CLAIM_BEGUN, "task_begun"),
            (leases._EXPIRE, "task_leased"),
            (answers._LOOK, "annotation_pkey"),
            (answers._SETTLE, "task_pkey"),
            (answers._SETTLE_VOTES, "task_pkey"),
            (past_answers._TAKE_BACK_VOTE, "task_pkey"),
            (board._BEGUN, "task_begun"),
        ):
            async with queue.database.transaction() as connection:
                await connection.execute(f"PREPARE p AS {sql}")
                parameters = ", ".join(["NULL"] * len(set(re.findall(r"\$\d+", sql))))
                rows = await connection.fetch(f"EXPLAIN EXECUTE p({parameters})" if parameters else f"EXPLAIN {sql}")
                await connection.execute("DEALLOCATE p")
            plan = "\n".join(row[0] for row in rows)
            assert index in plan
            assert "Seq Scan" not in plan, plan
            if index == "annotation_pkey":
                assert "(annotation_id = asked.annotation_id)" in plan, plan
