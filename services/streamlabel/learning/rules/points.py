"""How a gate stands at one moment: a point of its course, for charts, metrics and people."""

from __future__ import annotations

from dataclasses import dataclass

from streamlabel.core.control import GateState
from streamlabel.learning.rules.book import Book


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """`coverage` is the share of the latest records that would pass, `bound` the certified error rate (1: none), both in 0-1.

    `answers_needed` estimates how many more calibration answers it takes until the gate is open: 0 where it is, None
    where no number is likely to do. `unanswered` calibration records wait for people; `evidence` are in the window. The score
    compares with `neighbours` answered records: with none where the model gives no embeddings, or longer ones than are used.
    """

    at_ms: int
    place: int
    state: GateState
    reason: str
    threshold: float
    lane_rate: float
    coverage: float
    bound: float
    count: int
    errors: int
    evidence: int
    unanswered: int
    answers_needed: int | None
    guard_cap: float
    alarm: float
    epoch: int
    looks: int
    certificates: int
    wrong_certificates_at_most: float
    confirmed_until_ms: int
    looked_at_ms: int
    neighbours: int = 0


def point_of(book: Book, at_ms: int) -> Point:
    """Where the book's gate stands."""
    keeper, standing = book.keeper, book.standing
    policy, ledger = keeper.policy, keeper.ledger
    return Point(
        at_ms=at_ms,
        place=keeper.place,
        state=standing.state,
        reason=standing.reason,
        threshold=max(standing.threshold, standing.guard_threshold),
        lane_rate=standing.lane_rate,
        coverage=book.course.coverage,
        bound=standing.bound,
        count=standing.count,
        errors=standing.errors,
        evidence=len(keeper.window),
        unanswered=book.room.unanswered,
        answers_needed=book.answers_needed,
        guard_cap=keeper.guard_cap,
        alarm=keeper.alarm_value,
        epoch=standing.epoch,
        looks=ledger.looks,
        certificates=ledger.certificates,
        wrong_certificates_at_most=ledger.wrong_at_most(policy.delta, policy.look_share),
        confirmed_until_ms=book.confirmed_until_ms,
        looked_at_ms=book.looked_at_ms,
        neighbours=0 if standing.scorer.neighbours is None else len(standing.scorer.neighbours.points),
    )
