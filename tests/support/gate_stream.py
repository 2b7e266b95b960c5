"""A stream as learning hears of it: what the model said, what routing decided by the book's own gate, what people answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from streamlabel.gate.sample import NOT_ASKED
from streamlabel.gate.scorer import Predictions
from streamlabel.learning.rules.book import Book
from streamlabel.learning.rules.events import Answered, Event, Flags, Routed, Seen, Ticked

CLASSES = ("a", "b", "c")


# Record, first answer, in the lane, passable, second answer.
Asked = tuple[str, int, bool, bool, int]


def people_said(
    ids: Sequence[str],
    classes: npt.ArrayLike,
    *,
    lane: npt.ArrayLike,
    passable: npt.ArrayLike,
    seconds: npt.ArrayLike | None = None,
    at_ms: int = 0,
) -> Answered:
    """The event of these answers; the label is the first one's, `seconds` are NOT_ASKED where there was no second person."""
    first = np.array(classes, dtype=np.int64)
    second = np.full(len(first), NOT_ASKED) if seconds is None else np.array(seconds, dtype=np.int64)
    return Answered(
        at_ms=at_ms,
        record_ids=tuple(ids),
        classes=first,
        votes=np.column_stack((np.where(second == NOT_ASKED, NOT_ASKED, first), second)),
        lane=np.array(lane),
        passable=np.array(passable),
        twice=second != NOT_ASKED,
    )


@dataclass
class GateStream:
    """Makes the events of one book; `batch` records at a time, people answer `delay` batches later."""

    book: Book
    batch: int = 25
    delay: int = 0
    embeddings: bool = True
    place: int = 0
    now_ms: int = 1_000_000
    passed: dict[str, bool] = field(default_factory=dict)
    wrong: dict[str, bool] = field(default_factory=dict)
    lane: list[str] = field(default_factory=list)
    log: list[Event] = field(default_factory=list)
    pending: list[list[Asked]] = field(default_factory=list)
    overlooks: float = 0.0
    # Whether a third person can be asked where two contradict each other; if not, there is never an answer.
    ties_end: bool = True

    def live(self, count: int, *, error: float = 0.02, answer: bool = True) -> None:
        """`count` records; the surest are wrong with probability `error`."""
        for _ in range(count // self.batch):
            self.step(error=error, answer=answer)

    def step(self, *, error: float, answer: bool = True) -> None:
        """One batch: seen, routed, and the oldest waiting one answered."""
        chance = np.random.default_rng(self.place)
        ids = tuple(f"r{self.place + row}" for row in range(self.batch))
        predictions, truth = self.records(chance, error)
        coins = chance.random(self.batch)
        standing = self.book.standing
        scores = standing.scorer.score(predictions)
        passable = scores >= max(standing.threshold, standing.guard_threshold)
        lane = coins < standing.lane_rate
        self._tell(
            Seen(at_ms=self.now_ms, earliest_ms=self.now_ms, record_ids=ids, predictions=predictions, coins=coins)
        )
        passed = passable & ~lane
        twice = coins < standing.lane_rate * self.book.subject.double_blind_share
        self.route(ids, lane=lane, passable=passable, twice=twice, passed=passed)
        for row, record_id in enumerate(ids):
            self.passed[record_id] = bool(passed[row])
            self.wrong[record_id] = bool(truth[row] != predictions.predicted[row])
        self.lane += [ids[row] for row in np.flatnonzero(lane)]
        asked = np.flatnonzero(~passed).tolist()
        # Who answers first repeats some of the model's errors; who answers second never does.
        blind = np.random.default_rng((1, self.place)).random(self.batch) < self.overlooks
        first = np.where(blind, predictions.predicted, truth)
        second = np.where(twice, truth, NOT_ASKED)
        if not self.ties_end:
            asked = [row for row in asked if not twice[row] or first[row] == second[row]]
        self.pending.append(
            [(ids[row], int(first[row]), bool(lane[row]), bool(passable[row]), int(second[row])) for row in asked]
        )
        if answer and len(self.pending) > self.delay:
            self.answer(self.pending.pop(0))
        self.place += self.batch
        self.now_ms += 100
        self._tell(Ticked(at_ms=self.now_ms, horizon_ms=self.now_ms - 50))

    def route(self, ids: tuple[str, ...], *, lane: Flags, passable: Flags, twice: Flags, passed: Flags) -> None:
        """Routing decides now, by gate 1."""
        now_ms, gates = np.full(len(ids), self.now_ms), np.ones(len(ids), dtype=np.int64)
        self._tell(
            Routed(
                at_ms=self.now_ms,
                record_ids=ids,
                lane=lane,
                passable=passable,
                twice=twice,
                passed=passed,
                decided_ms=now_ms,
                gates=gates,
            )
        )

    def answer(self, asked: list[Asked]) -> None:
        """People answer these."""
        if asked:
            ids, classes, lane, passable, seconds = zip(*asked, strict=True)
            told = people_said(ids, classes, lane=lane, passable=passable, seconds=seconds, at_ms=self.now_ms)
            self._tell(told)

    def error(self, begin: int = 0) -> float:
        """Wrong ÷ set by the model."""
        passed = [record_id for record_id, did in list(self.passed.items())[begin:] if did]
        return sum(self.wrong[record_id] for record_id in passed) / max(1, len(passed))

    def _tell(self, event: Event) -> None:
        self.log.append(event)
        self.book.apply(event)

    def records(self, chance: np.random.Generator, error: float) -> tuple[Predictions, npt.NDArray[np.int64]]:
        """One batch, and the truth about it."""
        first = 0.4 + 0.6 * chance.beta(6, 2, self.batch)
        rest = (1 - first) * chance.uniform(0.5, 0.9, self.batch)
        probabilities = np.column_stack((first, rest, 1 - first - rest))
        predicted = chance.integers(0, 3, self.batch)
        astray = chance.random(self.batch) < np.where(first > 0.75, error, 0.4)
        truth = np.where(astray, (predicted + 1) % 3, predicted)
        near = np.eye(3)[truth] + chance.normal(0, 0.6, (self.batch, 3))
        kept = near.astype(np.float32).astype(np.float64) if self.embeddings else None
        return Predictions(probabilities, predicted, 3, kept), truth
