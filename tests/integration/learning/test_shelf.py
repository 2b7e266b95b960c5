"""Books in PostgreSQL: what was kept of them is there again, also when they have ended, and whoever wrote it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib import resources

import asyncpg
import pytest

from streamlabel.learning.adapters.postgres.records_of_gates import GateRecords
from streamlabel.learning.adapters.postgres.shelf import PostgresShelf, Receipt
from streamlabel.learning.ports import Page, StaleReceiptError
from streamlabel.learning.rules.standing import Audit
from streamlabel.learning.rules.suspicions import NOTHING, Suspicion, Vouched
from streamlabel.runtime.backoff import Backoff
from streamlabel.runtime.clock import SystemClock
from streamlabel.runtime.health import Health
from streamlabel.runtime.postgres.database import Database, DatabaseSettings
from support.learning_house import House, certified_project, learner, subject_of_mail

pytestmark = pytest.mark.integration

SUBJECT = subject_of_mail()
AT_MS = 1_700_000_000_000
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


def drawn(record_id: str, gate: int, answer: int = 0, at_ms: int = AT_MS) -> Audit:
    return Audit(
        record_id=record_id, place=1, at_ms=at_ms, rate=0.25, predicted=0, answer=answer, passable=True, gate=gate
    )


async def test_a_record_is_audited_once_for_each_time_it_is_drawn(postgres_database: str) -> None:
    """A stream that is sent again is drawn again, under the same promise and model version or another one."""
    async with empty_shelf(postgres_database) as (database, shelf):
        vouched = [replace(NOTHING, first_gate=number) for number in (1, 5)]
        await shelf.keep(
            [Page(subject=SUBJECT, began=True, vouched=vouched[0], audits=[drawn("a", 1), drawn("b", 1)])], []
        )
        # What was kept is kept once; by another gate, or at another time, it was drawn beside other labels.
        again = [drawn("a", 1, answer=1), drawn("a", 2), drawn("b", 1, at_ms=AT_MS + 5)]
        await shelf.keep([Page(subject=SUBJECT, audits=again)], [])
        other = replace(SUBJECT, model_name="other")
        ended = Page(subject=SUBJECT, ended=True, vouched=replace(vouched[0], confirmed_until_ms=AT_MS))
        await shelf.keep([ended, Page(subject=other, began=True, vouched=vouched[1], audits=[drawn("a", 5)])], [])
        records = GateRecords(database)
        begin = datetime.fromtimestamp(AT_MS / 1000, UTC)
        found = await records.audits("mail", begin, begin + timedelta(seconds=1), None, 100)
        audits = sorted(found, key=lambda each: (each["record_id"], each["gate_number"], each["decided_at"]))
        [first, second] = await records.books("mail")
        assert [(each["record_id"], each["book_no"], each["gate_number"]) for each in audits] == [
            ("a", first["book_no"], 1),
            ("a", first["book_no"], 2),
            ("a", second["book_no"], 5),
            ("b", first["book_no"], 1),
            ("b", first["book_no"], 1),
        ]
        assert {each["answer"] for each in audits} == {"spam"}
        assert (first["model_name"], first["first_gate"], first["confirmed_until_ms"]) == ("m", 1, AT_MS)
        assert (second["model_name"], second["first_gate"], second["confirmed_until_ms"]) == ("other", 5, None)
        assert (first["ended_at_ms"] is None, second["ended_at_ms"] is None) == (False, True)
        assert await records.kept_gates("mail") is None
        assert await records.books("news") == []


_OF_BEFORE = """
INSERT INTO book (project, model_name, model_version, taxonomy_version, class_names, alpha, delta, began_at, ended_at) VALUES
    ('p', 'm', 1, 1, '{a}', 0.05, 0.05, '2026-01-01Z', '2026-01-05Z'), ('p', 'm', 1, 1, '{a}', 0.02, 0.05, '2026-01-05Z', NULL),
    ('q', 'm', 7, 1, '{a}', 0.02, 0.05, '2026-01-05Z', NULL);
INSERT INTO scorer (digest, message) VALUES ('', '');
INSERT INTO gate (project, gate_number, published_at, message, scorer_digest) VALUES
    ('p', 3, '2026-01-02Z', '', ''), ('p', 4, '2026-01-05Z', '', ''), ('p', 5, '2026-01-06Z', '', '');
INSERT INTO audit (project, record_id, model_version, decided_at, lane_rate, predicted, answer, passable) VALUES
    ('p', 'a', 1, '2026-01-03Z', 0.05, 'a', 'a', true), ('p', 'b', 1, '2026-01-07Z', 0.05, 'a', 'a', true),
    ('q', 'a', 7, '2026-01-01Z', 0.05, 'a', 'a', true), ('r', 'a', 1, '2026-01-01Z', 0.05, 'a', 'a', true);
"""


async def test_what_an_older_release_kept_is_told_apart_by_book(postgres_database: str) -> None:
    files = resources.files("streamlabel.learning.adapters.postgres.migrations")
    steps = sorted((each for each in files.iterdir() if each.name.endswith(".sql")), key=lambda each: each.name)
    connection = await asyncpg.connect(postgres_database)
    try:
        for step in steps[:2]:
            await connection.execute(step.read_text())
        await connection.execute(_OF_BEFORE)
        for step in steps[2:]:
            await connection.execute(step.read_text())
        books = await connection.fetch(
            "SELECT book_no, first_gate, confirmed_until, suspects FROM book ORDER BY book_no"
        )
        assert [tuple(row) for row in books] == [(1, 3, None, "[]"), (2, 4, None, "[]"), (3, None, None, "[]")]
        audits = await connection.fetch("SELECT project, record_id, book_no FROM audit ORDER BY project, record_id")
        assert [tuple(row) for row in audits] == [("p", "a", 1), ("p", "b", 2), ("q", "a", 3), ("r", "a", 0)]
    finally:
        await connection.close()


async def test_all_stale_receipts_are_named_and_nothing_is_kept(postgres_database: str) -> None:
    def read(topic: str, begin: int | None, end: int) -> Receipt:
        return Receipt(topic=topic, partition=0, expected_offset=begin, next_offset=end)

    async with empty_shelf(postgres_database) as (database, shelf):
        await shelf.keep([], [read("p", None, 3), read("t", None, 5)])
        late, fresh, twice = read("p", 2, 3), read("l", None, 1), read("t", None, 5)
        with pytest.raises(StaleReceiptError, match=r"p\[0\] is no longer 2, t\[0\] is no longer None") as refused:
            await shelf.keep([Page(subject=SUBJECT, began=True)], [late, fresh, twice])
        assert refused.value.receipts == [late, twice]
        assert (await shelf.load()).books == []
        rows = await database.fetch("SELECT topic, next_offset FROM input_offset ORDER BY topic")
        assert [tuple(row) for row in rows] == [("p", 3), ("t", 5)]


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
