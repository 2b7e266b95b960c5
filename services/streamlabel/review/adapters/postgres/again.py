"""Tasks about records that are in the queue already, within the transaction that takes them in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import asyncpg

from streamlabel.core.label import Vote
from streamlabel.core.review import ReviewTask
from streamlabel.errors import InvalidMessageError
from streamlabel.review.adapters.postgres.answers import STANDING_COLUMNS, STATE_NUMBER, standing_of
from streamlabel.review.ports import Projects
from streamlabel.review.rules.admission import conflicting
from streamlabel.review.rules.again import Held, Renewal, renewal
from streamlabel.review.rules.answers import TaskState
from streamlabel.review.rules.order import PURPOSE_RANK
from streamlabel.review.rules.votes import Consensus
from streamlabel.runtime.messages import Message
from streamlabel.runtime.postgres.database import Connection
from streamlabel.runtime.postgres.headers import pack_headers
from streamlabel.wire import decisions, labels
from streamlabel.wire.headers import carried, ingested_at

_KNOWN = """
SELECT place, ticket, content_hash
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS asked (project, record_id, place)
CROSS JOIN LATERAL (
    SELECT ticket, content_hash FROM task WHERE project = asked.project AND record_id = asked.record_id LIMIT 1
) AS task
"""
# In the order of their tickets, as everywhere. What other tables say of these tasks is asked only when they are locked.
_LOCK = f"""
SELECT {STANDING_COLUMNS}, false AS lease_holds, taxonomy_version, repeats, label_class, label_posterior
FROM unnest($1::bigint[]) AS asked (ticket)
CROSS JOIN LATERAL (SELECT * FROM task WHERE ticket = asked.ticket LIMIT 1 FOR UPDATE) AS task
"""
_ANSWER = """
SELECT asked.ticket, annotator, class_name FROM unnest($1::bigint[], $2::integer[]) AS asked (ticket, revision)
CROSS JOIN LATERAL (
    SELECT annotator, class_name FROM annotation
    WHERE ticket = asked.ticket AND status = 1 AND annotation.revision = asked.revision AND retracted_at IS NULL LIMIT 1
) AS annotation
"""
_RENEW = """
WITH given AS MATERIALIZED (
    SELECT * FROM unnest(
        $2::bigint[], $3::smallint[], $4::smallint[], $5::boolean[], $6::text[], $7::text[], $8::bytea[],
        $9::smallint[], $10::float8[], $11::bytea[], $12::text[], $13::bigint[], $14::timestamptz[], $15::bytea[], $16::bytea[]
    ) AS columns_given (
        ticket, state, needed_votes, anew, voter, voted_class, label,
        purpose_rank, priority, decision, model_name, model_version, event_at, headers, message
    )
), renewed AS (
    UPDATE task SET
        state = given.state, needed_votes = given.needed_votes, purpose_rank = given.purpose_rank, priority = given.priority,
        decision = given.decision, model_name = given.model_name, model_version = given.model_version,
        event_at = given.event_at, headers = given.headers, decision_no = decision_no + 1,
        revision = revision + CASE WHEN label IS NULL THEN 0 ELSE 1 END,
        repeats = CASE WHEN label IS NULL THEN 0 ELSE repeats + 1 END,
        label_no = CASE WHEN given.state = 2 THEN label_no END,
        label_class = CASE WHEN given.state = 2 THEN label_class END,
        label_posterior = CASE WHEN given.state = 2 THEN label_posterior END,
        votes = CASE WHEN anew THEN 0 ELSE votes END,
        voters = CASE WHEN anew OR votes = 0 THEN NULL WHEN voter IS NULL THEN voters ELSE ARRAY[voter] END,
        voted_classes = CASE WHEN anew OR votes = 0 THEN NULL WHEN voter IS NULL THEN voted_classes ELSE ARRAY[voted_class] END,
        fencing_token = fencing_token + anew::integer,
        asked_from = CASE WHEN anew THEN fencing_token + 1 ELSE asked_from END,
        skipped_by = CASE WHEN NOT anew THEN skipped_by END, attempts = CASE WHEN anew THEN 0 ELSE attempts END,
        escalated_for = CASE WHEN given.state IN (1, 4) THEN escalated_for END,
        contested_from = CASE WHEN NOT anew THEN contested_from END,
        lease_owner = CASE WHEN given.state = 1 THEN lease_owner END,
        leased_at = CASE WHEN given.state = 1 THEN leased_at END,
        lease_until = CASE WHEN given.state = 1 THEN lease_until END,
        arrived_at = CASE WHEN task.state = 2 AND given.state <> 2 THEN clock_timestamp() ELSE arrived_at END
    FROM given
    WHERE task.ticket = ANY (ARRAY (SELECT ticket FROM given)) AND task.ticket = given.ticket
    RETURNING task.ticket, project, record_id, partition_no, task.headers, revision, label
), shown AS (
    UPDATE task_payload SET message = given.message FROM given
    WHERE task_payload.ticket = ANY (ARRAY (SELECT ticket FROM given WHERE message IS NOT NULL))
        AND task_payload.ticket = given.ticket
)
INSERT INTO outbox (topic, partition_no, key, value, headers, project, revision)
SELECT $1, partition_no, convert_to(project || '/' || record_id, 'UTF8'), label, headers, project, revision
FROM renewed WHERE label IS NOT NULL
"""

Arrival = tuple[Message, ReviewTask]


@dataclass(slots=True)
class CameAgain:
    """What came of it: messages that conflict with what is there, how many people are called for tasks of each project, and how many
    labels were sent on their way."""

    refused: list[tuple[Message, InvalidMessageError]] = field(default_factory=list)
    called: Counter[str] = field(default_factory=Counter)
    labels: int = 0


async def take_again(
    connection: Connection, arrivals: Sequence[Arrival], *, projects: Projects, labels_topic: str
) -> CameAgain:
    """Makes of each task what `rules.again` says, in their order; each of their records has one."""
    found = CameAgain()
    keys = [task.key for _, task in arrivals]
    known = await connection.fetch(_KNOWN, [key.project for key in keys], [key.record_id for key in keys])
    waiting: list[tuple[int, Arrival]] = []
    for row in sorted(known, key=lambda row: row["place"]):
        message, task = arrivals[row["place"] - 1]
        if task.record.content_hash != row["content_hash"]:
            found.refused.append((message, conflicting(task)))
        else:
            waiting.append((row["ticket"], (message, task)))
    while waiting:
        # A record that came several times: one after the other. All of their rows are locked with the first.
        now: dict[int, Arrival] = {}
        later = [(ticket, each) for ticket, each in waiting if now.setdefault(ticket, each) is not each]
        await _renew(connection, now, found, projects=projects, labels_topic=labels_topic)
        waiting = later
    return found


async def _renew(
    connection: Connection, arrivals: dict[int, Arrival], found: CameAgain, *, projects: Projects, labels_topic: str
) -> None:
    rows = []
    for held in await _held(connection, sorted(arrivals)):
        message, task = arrivals[held.standing.ticket]
        project = projects.get(task.key.project)
        if project is None:  # It was there a moment ago; nobody can be asked, nor told, about it any more.
            continue
        renewed = renewal(task, ingested_at(message.headers), held, project)
        if renewed is None:
            continue
        rows.append(_row(message, task, held, renewed))
        found.labels += renewed.label is not None
        if renewed.state is TaskState.READY:
            found.called[task.key.project] += 1
        elif renewed.state is TaskState.BEGUN:
            # So many that one of them has not voted.
            found.called[task.key.project] += len(held.standing.votes) + 1
    if rows:
        await connection.execute(_RENEW, labels_topic, *map(list, zip(*rows, strict=True)))


async def _held(connection: Connection, tickets: Sequence[int]) -> list[Held]:
    """The tasks, locked; with the one answer where one was wanted and given, or where one decided."""
    rows = await connection.fetch(_LOCK, tickets)
    answered = [row for row in rows if STATE_NUMBER[TaskState.ANSWERED] == row["state"]]
    single = [row for row in answered if not row["voters"] or row["contested_from"] is not None]
    answers: dict[int, asyncpg.Record] = {}
    if single:
        revisions = [row["revision"] - row["repeats"] for row in single]
        for answer in await connection.fetch(_ANSWER, [row["ticket"] for row in single], revisions):
            answers[answer["ticket"]] = answer
    held = []
    for row in rows:
        standing = standing_of(row)
        given = answers.get(standing.ticket)
        is_single = given is not None and standing.contested_from is None
        if given is not None and is_single:
            vote = Vote(annotator=given["annotator"], class_name=given["class_name"])
            standing = replace(standing, votes=(vote,))
        held.append(
            Held(
                standing=standing,
                taxonomy_version=row["taxonomy_version"],
                stands=_stands(row),
                is_single=is_single,
                adjudicator=given["annotator"] if given is not None and not is_single else "",
            )
        )
    return held


def _stands(row: asyncpg.Record) -> Consensus | None:
    if row["label_class"] is None:
        return None
    return Consensus(class_name=row["label_class"], posterior=row["label_posterior"])


def _row(message: Message, task: ReviewTask, held: Held, renewed: Renewal) -> tuple[Any, ...]:
    standing, purpose = held.standing, task.decision.purpose
    if purpose is None:
        raise ValueError("a review task has a purpose")  # Decision refuses to be otherwise.
    # The one answer becomes the first vote where another is wanted now.
    first = standing.votes[0] if renewed.state is TaskState.BEGUN and held.is_single else None
    return (
        standing.ticket,
        STATE_NUMBER[renewed.state],
        renewed.needed_votes,
        renewed.is_anew,
        first and first.annotator,
        first and first.class_name,
        labels.encode(renewed.label) if renewed.label else None,
        PURPOSE_RANK[purpose],
        task.priority,
        decisions.to_message(task.decision).SerializeToString(),
        task.model_name,
        task.model_version,
        task.record.event_at,
        pack_headers(carried(message.headers)),
        # Nobody looks at it while it is answered, and who takes the answer back is shown the same as before.
        None if renewed.state is TaskState.ANSWERED else message.value,
    )
