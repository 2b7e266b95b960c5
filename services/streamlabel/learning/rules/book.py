"""All that is known of one subject: records that await answers, and the keeper of its gate.

    Seen ──▶ waiting ──Routed: passed──▶ gone
                │  └──Answered, not calibration──▶ teaches the scorer
                └──Answered, calibration──▶ evidence, once all before it is answered (the watermark)

Events may come in any order between topics: what is told of a record before the record itself is known is kept for a while. A record
that is sent again while its answer is awaited is the same one still: what routing said of it first stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from streamlabel.core.control import GateState
from streamlabel.core.prediction import Prediction
from streamlabel.gate.keeper import CLOSED, Keeper, Transition
from streamlabel.gate.lane import are_spare
from streamlabel.gate.policy import GatePolicy
from streamlabel.gate.published import is_scorable
from streamlabel.gate.sample import NOT_ASKED, Rows
from streamlabel.learning.rules.course import Course
from streamlabel.learning.rules.crowd import Crowd
from streamlabel.learning.rules.early import EarlyWords
from streamlabel.learning.rules.events import (
    NO_ANSWER,
    NO_ANSWER_OF_TWO,
    UNKNOWN_CLASS,
    Answer,
    Answered,
    Event,
    Routed,
    Seen,
    Ticked,
    Word,
)
from streamlabel.learning.rules.evidence import audited, rows_of
from streamlabel.learning.rules.limits import BookLimits
from streamlabel.learning.rules.standing import Audit, Standing, Step
from streamlabel.learning.rules.subject import Subject
from streamlabel.learning.rules.suspicions import Suspicion, doubted, folded
from streamlabel.learning.rules.used import Use, UsedRecords
from streamlabel.learning.rules.waiting import Waiting, WaitingRoom

_TICK_MS, _IDLE_TICK_MS = 1_000, 10_000
_MOST_SUSPICIONS = 50


class Book:
    """The state of one subject, moved by events alone."""

    def __init__(self, subject: Subject, limits: BookLimits, policy: GatePolicy | None = None) -> None:
        self.subject = subject
        self.limits = limits
        self.keeper = Keeper(policy or subject.gate_policy)
        self.room = WaitingRoom(limits.waiting, limits.waiting_bytes)
        self.used = UsedRecords(self.keeper.policy.longest_window + self.keeper.policy.training_count)
        self.crowd = Crowd()
        self.horizon_ms = 0
        # Up to which date tasks of routing are heard.
        self.routed_ms = 0
        self.reason = "no evidence yet"
        self.certified_at_ms: int | None = None
        self.suspicions: list[Suspicion] = []
        self.answered = self.calibrated = 0
        self.ticked_ms = self.looked_at_ms = 0
        # How many numbers an embedding has: as most of the first records have it. A model version does not change its shape.
        self.dimensions: int | None = 0 if subject.embeds is False else None
        self.early = EarlyWords(limits.waiting)
        self.course = Course()
        self._steps: list[Step] = []
        self._audits: list[Audit] = []
        self._places = {name: place for place, name in enumerate(subject.class_names)}

    @property
    def standing(self) -> Standing:
        """How the gate stands now."""
        keeper = self.keeper
        found = None if self.is_shut else keeper.certificate
        threshold = found.threshold if found else CLOSED
        guarded = self._threshold
        return Standing(
            state=GateState.SUSPENDED if self.is_shut else keeper.state,
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
            embedding_length=self.dimensions,
            suspicions=tuple(self.suspicions),
        )

    @property
    def confirmed_until_ms(self) -> int:
        """Every calibration record that was decided before this moment is answered and counted."""
        held = [each for each in (self.room.oldest_ms, self.crowd.missed_from_ms) if each is not None]
        return min([self.horizon_ms, *held])

    @property
    def is_shut(self) -> bool:
        """Whether nothing passes only because people are too far behind to vouch for it."""
        return self.crowd.is_here and self.keeper.state is GateState.CERTIFIED

    @property
    def answers_needed(self) -> int | None:
        """How many more calibration answers are likely to open the gate; 0 while it is open, None where no number would."""
        if self.is_shut:
            return max(1, self.room.awaited - self.room.most // 2)
        return self.keeper.answers_needed()

    @property
    def _lost_before_ms(self) -> int:
        """Of what was written by then and routing has not spoken of, it never will."""
        return min(self.horizon_ms, self.routed_ms) - self.limits.decision_ms

    @property
    def _threshold(self) -> float:
        return CLOSED if self.is_shut else self.keeper.threshold

    def place_of(self, class_name: str) -> int:
        """The class as a number; UNKNOWN_CLASS for a name that the taxonomy does not have."""
        return self._places.get(class_name, UNKNOWN_CLASS)

    def begin(self, reason: str, at_ms: int) -> None:
        """Says why evidence begins with nothing."""
        self._step(Transition(place=self.keeper.place, state=GateState.COLD, reason=reason), at_ms)

    def can_use(self, prediction: Prediction) -> bool:
        """Whether the prediction is one of the subject, and one that its gate can speak of."""
        return self.subject.is_of(prediction) and is_scorable(prediction, self._places, self.dimensions)

    def is_due_to_tick(self, now_ms: int) -> bool:
        """Whether time must go by: soon where somebody is waited for."""
        # Either way: a clock that was ahead may be put right.
        return abs(now_ms - self.ticked_ms) >= (_TICK_MS if len(self.room) else _IDLE_TICK_MS)

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
            self._step(self._as_people_allow(transition), event.at_ms)
        self._look_at_the_crowd(event.at_ms)

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
        fresh = [row for row, record_id in enumerate(event.record_ids) if not self.room.is_awaited(record_id)]
        if not fresh:
            return
        for row in fresh:
            # What waited to teach begins anew: it may be drawn this time.
            self.room.drop(event.record_ids[row])
        predictions, coins = event.predictions.take(np.array(fresh)), event.coins[fresh]
        scores = keeper.scorer.score(predictions)
        rate, passable = keeper.lane_rate, scores >= self._threshold
        # Not the content, only the coin and the crowd before it, decides what can become evidence.
        barred = (coins < rate) & self.room.full
        eligible = (coins < rate) & ~barred
        if barred.any():
            self.crowd.miss(event.earliest_ms)
        begin = keeper.place
        places = np.arange(begin, begin + len(fresh))
        self.course.add(begin, event.earliest_ms, len(fresh), int((passable & (coins >= rate)).sum()))
        for row in np.flatnonzero(eligible | barred | ~passable).tolist():
            self._let_go(
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
                        barred=bool(barred[row]),
                    )
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
        answers: list[tuple[Waiting, Word, Answer]] = []
        for record_id, early in self.early.take(record_ids):
            record = self.room.get(record_id)
            if record is None:
                continue
            self._decide(record, early.word)
            if early.answer is not None:
                answers.append((record, early.word, early.answer))
        self._hear_answers(answers)

    def _route(self, event: Routed) -> None:
        self.routed_ms = max(self.routed_ms, *event.decided_ms[~event.passed].tolist(), 0)
        for record_id, word in event.words():
            record = self.room.get(record_id)
            if record is None or record.decided_ms is not None:
                # A second word is about a record that was sent again, and is still to be seen.
                self.early.keep(record_id, word, None, event.at_ms)
            else:
                self._decide(record, word)

    def _decide(self, record: Waiting, word: Word) -> None:
        """What was said first stands; but routing's own word counts for more than what an answer tells of it."""
        if record.decided_ms is not None or (word.decided_ms is None and record.lane is not None):
            return
        if word.decided_ms is not None:
            record.decided_ms, record.gate = word.decided_ms, word.gate
        if word.passed:
            self.room.drop(record.record_id)
        elif word.lane:
            first = record.lane is None
            record.lane, record.passable, record.twice = True, word.passable, word.twice
            if first and record.barred and word.passable:
                self._miss(record)
        elif record.lane is None:
            record.lane = False
            self._let_go(self.room.leave_lane(record))

    def _let_go(self, record: Waiting | None) -> None:
        """There is no room for it. If routing has not spoken of it yet, it may have been of the lane, and may have passed."""
        if record is not None and record.barred and record.lane is None:
            record.passable = True
            self._miss(record)

    def _miss(self, record: Waiting) -> None:
        """A calibration record that would have passed, and is no evidence: nothing vouches for the labels beside it."""
        self._audits.append(audited(record, NO_ANSWER))
        decided_ms = record.at_ms if record.decided_ms is None else record.decided_ms
        since_ms, missed_ms = record.since_ms, self.crowd.missed_from_ms
        begin_ms = since_ms if missed_ms is None else min(since_ms, missed_ms)
        self.suspicions = list(doubted(self.suspicions, begin_ms, decided_ms + 1, _MOST_SUSPICIONS))

    def _answer(self, event: Answered) -> None:
        told: list[tuple[Waiting, Word, Answer]] = []
        for record_id, word, answer in event.words():
            record = self.room.get(record_id)
            if record is not None:
                told.append((record, word, answer))
            elif (use := self.used.get(record_id)) is not None and use.place is not None:
                self.keeper.amend(use.place, answer.first, answer.second, passable=use.passable)
            else:
                self.early.keep(record_id, word, answer, event.at_ms)
        self._hear_answers(told)

    def _hear_answers(self, told: Sequence[tuple[Waiting, Word, Answer]]) -> None:
        answered: list[Waiting] = []
        worse: list[Waiting] = []
        for record, word, answer in told:
            self._decide(record, word)
            known, was_wrong = record.answer is not None, record.is_wrong
            record.answer = answer
            if not known:
                answered.append(record)
            elif record.is_wrong and not was_wrong:
                worse.append(record)
        self._weigh(answered + worse)
        if not answered:
            return
        self.answered += len(answered)
        self.keeper.compare(rows_of(answered, self.keeper.scorer))
        teaching = [record for record in answered if not record.counts]
        if teaching:
            self.keeper.learn(rows_of(teaching, self.keeper.scorer))
            self.used.add((record.record_id, Use(None)) for record in teaching)
            for record in teaching:
                self.room.drop(record.record_id)

    def _weigh(self, answered: Sequence[Waiting]) -> None:
        """Harm counts as soon as it is heard of, whatever is not answered yet."""
        passable = [
            record for record in answered if record.counts and record.passable and record.record_id not in self.used
        ]
        if passable:
            self.keeper.weigh(rows_of(passable, self.keeper.scorer))

    def _tick(self, event: Ticked) -> None:
        self.ticked_ms = event.at_ms
        # Of a future into which a clock that was ahead had put it, nothing is known.
        known_ms = self.horizon_ms if self.horizon_ms <= event.at_ms else 0
        self.horizon_ms = max(known_ms, event.horizon_ms)
        self.early.forget_before(self.horizon_ms)
        for record in list(self.room):
            if not record.counts or (record.answer is not None and record.decided_ms is not None):
                continue
            # Time runs as far as the stream is read: who comes back after a day has a day's words still to hear.
            is_lost = record.at_ms <= self._lost_before_ms
            if record.answer is not None:
                # When it was decided nobody says any more; not before it was written.
                record.decided_ms = record.at_ms if is_lost else None
            elif record.lane and self.horizon_ms - record.at_ms >= self.limits.answer_ms:
                self._give_up(record)
            elif record.lane is None and is_lost:
                record.barred = True
                self._let_go(self.room.leave_lane(record))

        for record in self.room.overtaken(self.limits.overtaken):
            if self.horizon_ms - record.at_ms >= self.limits.overtaken_ms:
                self._give_up(record)

    def _give_up(self, record: Waiting) -> None:
        """Nobody has answered, and it counts as an error; should somebody yet, what they say is amended."""
        record.answer = NO_ANSWER_OF_TWO if record.twice else NO_ANSWER
        self._weigh([record])

    def _count_evidence(self) -> None:
        ready = self.room.complete(self.keeper.epoch)
        if not ready:
            return
        self.calibrated += len(ready)
        self._audits += [audited(record, record.answer) for record in ready]
        fresh = [record for record in ready if record.record_id not in self.used]
        if fresh:
            spare = are_spare([record.coin for record in fresh], [record.rate for record in fresh])
            self.keeper.calibrate(rows_of(fresh, self.keeper.scorer), spare)
            self.used.add((record.record_id, Use(record.place, record.passable)) for record in fresh)

    def _as_people_allow(self, transition: Transition) -> Transition:
        if transition.state is not GateState.CERTIFIED or not self.crowd.is_here:
            return transition
        return replace(transition, state=GateState.SUSPENDED, reason=f"{transition.reason}, but {self._far_behind}")

    def _look_at_the_crowd(self, at_ms: int) -> None:
        if not self.crowd.look(self.room, self._lost_before_ms):
            return
        found, keeper = self.keeper.certificate, self.keeper
        if keeper.state is not GateState.CERTIFIED or found is None:
            return
        if self.crowd.is_here:
            shut = Transition(place=keeper.place, state=GateState.SUSPENDED, reason=self._far_behind)
        else:
            shut = Transition(
                place=keeper.place,
                state=GateState.CERTIFIED,
                reason="people have caught up",
                threshold=keeper.threshold,
                count=found.count,
                errors=found.errors,
            )
        self._step(shut, at_ms)

    @property
    def _far_behind(self) -> str:
        return f"people are far behind: {self.room.unanswered:,} calibration records wait for an answer"

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
                suspect_from_ms = self.course.time_of(transition.suspect_from)
                self.suspicions = list(folded([*self.suspicions, Suspicion(suspect_from_ms)], _MOST_SUSPICIONS))
        self._steps.append(Step(transition=transition, at_ms=at_ms, suspect_from_ms=suspect_from_ms))
