"""All that is known of one subject: records that await answers, and the keeper of its gate.

    Seen ──▶ waiting ──Routed: passed──▶ gone
                │  └──Answered, not calibration──▶ teaches the scorer
                └──Answered, calibration──▶ evidence, once all before it is answered (the watermark)

Events may come in any order between topics: what is told of a record before the record itself is known is kept for a while.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from streamlabel.core.control import GateState
from streamlabel.core.prediction import Prediction
from streamlabel.gate.keeper import CLOSED, Keeper, Transition
from streamlabel.gate.policy import GatePolicy
from streamlabel.gate.sample import NOT_ASKED, Rows
from streamlabel.gate.scorer import Scorer, join_predictions
from streamlabel.learning.rules.early import EarlyWords
from streamlabel.learning.rules.events import UNKNOWN_CLASS, Answered, Event, Routed, Seen, Ticked, Word
from streamlabel.learning.rules.subject import Subject
from streamlabel.learning.rules.suspicions import Suspicion, folded
from streamlabel.learning.rules.waiting import Waiting, WaitingRoom

_LARGEST_WEIGHT = 20.0
_TICK_MS, _IDLE_TICK_MS = 1_000, 10_000
_TIMES = 4096
_COVERAGE_RECORDS = 1000
_MOST_SUSPICIONS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class BookLimits:
    """`waiting` records at most are kept of each kind while their answers are awaited.

    A calibration record that nobody answers within `answer_ms` counts as an error; one that routing has no word of for
    `decision_ms` is taken to have been lost on the way, and is no evidence.
    """

    waiting: int = 20_000
    answer_ms: int = 86_400_000
    decision_ms: int = 600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A transition of the gate, and when it came about; `suspect_from_ms` where it casts doubt on labels."""

    transition: Transition
    at_ms: int
    suspect_from_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """A calibration record as it went into the evidence: what the model said, what people said (UNKNOWN_CLASS: nothing in time).

    `at_ms` is when routing decided: labels of the model are dated by the same clock. `gate` is the number of the gate that it went by
    (0: nobody knows).
    """

    record_id: str
    place: int
    at_ms: int
    rate: float
    predicted: int
    answer: int
    passable: bool
    gate: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How the gate stands. `threshold` is the certificate's, `guard_threshold` what the guard leaves of it; `count`, `errors`,
    `share` and `bound` are the certificate's too. Two that are equal decide alike: `fits` tells one scorer from another."""

    state: GateState
    threshold: float
    guard_threshold: float
    lane_rate: float
    scorer: Scorer = field(compare=False)
    fits: int
    count: int
    errors: int
    share: float
    bound: float
    epoch: int
    reason: str
    certified_at_ms: int | None
    suspicions: tuple[Suspicion, ...]


class Book:
    """The state of one subject, moved by events alone."""

    def __init__(self, subject: Subject, limits: BookLimits, policy: GatePolicy | None = None) -> None:
        self.subject = subject
        self.limits = limits
        self.keeper = Keeper(policy or subject.gate_policy)
        self.room = WaitingRoom(limits.waiting)
        self.horizon_ms = 0
        self.reason = "no evidence yet"
        self.certified_at_ms: int | None = None
        self.suspicions: list[Suspicion] = []
        self.answered = self.calibrated = 0
        self.ticked_ms = self.looked_at_ms = 0
        # How many numbers an embedding has: as the first record has it. A model version does not change its shape.
        self.dimensions: int | None = None
        self.early = EarlyWords(limits.waiting)
        self.times: deque[tuple[int, int]] = deque()
        self.passes: deque[tuple[int, int]] = deque()
        self._steps: list[Step] = []
        self._audits: list[Audit] = []
        self._places = {name: place for place, name in enumerate(subject.class_names)}

    @property
    def standing(self) -> Standing:
        """How the gate stands now."""
        keeper = self.keeper
        found = keeper.certificate
        threshold = found.threshold if found else CLOSED
        guarded = keeper.threshold
        return Standing(
            state=keeper.state,
            threshold=threshold,
            guard_threshold=guarded if guarded > threshold else 0.0,
            lane_rate=keeper.lane_rate,
            scorer=keeper.scorer,
            fits=keeper.fits,
            count=found.count if found else 0,
            errors=found.errors if found else 0,
            share=found.share if found else 0.0,
            bound=found.bound if found else 1.0,
            epoch=keeper.epochs,
            reason=self.reason,
            certified_at_ms=self.certified_at_ms,
            suspicions=tuple(self.suspicions),
        )

    @property
    def confirmed_until_ms(self) -> int:
        """Every calibration record that was decided before this moment is answered and counted."""
        oldest = self.room.oldest_ms
        return self.horizon_ms if oldest is None else min(self.horizon_ms, oldest)

    @property
    def coverage(self) -> float:
        """The share of the latest thousand records that the present gate would have let pass when they came."""
        seen = sum(count for count, _ in self.passes)
        return sum(passed for _, passed in self.passes) / seen if seen else 0.0

    def place_of(self, class_name: str) -> int:
        """The class as a number; UNKNOWN_CLASS for a name that the taxonomy does not have."""
        return self._places.get(class_name, UNKNOWN_CLASS)

    def begin(self, reason: str, at_ms: int) -> None:
        """Says why evidence begins with nothing."""
        self._step(Transition(place=self.keeper.place, state=GateState.COLD, reason=reason), at_ms)

    def can_use(self, prediction: Prediction) -> bool:
        """Whether the prediction is one of the subject, whole, and of a class that the taxonomy has."""
        subject, top = self.subject, prediction.top
        if top is None or (prediction.model_name, prediction.model_version) != (
            subject.model_name,
            subject.model_version,
        ):
            return False
        if len(prediction.candidates) != subject.candidates or top.class_name not in self._places:
            return False
        if self.dimensions is not None and len(prediction.embedding) != self.dimensions:
            return False
        return all(map(math.isfinite, prediction.embedding))

    def is_due_to_tick(self, now_ms: int) -> bool:
        """Whether time must go by: soon where somebody is waited for."""
        return now_ms - self.ticked_ms >= (_TICK_MS if len(self.room) else _IDLE_TICK_MS)

    def apply(self, event: Event) -> None:
        """Takes an event in, with all that follows from it."""
        match event:
            case Seen():
                self._see(event)
            case Routed():
                self._route(event)
            case Answered():
                self._answer(event)
            case Ticked():
                self._tick(event)
        self._count_evidence()
        if self.keeper.look_is_due:
            self.keeper.look()
            self.looked_at_ms = event.at_ms
        for transition in self.keeper.take_transitions():
            self._step(transition, event.at_ms)

    def take_steps(self) -> list[Step]:
        """What the gate did since the last call."""
        taken, self._steps = self._steps, []
        return taken

    def take_audits(self) -> list[Audit]:
        """What became evidence since the last call."""
        taken, self._audits = self._audits, []
        return taken

    def _see(self, event: Seen) -> None:
        keeper = self.keeper
        if self.dimensions is None:
            near = event.predictions.embeddings
            self.dimensions = 0 if near is None else near.shape[1]
        fresh = [row for row, record_id in enumerate(event.record_ids) if record_id not in self.room]
        if not fresh:
            return
        predictions, coins = event.predictions.take(np.array(fresh)), event.coins[fresh]
        scores = keeper.scorer.score(predictions)
        rate, passable = keeper.lane_rate, scores >= keeper.threshold
        # Not the content, only the coin and the crowd before it, decides what can become evidence.
        eligible = (coins < rate) & (not self.room.full)
        begin = keeper.place
        places = np.arange(begin, begin + len(fresh))
        self.times.append((begin, event.earliest_ms))
        if len(self.times) > _TIMES:
            # Every second one goes, never the first: an older place is then dated earlier, not later.
            self.times = deque(list(self.times)[::2])
        self._note_coverage(len(fresh), int((passable & (coins >= rate)).sum()))
        for row in np.flatnonzero(eligible | ~passable).tolist():
            self.room.add(
                Waiting(
                    record_id=event.record_ids[fresh[row]],
                    place=int(places[row]),
                    at_ms=event.earliest_ms,
                    eligible=bool(eligible[row]),
                    coin=float(coins[row]),
                    rate=rate,
                    # A copy: a view would keep its whole batch.
                    prediction=predictions.take(np.array([row])),
                )
            )
        unknown, weight = np.full(len(fresh), UNKNOWN_CLASS), np.ones(len(fresh))
        nobody = np.full(len(fresh), NOT_ASKED)
        rows = Rows(predictions=predictions, places=places, scores=scores, truth=unknown, second=nobody, weight=weight)
        keeper.see(rows, eligible)
        if len(self.early):
            self._catch_up([event.record_ids[row] for row in fresh])

    def _catch_up(self, record_ids: Sequence[str]) -> None:
        """What was told of these records before they were seen."""
        answers: list[tuple[Waiting, Word, int]] = []
        for record_id, early in self.early.take(record_ids):
            record = self.room.get(record_id)
            if record is None:
                continue
            self._decide(record, early.word)
            if early.answer is not None:
                answers.append((record, early.word, early.answer))
        self._hear_answers(answers)

    def _route(self, event: Routed) -> None:
        for record_id, word in event.words():
            record = self.room.get(record_id)
            if record is None:
                self.early.keep(record_id, word, None, event.at_ms)
            else:
                self._decide(record, word)

    def _decide(self, record: Waiting, word: Word) -> None:
        if word.decided_ms is not None:
            record.decided_ms, record.gate = word.decided_ms, word.gate
        if word.passed:
            self.room.drop(record.record_id)
        elif word.lane:
            record.lane, record.passable = True, word.passable
        elif record.lane is None:
            record.lane = False
            self.room.leave_lane(record)

    def _answer(self, event: Answered) -> None:
        told: list[tuple[Waiting, Word, int]] = []
        for record_id, word, answer in event.words():
            record = self.room.get(record_id)
            if record is None:
                self.early.keep(record_id, word, answer, event.at_ms)
            else:
                told.append((record, word, answer))
        self._hear_answers(told)

    def _hear_answers(self, told: Sequence[tuple[Waiting, Word, int]]) -> None:
        answered: list[Waiting] = []
        for record, word, answer in told:
            self._decide(record, word)
            if record.answer is None:
                answered.append(record)
            record.answer = answer
        if not answered:
            return
        self.answered += len(answered)
        self.keeper.compare(self._rows(answered))
        teaching = [record for record in answered if not record.counts]
        if teaching:
            self.keeper.learn(self._rows(teaching))
            for record in teaching:
                self.room.drop(record.record_id)

    def _tick(self, event: Ticked) -> None:
        self.ticked_ms = event.at_ms
        self.horizon_ms = max(self.horizon_ms, event.horizon_ms)
        for record in list(self.room):
            if not record.counts or (record.answer is not None and record.decided_ms is not None):
                continue
            # Time runs as far as the stream is read: who comes back after a day has a day's words still to hear.
            waited_ms = self.horizon_ms - record.at_ms
            if record.answer is not None:
                # When it was decided nobody says any more; not before it was written.
                record.decided_ms = record.at_ms if waited_ms >= self.limits.decision_ms else None
            elif record.lane and waited_ms >= self.limits.answer_ms:
                record.answer = UNKNOWN_CLASS
            elif record.lane is None and waited_ms >= self.limits.decision_ms:
                self.room.leave_lane(record)

    def _count_evidence(self) -> None:
        ready = self.room.complete()
        if not ready:
            return
        self.calibrated += len(ready)
        rows = self._rows(ready)
        passable = np.array([record.passable for record in ready])
        self.keeper.calibrate(rows, passable, np.array([record.coin >= record.rate / 2 for record in ready]))
        for record, predicted in zip(ready, rows.predictions.predicted.tolist(), strict=True):
            self._audits.append(
                Audit(
                    record_id=record.record_id,
                    place=record.place,
                    at_ms=record.at_ms if record.decided_ms is None else record.decided_ms,
                    rate=record.rate,
                    predicted=predicted,
                    answer=UNKNOWN_CLASS if record.answer is None else record.answer,
                    passable=record.passable,
                    gate=record.gate,
                )
            )

    def _rows(self, records: Sequence[Waiting]) -> Rows:
        predictions = join_predictions([record.prediction for record in records])
        # Of what passes, people see only the lane's share; of the rest, everything.
        weights = [min(_LARGEST_WEIGHT, 1 / record.rate) if record.passable else 1.0 for record in records]
        return Rows(
            predictions=predictions,
            places=np.array([record.place for record in records], dtype=np.int64),
            scores=self.keeper.scorer.score(predictions),
            truth=np.array([record.answer for record in records], dtype=np.int64),
            second=np.full(len(records), NOT_ASKED),
            weight=np.array(weights),
        )

    def _step(self, transition: Transition, at_ms: int) -> None:
        self.reason = transition.reason
        suspect_from_ms = None
        if transition.state is GateState.CERTIFIED:
            if self.certified_at_ms is None:
                self.certified_at_ms = at_ms
            self.suspicions = [each.closed(at_ms) for each in self.suspicions]
        else:
            self.certified_at_ms = None
            if transition.suspect_from is not None:
                suspect_from_ms = self._time_of(transition.suspect_from)
                self.suspicions = list(folded([*self.suspicions, Suspicion(suspect_from_ms)], _MOST_SUSPICIONS))
        self._steps.append(Step(transition=transition, at_ms=at_ms, suspect_from_ms=suspect_from_ms))

    def _time_of(self, place: int) -> int:
        """A moment before which no record from `place` on was decided."""
        later = [at_ms for begin, at_ms in self.times if begin > place]
        earlier = [at_ms for begin, at_ms in self.times if begin <= place]
        return min([*later, earlier[-1]] if earlier else later, default=0)

    def _note_coverage(self, seen: int, passed: int) -> None:
        self.passes.append((seen, passed))
        count = sum(each for each, _ in self.passes)
        while count - self.passes[0][0] >= _COVERAGE_RECORDS:
            count -= self.passes.popleft()[0]
