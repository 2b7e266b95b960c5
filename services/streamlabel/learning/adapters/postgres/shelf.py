"""The books in PostgreSQL: what a turn comes to is kept in one transaction with the offsets that it came from."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import asyncpg

from streamlabel.errors import TransientError
from streamlabel.gate.chain import FIRST
from streamlabel.learning.adapters.postgres.audits import add_audits, audit_head, count_unchained
from streamlabel.learning.adapters.postgres.chain import chained
from streamlabel.learning.ports import BrokenBookError, Page, Shelved, ShelvedBook, StaleReceiptError
from streamlabel.learning.rules.events import Event
from streamlabel.learning.rules.faults import OF_ONE_BOOK, Fault, said_of
from streamlabel.learning.rules.journal import pack_events, unpack_events
from streamlabel.learning.rules.points import Point
from streamlabel.learning.rules.subject import Subject
from streamlabel.learning.rules.suspicions import Suspicion, Vouched
from streamlabel.runtime.dead_letter import DeadLetter
from streamlabel.runtime.messages import Headers
from streamlabel.runtime.postgres.database import Connection, Database
from streamlabel.runtime.postgres.headers import pack_headers
from streamlabel.wire.gates import encode_gate, gate_key, split_gate

_TAKE_TERM = "UPDATE term SET holder = $1"
_HOLD_TERM = "SELECT holder = $1 AS held FROM term FOR UPDATE"
_OPEN_BOOKS = """
SELECT
    book_no, project, model_name, model_version, taxonomy_version, class_names, alpha, delta, double_blind_share,
    binding, snapshot, snapshot_seq, first_gate, confirmed_until, suspects
FROM book WHERE ended_at IS NULL ORDER BY book_no
"""
_ENDED_BOOKS = """
SELECT project, model_name, model_version, first_gate, confirmed_until, suspects
FROM book WHERE ended_at IS NOT NULL AND first_gate IS NOT NULL ORDER BY book_no
"""
_JOURNAL = "SELECT entry FROM journal WHERE book_no = $1 AND seq > $2 ORDER BY seq"
_BEGIN_BOOK = """
INSERT INTO book
    (project, model_name, model_version, taxonomy_version, class_names, alpha, delta, double_blind_share, binding)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""
_VOUCH = """
UPDATE book SET first_gate = $2, confirmed_until = $3, suspects = $4 WHERE project = $1 AND ended_at IS NULL
"""
_END_BOOK = """
WITH ended AS (
    UPDATE book SET ended_at = clock_timestamp(), snapshot = NULL
    WHERE project = $1 AND ended_at IS NULL RETURNING book_no
)
DELETE FROM journal USING ended WHERE journal.book_no = ended.book_no
"""
_ADD_ENTRY = """
WITH moved AS (
    UPDATE book SET last_seq = last_seq + 1 WHERE project = $1 AND ended_at IS NULL RETURNING book_no, last_seq
)
INSERT INTO journal (book_no, seq, entry) SELECT book_no, last_seq, $2 FROM moved
"""
_TAKE_SNAPSHOT = """
WITH taken AS (
    UPDATE book SET snapshot = $2, snapshot_seq = last_seq WHERE project = $1 AND ended_at IS NULL RETURNING book_no
)
DELETE FROM journal USING taken WHERE journal.book_no = taken.book_no
"""
_LAST_LINK = "SELECT transition_no, digest FROM transition ORDER BY transition_no DESC LIMIT 1"
_ADD_TRANSITION = """
INSERT INTO transition (transition_no, project, model_name, model_version, facts, previous, digest)
VALUES ($1, $2, $3, $4, $5, $6, $7)
"""
_ADD_SCORER = "INSERT INTO scorer (digest, message) VALUES ($1, $2) ON CONFLICT (digest) DO NOTHING"
_ADD_GATE = "INSERT INTO gate (project, gate_number, message, scorer_digest) VALUES ($1, $2, $3, $4)"
# Of a clock that was ahead: the latest point says how the gate stands.
_DROP_LATER_POINTS = "DELETE FROM point WHERE project = $1 AND at > $2"
_ADD_POINT = "INSERT INTO point (project, at, facts) VALUES ($1, $2, $3) ON CONFLICT (project, at) DO NOTHING"
# What a term begins with is tried anew.
_FORGET_FAULTS = "DELETE FROM fault"
_MEND = "DELETE FROM fault WHERE project = $1"
_ADD_FAULT = """
INSERT INTO fault (project, since, reason, facts) VALUES ($1, $2, $3, $4)
ON CONFLICT (project) DO UPDATE SET since = excluded.since, reason = excluded.reason, facts = excluded.facts
"""
# What PostgreSQL takes of one value is a GiB.
_MOST_BYTES = 900 * 1024 * 1024
# What the numbers of one book can come to here. Anything else is a defect of the service, or of the database.
_OF_ONE_BOOK = (*OF_ONE_BOOK, asyncpg.DataError, asyncpg.ProgramLimitExceededError)
_BEGIN_OFFSET = """
INSERT INTO input_offset (topic, partition_no, next_offset, mark) VALUES ($1, $2, $3, $4)
ON CONFLICT (topic, partition_no) DO NOTHING RETURNING next_offset
"""
_MOVE_OFFSET = """
UPDATE input_offset SET next_offset = $3, mark = $4 WHERE topic = $1 AND partition_no = $2 AND next_offset = $5
RETURNING next_offset
"""
_SEND = """
WITH numbered AS (UPDATE outbox_progress SET last_numbered = last_numbered + 1 RETURNING last_numbered)
INSERT INTO outbox (seq, topic, partition_no, key, value, headers) SELECT last_numbered, $1, $2, $3, $4, $5 FROM numbered
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What a read of a topic wants to see kept together with its effects: where it ended, the mark of its last message, and what
    nobody could read of it."""

    topic: str
    partition: int
    expected_offset: int | None
    next_offset: int
    mark: str = ""
    letters: Sequence[DeadLetter] = ()


class PostgresShelf:
    """Keeps the promises of `ports.Shelf`, for one holder of the term at a time: the one that called `load` last."""

    def __init__(self, database: Database, *, gates_topic: str, on_outbox: Callable[[], None]) -> None:
        self._database = database
        self._gates_topic = gates_topic
        self._on_outbox = on_outbox
        self._holder = uuid.uuid4()
        self._has_begun = False

    async def load(self) -> Shelved:
        """Takes the term, so that nobody else writes any more, and reads everything."""
        self._holder = uuid.uuid4()
        await self._database.fetch(_TAKE_TERM, self._holder)
        await count_unchained(self._database)
        if not self._has_begun:
            await self._database.fetch(_FORGET_FAULTS)
            self._has_begun = True
        books = []
        for row in await self._database.fetch(_OPEN_BOOKS):
            entries = await self._database.fetch(_JOURNAL, row["book_no"], row["snapshot_seq"])
            books.append(_shelved(row, [entry["entry"] for entry in entries]))
        ended: defaultdict[tuple[str, str, int], list[Vouched]] = defaultdict(list)
        for row in await self._database.fetch(_ENDED_BOOKS):
            ended[row["project"], row["model_name"], row["model_version"]].append(_vouched(row))
        numbers = await self._database.fetch("SELECT project, max(gate_number) AS last FROM gate GROUP BY project")
        return Shelved(books=books, gate_numbers={row["project"]: row["last"] for row in numbers}, ended=ended)

    async def keep(self, pages: Sequence[Page], receipts: Sequence[object]) -> None:
        """One transaction; raises TransientError where another process has taken the term, and BrokenBookError for a page that can
        never be written."""
        sent = False
        async with self._database.transaction() as connection:
            if not await connection.fetchval(_HOLD_TERM, self._holder):
                raise TransientError("another process keeps the books now")
            for receipt in await _moved(connection, receipts):
                for letter in receipt.letters:
                    await _send(connection, letter.topic, letter.partition, letter.key, letter.value, letter.headers)
                    sent = True
            for page in pages:
                try:
                    sent = await self._write(connection, page) or sent
                except _OF_ONE_BOOK as error:
                    if page.ended:
                        raise
                    raise BrokenBookError(page.subject.project, said_of(error)) from error
        if sent:
            self._on_outbox()

    async def _write(self, connection: Connection, page: Page) -> bool:
        """Everything of one book; whether something of it leaves the house."""
        subject, project = page.subject, page.subject.project
        if page.vouched is not None and page.ended:
            await connection.execute(_VOUCH, project, *_vouched_columns(page.vouched))
        if page.ended:
            await connection.execute(_END_BOOK, project)
            await connection.execute(_MEND, project)
            if page.fault is not None:
                await connection.execute(_ADD_FAULT, project, *_fault_columns(page.fault))
            await _send(connection, self._gates_topic, 0, gate_key(project), None)
            return True
        if page.began:
            await connection.execute(_MEND, project)
            await connection.execute(_BEGIN_BOOK, *_columns(subject))
        if page.events:
            await connection.execute(_ADD_ENTRY, project, _fitting("events", pack_events(page.events)))
        if page.snapshot is not None:
            await connection.execute(_TAKE_SNAPSHOT, project, _fitting("a snapshot", page.snapshot))
        if page.gate is not None:
            value = encode_gate(page.gate)
            if page.is_new_gate:
                message, scorer = split_gate(value)
                digest = hashlib.sha256(scorer).digest()
                await connection.execute(_ADD_SCORER, digest, scorer)
                await connection.execute(_ADD_GATE, project, page.gate_number, message, digest)
            await _send(connection, self._gates_topic, 0, gate_key(project), value)
        if page.vouched is not None:
            await connection.execute(_VOUCH, project, *_vouched_columns(page.vouched))
        if page.audits:
            await add_audits(connection, subject, page.audits)
        if page.steps:
            await _chain(connection, page)
        if page.point is not None:
            at = _moment(page.point.at_ms)
            await connection.execute(_DROP_LATER_POINTS, project, at)
            await connection.execute(_ADD_POINT, project, at, point_text(page.point))
        return page.gate is not None


def _fitting(what: str, value: bytes) -> bytes:
    if len(value) > _MOST_BYTES:
        raise ValueError(f"{what} of {len(value):,} bytes; PostgreSQL takes {_MOST_BYTES:,}")
    return value


async def _moved(connection: Connection, receipts: Sequence[object]) -> list[Receipt]:
    """The receipts, once the offsets that they stand for are moved; raises StaleReceiptError for those that were moved by others."""
    given: list[Receipt] = []
    stale: list[Receipt] = []
    for receipt in receipts:
        if not isinstance(receipt, Receipt):
            raise TypeError(f"no receipt: {receipt!r}")
        given.append(receipt)
        place = (receipt.topic, receipt.partition, receipt.next_offset, receipt.mark or None)
        if receipt.expected_offset is None:
            moved = await connection.fetchval(_BEGIN_OFFSET, *place)
        else:
            moved = await connection.fetchval(_MOVE_OFFSET, *place, receipt.expected_offset)
        if moved is None:
            stale.append(receipt)
    if stale:
        places = ", ".join(f"{each.topic}[{each.partition}] is no longer {each.expected_offset}" for each in stale)
        raise StaleReceiptError(f"the offset of {places}", stale)
    return given


def _shelved(row: asyncpg.Record, entries: Sequence[bytes]) -> ShelvedBook:
    events: list[Event] = []
    unreadable = ""
    try:
        for entry in entries:
            events += unpack_events(entry)
    except ValueError as error:
        events, unreadable = [], f"journal: {error}"
    return ShelvedBook(
        subject=_subject(row), snapshot=row["snapshot"], events=events, vouched=_vouched(row), unreadable=unreadable
    )


async def _chain(connection: Connection, page: Page) -> None:
    last = await connection.fetchrow(_LAST_LINK)
    number, previous = (last["transition_no"], bytes(last["digest"])) if last else (0, FIRST)
    audits = await audit_head(connection)
    for step in page.steps:
        number += 1
        row = chained(number, page.subject, step, page.gate_number, previous, audits)
        await connection.execute(
            _ADD_TRANSITION,
            row.number,
            row.project,
            row.model_name,
            row.model_version,
            row.facts,
            row.previous,
            row.digest,
        )
        previous = row.digest


async def _send(
    connection: Connection, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: Headers = ()
) -> None:
    await connection.execute(_SEND, topic, partition, key, value, pack_headers(headers))


def point_text(point: Point) -> str:
    """The point as JSON; thresholds that nothing reaches are null."""
    facts: dict[str, Any] = asdict(point) | {"state": point.state.value}
    if point.threshold == float("inf"):
        facts["threshold"] = None
    return json.dumps(facts, sort_keys=True, ensure_ascii=False)


def _columns(subject: Subject) -> tuple[Any, ...]:
    return (
        subject.project,
        subject.model_name,
        subject.model_version,
        subject.taxonomy_version,
        list(subject.class_names),
        subject.alpha,
        subject.delta,
        subject.double_blind_share,
        subject.binding,
    )


def _subject(row: asyncpg.Record) -> Subject:
    return Subject(
        project=row["project"],
        model_name=row["model_name"],
        model_version=row["model_version"],
        taxonomy_version=row["taxonomy_version"],
        class_names=tuple(row["class_names"]),
        alpha=row["alpha"],
        delta=row["delta"],
        double_blind_share=row["double_blind_share"],
        binding=row["binding"],
    )


def _fault_columns(fault: Fault) -> tuple[Any, ...]:
    # What broke the book may be what PostgreSQL takes in no column of its own.
    facts = json.dumps(asdict(fault.subject), sort_keys=True, default=str)
    return _moment(fault.since_ms), fault.reason.replace("\0", ""), facts


def _vouched_columns(vouched: Vouched) -> tuple[Any, ...]:
    suspects = json.dumps([[each.from_ms, each.until_ms] for each in vouched.suspicions])
    confirmed_ms = vouched.confirmed_until_ms
    return vouched.first_gate or None, _moment(confirmed_ms) if confirmed_ms else None, suspects


def _vouched(row: asyncpg.Record) -> Vouched:
    confirmed = row["confirmed_until"]
    return Vouched(
        first_gate=row["first_gate"] or 0,
        confirmed_until_ms=0 if confirmed is None else round(confirmed.timestamp() * 1000),
        suspicions=tuple(Suspicion(*each) for each in json.loads(row["suspects"])),
    )


def _moment(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)
