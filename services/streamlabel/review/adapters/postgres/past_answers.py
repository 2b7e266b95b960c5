"""Taking an answer back."""

from __future__ import annotations

from datetime import timedelta

from streamlabel.review.adapters.postgres.answers import STATE_OF_NUMBER, STATUS_OF_NUMBER
from streamlabel.review.adapters.postgres.leases import MESSAGE_OF_LEASED, claim_of
from streamlabel.review.ports import Claim
from streamlabel.review.rules.undoing import PastAnswer
from streamlabel.runtime.postgres.database import Database

_FIND = """
SELECT
    annotation_id, task.ticket, class_name, status, state, task.fencing_token, undone_under,
    state = 1 AND lease_owner = $1 AND lease_until > clock_timestamp() AS held,
    state = 1 AND lease_owner <> $1 AND lease_until > clock_timestamp() AS held_by_another,
    voters IS NOT NULL AND NOT coalesce(annotation.fencing_token >= contested_from, false) AS is_vote,
    state = 2 AND contested_from IS NOT NULL AS was_decided,
    annotation.fencing_token >= asked_from AND (
        (voters IS NOT NULL AND NOT coalesce(annotation.fencing_token >= contested_from, false))
        OR annotation.revision IS NOT DISTINCT FROM task.revision - repeats
    ) AS is_current
FROM annotation JOIN task USING (ticket)
WHERE annotator = $1 AND annotation_id = $2
"""

# The delete waits for a publisher that is numbering this very row, and then lets it go: what has a number is out. Of a record whose
# label was published again meanwhile, those that are not out yet are all withdrawn: the answer makes them all.
_WITHDRAWN = """
    DELETE FROM outbox USING retracted
    WHERE outbox.outbox_no >= retracted.{first} AND publish_seq IS NULL
        AND outbox.outbox_no <= CASE WHEN repeats = 0 THEN retracted.{first} ELSE 9223372036854775807 END
        AND outbox.key = retracted.key
    RETURNING 1
"""
_TAKE_BACK = (
    """
WITH locked AS MATERIALIZED (
    SELECT ticket, fencing_token, revision, repeats, convert_to(project || '/' || record_id, 'UTF8') AS key FROM task
    WHERE ticket = $3 AND state = 2 AND fencing_token = $4
    FOR UPDATE
), retracted AS (
    UPDATE annotation SET retracted_at = clock_timestamp(), undone_under = locked.fencing_token + 1
    FROM locked
    WHERE annotator = $1 AND annotation_id = $2 AND annotation.ticket = locked.ticket
        AND annotation.revision = locked.revision - locked.repeats AND undone_under IS NULL
    RETURNING annotation.ticket, outbox_no, repeats, key
), withdrawn AS ("""
    + _WITHDRAWN.format(first="outbox_no")
    + """
), leased AS (
    UPDATE task SET
        state = 1, votes = votes - CASE WHEN contested_from IS NULL THEN 1 ELSE 0 END,
        revision = revision - (SELECT count(*) FROM withdrawn)::integer, repeats = 0,
        label_no = NULL, label_class = NULL, escalated_for = CASE WHEN contested_from IS NOT NULL THEN 4 END,
        fencing_token = fencing_token + 1, lease_owner = $1,
        leased_at = clock_timestamp(), lease_until = clock_timestamp() + $5::interval
    WHERE ticket = ANY (ARRAY (SELECT ticket FROM retracted))
    RETURNING ticket, fencing_token, lease_until, CASE WHEN contested_from IS NOT NULL THEN voted_classes END AS voted_classes
)
SELECT ticket, fencing_token, lease_until, message, voted_classes
"""
    + MESSAGE_OF_LEASED
)

# The same for one vote of several: whatever the others did since, it is this person's own, unless somebody has the task in hand. A
# label that the votes made is withdrawn by its number, which stands in the task: another's answer may have made it.
_TAKE_BACK_VOTE = (
    """
WITH locked AS MATERIALIZED (
    SELECT ticket, fencing_token, label_no, repeats, convert_to(project || '/' || record_id, 'UTF8') AS key FROM task
    WHERE ticket = $3 AND fencing_token = $4 AND array_position(voters, $1) IS NOT NULL
        AND (state IN (3, 4) OR (state = 2 AND contested_from IS NULL) OR lease_until <= clock_timestamp())
    FOR UPDATE
), retracted AS (
    UPDATE annotation SET retracted_at = clock_timestamp(), undone_under = locked.fencing_token + 1
    FROM locked
    WHERE annotator = $1 AND annotation_id = $2 AND annotation.ticket = locked.ticket
        AND status = 1 AND undone_under IS NULL
    RETURNING annotation.ticket, label_no, repeats, key
), withdrawn AS ("""
    + _WITHDRAWN.format(first="label_no")
    + """
), leased AS (
    UPDATE task SET
        state = 1, votes = votes - 1, revision = revision - (SELECT count(*) FROM withdrawn)::integer, label_no = NULL,
        repeats = 0, label_class = NULL, label_posterior = NULL, contested_from = NULL, escalated_for = NULL,
        voters = array_remove(voters, $1),
        voted_classes = voted_classes[:array_position(voters, $1) - 1] || voted_classes[array_position(voters, $1) + 1:],
        fencing_token = fencing_token + 1, lease_owner = $1,
        leased_at = clock_timestamp(), lease_until = clock_timestamp() + $5::interval
    WHERE ticket = ANY (ARRAY (SELECT ticket FROM retracted))
    RETURNING ticket, fencing_token, lease_until
)
SELECT ticket, fencing_token, lease_until, message
"""
    + MESSAGE_OF_LEASED
)

_CURRENT = """
SELECT ticket, fencing_token, lease_until, message, CASE WHEN contested_from IS NOT NULL THEN voted_classes END AS voted_classes
FROM task JOIN task_payload USING (ticket)
WHERE ticket = $2 AND state = 1 AND lease_owner = $1 AND lease_until > clock_timestamp()
"""


class PostgresPastAnswers:
    """Keeps the promises of `ports.PastAnswers`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, annotator: str, annotation_id: str) -> PastAnswer | None:
        """The answer and its task, in one snapshot."""
        rows = await self._database.fetch(_FIND, annotator, annotation_id)
        if not rows:
            return None
        row = rows[0]
        return PastAnswer(
            annotation_id=row["annotation_id"],
            ticket=row["ticket"],
            class_name=row["class_name"],
            status=STATUS_OF_NUMBER[row["status"]],
            state=STATE_OF_NUMBER[row["state"]],
            fencing_token=row["fencing_token"],
            held_by_annotator=bool(row["held"]),
            held_by_another=bool(row["held_by_another"]),
            is_vote=row["is_vote"],
            is_current=row["is_current"],
            was_decided=row["was_decided"],
            undone_under=row["undone_under"],
        )

    async def take_back(self, annotator: str, past: PastAnswer, lease_s: float) -> Claim | None:
        """One statement, one transaction."""
        rows = await self._database.fetch(
            _TAKE_BACK_VOTE if past.is_vote else _TAKE_BACK,
            annotator,
            past.annotation_id,
            past.ticket,
            past.fencing_token,
            timedelta(seconds=lease_s),
        )
        return claim_of(rows[0]) if rows else None

    async def current_claim(self, annotator: str, ticket: int) -> Claim | None:
        """What the annotator holds of this task."""
        rows = await self._database.fetch(_CURRENT, annotator, ticket)
        return claim_of(rows[0]) if rows else None
