"""Books in PostgreSQL: what was kept of them is there again, also when they have ended, and whoever wrote it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from streamlabel.learning.adapters.postgres.shelf import PostgresShelf
from streamlabel.learning.ports import Page
from streamlabel.learning.rules.suspicions import NOTHING, Suspicion, Vouched
from streamlabel.runtime.backoff import Backoff
from streamlabel.runtime.clock import SystemClock
from streamlabel.runtime.health import Health
from streamlabel.runtime.postgres.database import Database, DatabaseSettings
from support.learning_house import House, certified_project, learner, subject_of_mail

pytestmark = pytest.mark.integration

SUBJECT = subject_of_mail()
VOUCHED = Vouched(first_gate=3, confirmed_until_ms=1_700_000_000_123, suspicions=(Suspicion(5, 7), Suspicion(9)))


@contextlib.asynccontextmanager
async def learning_database(dsn: str) -> AsyncIterator[Database]:
    """With the tables of this release."""
    settings = DatabaseSettings(
        service="learning", migrations="streamlabel.learning.adapters.postgres.migrations", dsn=dsn, schema="learning"
    )
    database = Database(settings, health=Health(), clock=SystemClock(), backoff=Backoff())
    await database.start()
    try:
        yield database
    finally:
        await database.stop()


@contextlib.asynccontextmanager
async def empty_shelf(dsn: str) -> AsyncIterator[tuple[Database, PostgresShelf]]:
    async with learning_database(dsn) as database:
        shelf = PostgresShelf(database, gates_topic="gates", on_outbox=lambda: None)
        await shelf.load()
        yield database, shelf


async def test_what_a_book_vouched_for_outlives_it(postgres_database: str) -> None:
    async with empty_shelf(postgres_database) as (_, shelf):
        await shelf.keep([Page(subject=SUBJECT, began=True)], [])
        [book] = (await shelf.load()).books
        assert book.vouched == NOTHING
        await shelf.keep([Page(subject=SUBJECT, vouched=VOUCHED)], [])
        [book] = (await shelf.load()).books
        assert (book.subject, book.vouched) == (SUBJECT, VOUCHED)
        other = replace(SUBJECT, alpha=0.02)
        last = VOUCHED.closed(11)
        pages = [
            Page(subject=SUBJECT, ended=True, vouched=last),
            Page(subject=other, began=True, vouched=Vouched(first_gate=8)),
        ]
        await shelf.keep(pages, [])
        shelved = await shelf.load()
        assert [(each.subject, each.vouched) for each in shelved.books] == [(other, Vouched(first_gate=8))]
        assert shelved.ended == {SUBJECT.model: [last]}


@pytest.mark.parametrize("kept", ["snapshot", "journal"])
async def test_what_cannot_be_read_ends_its_book_for_good(postgres_database: str, kept: str) -> None:
    house = House(certified_project())
    async with empty_shelf(postgres_database) as (database, shelf):
        house.shelf = shelf
        first = learner(house)
        await first.turn(0)
        await database.fetch(
            "UPDATE book SET snapshot = 'x'"
            if kept == "snapshot"
            else "INSERT INTO journal (book_no, seq, entry) SELECT book_no, last_seq + 1, 'x' FROM book"
        )
        for _ in range(2):
            # The first one ends it, the second finds nothing to mend.
            await learner(house).turn(0)
        rows = await database.fetch("SELECT ended_at IS NULL AS open, first_gate FROM book ORDER BY book_no")
        assert [tuple(row) for row in rows] == [(False, 1), (True, 2)]
        facts = await database.fetch("SELECT facts::json ->> 'reason' AS reason FROM transition ORDER BY transition_no")
        assert len(facts) == 2
        assert facts[1]["reason"].startswith("the book before cannot be read (ValueError: ")
