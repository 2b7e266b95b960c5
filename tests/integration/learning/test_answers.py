"""What learning tells over HTTP, asked as a command asks: whole where it comes in pages, and precise where it is asked wrongly."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import aiohttp
import asyncpg
import pytest

from streamlabel.cli.gate_history import _read_chains
from streamlabel.cli.learning_records import learning_records
from streamlabel.cli.lot_facts import books_of
from streamlabel.core.control import Suspects
from streamlabel.learning.ports import Page
from streamlabel.learning.rules.events import UNKNOWN_CLASS
from streamlabel.learning.rules.standing import Audit
from streamlabel.learning.rules.suspicions import Suspicion, Vouched
from support.gate_page import certified, cold, gate_host, step, subject

pytestmark = pytest.mark.integration

AT_MS = 1_772_366_400_000
MAIL = subject("mail")


def drawn(row: int) -> Audit:
    """One of several that were decided in the same millisecond, and drawn by one gate or the next."""
    return Audit(
        record_id=f"r{row},1,{row % 7}",
        place=row,
        at_ms=AT_MS + row // 700,
        rate=0.25,
        predicted=0,
        answer=0,
        passable=True,
        gate=1 + row % 2,
    )


def moment(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)


@pytest.mark.parametrize("count", [0, 1_000, 2_345])
async def test_audits_come_in_pages_and_a_command_reads_them_all(postgres_database: str, count: int) -> None:
    async with gate_host(postgres_database) as host:
        await host.shelf.keep([Page(subject=MAIL, began=True, audits=[drawn(row) for row in range(count)])], [])
        async with learning_records(host.url) as learning:
            found = [each async for each in learning.audits("mail", moment(AT_MS), moment(AT_MS + 3))]
            some = [each async for each in learning.audits("mail", moment(AT_MS + 1), moment(AT_MS + 2))]
        wanted = sorted((row // 700, 1 + row % 2, f"r{row},1,{row % 7}") for row in range(min(count, 2_100)))
        told = [(each["decided_at"], each["gate_number"], each["record_id"]) for each in found]
        assert [(gate, record_id) for _, gate, record_id in told] == [
            (gate, record_id) for _, gate, record_id in wanted
        ]
        assert told == sorted(told)
        assert len(some) == min(700, max(0, count - 700))
        async with aiohttp.ClientSession() as session, session.get(f"{host.url}/api/audits?project=mail") as answer:
            page = await answer.json()
            assert len(page["audits"]) == min(count, 1_000)
            assert (page["next"] is None) == (count < 1_000)


@dataclass(frozen=True)
class Touch:
    sql: str
    found: str


TOUCHES = {
    "nothing": Touch("SELECT", ""),
    "errors that were found": Touch(
        "DELETE FROM audit WHERE passable AND answer IS DISTINCT FROM predicted", "audit 1 is gone"
    ),
    "one in the middle": Touch("DELETE FROM audit WHERE audit_no = 5500", "audit 5,500 is gone"),
    "the last ones": Touch("DELETE FROM audit WHERE audit_no > 6000", "audits 6,001-6,001 are gone"),
    "the last one, and the head": Touch(
        "WITH gone AS (DELETE FROM audit WHERE audit_no = 6001) "
        "UPDATE audit_chain SET last_no = 6000, digest = (SELECT digest FROM audit WHERE audit_no = 6000)",
        "audits 6,001-6,001 are gone",
    ),
    "an answer": Touch("UPDATE audit SET answer = predicted WHERE audit_no = 1", "audit 1 is not what was written"),
    "a date": Touch(
        "UPDATE audit SET decided_at = decided_at + interval '1 ms' WHERE audit_no = 7", "audit 7 is not what"
    ),
    "one of before": Touch("DELETE FROM audit WHERE audit_no IS NULL", "there were 1 audits of before"),
    "one put in": Touch("UPDATE audit SET audit_no = NULL WHERE audit_no = 6001", "audits 6,001-6,001 are gone"),
}


@pytest.mark.parametrize("touch", TOUCHES.values(), ids=TOUCHES.keys())
async def test_audits_that_were_changed_or_taken_out_are_found(postgres_database: str, touch: Touch) -> None:
    connection = await asyncpg.connect(postgres_database, server_settings={"search_path": "learning"})
    async with gate_host(postgres_database) as host:
        # One of the release before, which knew of no chain.
        await connection.execute(
            "INSERT INTO audit (project, record_id, model_version, decided_at, lane_rate, predicted, passable, book_no) "
            "VALUES ('mail', 'old', 3, now(), 0.1, '1', true, 1)"
        )
        await host.shelf.load()
        audits = [replace(drawn(row), answer=UNKNOWN_CLASS if row % 9 == 0 else 0) for row in range(6_000)]
        await host.shelf.keep([Page(subject=MAIL, began=True, audits=audits)], [])
        moved = step(cold(AT_MS))
        await host.shelf.keep([Page(subject=MAIL, audits=[drawn(9_000)], steps=[moved])], [])
        await connection.execute(touch.sql)
        links, found = await _read_chains(host.url)
        assert found.broken.startswith(touch.found)
        assert bool(found.broken) == bool(touch.found)
        assert len(links) == 1
        if not touch.found:
            assert found.words.startswith("whole: 6,001 audits, each as it was written; the last digest is ")
            assert found.words.endswith("; 1 of before this release are in no chain, only counted")
    await connection.close()


@pytest.mark.parametrize(
    "after",
    [
        "",
        "x",
        "2026-03-01,1,1,r",
        "2026-03-01T00:00:00+00:00,1,-1,r",
        "2026-03-01T00:00:00+00:00,1,1,%00",
        # Moments for which UTC has no date.
        "0001-01-01T00:00:00+23:59,1,1,r",
        "9999-12-31T23:59:59-23:59,1,1,r",
        "2026-03-01T00:00:00+00:00,\u0661,1,r",
    ],
)
async def test_a_place_that_no_answer_gave_is_refused(postgres_database: str, after: str) -> None:
    async with gate_host(postgres_database) as host, aiohttp.ClientSession() as session:
        url = f"{host.url}/api/audits?project=mail&after={after.replace('+', '%2B')}"
        async with session.get(url) as answer:
            assert (answer.status, "that an answer gave as `next`" in await answer.text()) == (400, True)


async def test_a_name_that_no_project_has_is_refused_and_the_ends_of_the_calendar_are_moments(
    postgres_database: str,
) -> None:
    async with gate_host(postgres_database) as host, aiohttp.ClientSession() as session:
        for name in ("course", "transitions", "books", "audits", "gates"):
            async with session.get(f"{host.url}/api/{name}?project=%00") as answer:
                assert (answer.status, "with a NUL in it" in await answer.text()) == (400, True)
        for moment_ in ("0001-01-01T00:00:00%2B00:00", "9999-12-31T23:59:59%2B00:00"):
            url = f"{host.url}/api/audits?project=mail&after={moment_},1,1,r"
            async with session.get(url) as answer:
                assert (answer.status, (await answer.json())["audits"]) == (200, [])


async def test_books_tell_which_labels_are_suspect(postgres_database: str) -> None:
    doubts = (Suspicion(AT_MS, AT_MS + 5), Suspicion(AT_MS + 9))
    async with gate_host(postgres_database) as host:
        await host.shelf.keep([Page(subject=MAIL, began=True, vouched=Vouched(first_gate=1, suspicions=doubts))], [])
        async with learning_records(host.url) as learning:
            [book] = books_of("mail", await learning.books("mail")).all
    assert book.suspects == (Suspects(moment(AT_MS), moment(AT_MS + 5)), Suspects(moment(AT_MS + 9)))


async def test_a_point_of_a_clock_that_was_ahead_goes_with_the_next_one(postgres_database: str) -> None:
    """The latest says how the gate stands."""
    async with gate_host(postgres_database) as host:
        await host.begin(MAIL)
        ahead_ms = AT_MS + 172_800_000
        await host.live(MAIL, cold(AT_MS), certified(ahead_ms), cold(AT_MS + 5_000, evidence=40))
        async with learning_records(host.url) as learning:
            point = (await learning.project("mail"))["point"]
        assert (point["at_ms"], point["state"], point["evidence"]) == (AT_MS + 5_000, "cold", 40)
