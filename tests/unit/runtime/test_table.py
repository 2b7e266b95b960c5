"""A compacted topic as a table."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from streamlabel.errors import InvalidMessageError, TransientError
from streamlabel.runtime.backoff import Backoff
from streamlabel.runtime.broker import BrokerUnavailableError
from streamlabel.runtime.health import Health
from streamlabel.runtime.messages import Message
from streamlabel.runtime.table import CompactedTable
from support.fake_broker import FakeBroker
from support.fake_cluster import FakeCluster, FakeTransaction, Fate

TOPIC = "projects"


def decode(message: Message) -> str:
    if message.value == b"broken":
        raise InvalidMessageError("BROKEN", "cannot be read")
    return message.value.decode()


class Desk:
    def __init__(self) -> None:
        self.cluster = FakeCluster()
        self.cluster.create_topic(TOPIC, 1)
        self.health = Health()
        self.changes: list[tuple[bytes, str | None]] = []

    def put(self, key: bytes, value: bytes | None) -> None:
        self.cluster.append(TOPIC, 0, (key, value, ()), None)
        self.cluster.notify()

    def table(self) -> CompactedTable[str]:
        return CompactedTable(
            topic=TOPIC,
            decode=decode,
            broker=FakeBroker(self.cluster),
            health=self.health,
            on_change=lambda key, row: self.changes.append((key, row)),
            backoff=Backoff(base_s=0.005, cap_s=0.02, floor_s=0.001),
        )

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[CompactedTable[str]]:
        table = self.table()
        task = asyncio.create_task(table.run())
        try:
            yield table
        finally:
            await table.stop()
            await asyncio.wait_for(task, 5)


@pytest.fixture
async def desk() -> Desk:
    return Desk()


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.002)


async def test_the_latest_value_of_each_key(desk):
    for key, value in ((b"a", b"1"), (b"b", b"2"), (b"a", b"3"), (b"c", b"4"), (b"b", None)):
        desk.put(key, value)
    async with desk.running() as table:
        await asyncio.wait_for(table.wait_ready(), 5)
        assert dict(table.items()) == {b"a": "3", b"c": "4"}
        assert (table.get(b"a"), table.get(b"b")) == ("3", None)
        assert desk.health.ready
        desk.put(b"c", b"5")
        await until(lambda: table.get(b"c") == "5")
    assert desk.changes[-1] == (b"c", "5")


async def test_an_empty_topic_is_ready_at_once(desk):
    async with desk.running() as table:
        await asyncio.wait_for(table.wait_ready(), 2)
        assert table.ready


async def test_only_committed_rows_count(desk):
    open_transaction = FakeTransaction()
    desk.put(b"a", b"1")
    desk.cluster.append(TOPIC, 0, (b"a", b"open", ()), open_transaction)
    open_transaction.touched.add((TOPIC, 0))
    async with desk.running() as table:
        await asyncio.wait_for(table.wait_ready(), 5)
        assert table.get(b"a") == "1"
        desk.cluster.end(open_transaction, Fate.COMMITTED)
        await until(lambda: table.get(b"a") == "open")


async def test_a_broken_row_is_reported_and_the_row_before_it_stays(desk, caplog):
    desk.put(b"a", b"1")
    desk.put(b"a", b"broken")
    desk.put(b"b", b"2")
    async with desk.running() as table:
        await asyncio.wait_for(table.wait_ready(), 5)
        assert dict(table.items()) == {b"a": "1", b"b": "2"}
    assert "a row cannot be read" in caplog.text


async def test_refresh_waits_for_everything_committed_before(desk):
    async with desk.running() as table:
        await table.wait_ready()
        for number in range(50):
            desk.cluster.append(TOPIC, 0, (b"%d" % number, b"x", ()), None)  # Nobody is told: only a poll finds it.
        await table.refresh(5)
        assert len(table.items()) == 50


async def test_refresh_without_a_broker_says_so_in_time(desk):
    table = desk.table()
    with pytest.raises(TransientError, match="to its end"):
        await table.refresh(0.02)


async def test_an_outage_keeps_what_is_known_and_a_row_deleted_meanwhile_goes(desk):
    desk.put(b"a", b"1")
    desk.put(b"b", b"2")
    async with desk.running() as table:
        await asyncio.wait_for(table.wait_ready(), 5)
        desk.cluster.fault("reader poll", BrokerUnavailableError("away"))
        desk.cluster.fault("reader start", BrokerUnavailableError("away"), times=3)
        desk.cluster.topics[TOPIC][0].start = 1  # The tombstone of `a` is compacted away with it.
        await until(lambda: "away" in str(desk.health.reasons()))
        assert table.get(b"b") == "2"
        await until(lambda: desk.health.ready)
        assert dict(table.items()) == {b"b": "2"}
        assert desk.changes[-1] == (b"a", None)


async def test_the_topic_may_come_later(desk):
    del desk.cluster.topics[TOPIC]
    async with desk.running() as table:
        await until(lambda: "does not exist" in str(desk.health.reasons()))
        assert not table.ready
        desk.cluster.create_topic(TOPIC, 1)
        await asyncio.wait_for(table.wait_ready(), 5)
