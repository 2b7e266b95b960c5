"""A whole stream through the gate, with answers at hand: the rules of routing and learning, and nothing else."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from streamlabel.core.control import GateState
from streamlabel.gate.binomial import upper_bound
from streamlabel.gate.checks import (
    LEAST_ROWS,
    check_levels,
    check_place,
    check_rate,
    checked_embeddings,
    checked_labels,
    checked_probabilities,
)
from streamlabel.gate.coin import toss
from streamlabel.gate.keeper import Keeper, Transition
from streamlabel.gate.lane import are_spare, lesson_weights
from streamlabel.gate.policy import GatePolicy, check_can_open
from streamlabel.gate.runs import Run, Simulation, Window
from streamlabel.gate.sample import NOT_ASKED, Rows
from streamlabel.gate.scorer import Predictions, Scorer

LEAST_LANE_RATE = 0.001
# Routing learns of a gate within a second; at a few dozen records a second it decides so many by the one before.
_BATCH = 25
_AHEAD = 1000
_CANDIDATES = 10
_WINDOWS = 40
_TOLD_EVERY = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """Records in their order: predictions, and the truth about them."""

    predictions: Predictions
    truth: npt.NDArray[np.int64]

    @classmethod
    def of(cls, probabilities: npt.ArrayLike, labels: npt.ArrayLike, embeddings: npt.ArrayLike | None = None) -> Stream:
        """Checked arrays as a stream; raises ValueError that names the row which is wrong."""
        given = checked_probabilities(probabilities)
        if len(given) < LEAST_ROWS:
            raise ValueError(f"{len(given)} records are too few for a stream: give at least {LEAST_ROWS}")
        truth = checked_labels(labels, len(given), given.shape[1])
        kept = min(_CANDIDATES, given.shape[1])
        order = np.argsort(-given, axis=1, kind="stable")[:, :kept]
        predictions = Predictions(
            np.take_along_axis(given, order, axis=1),
            order[:, 0].astype(np.int64),
            given.shape[1],
            checked_embeddings(embeddings, len(given)),
        )
        return cls(predictions=predictions, truth=truth)

    def __len__(self) -> int:
        return len(self.truth)

    def shuffled(self, chance: np.random.Generator) -> Stream:
        """The same records in another order."""
        order = chance.permutation(len(self))
        return Stream(predictions=self.predictions.take(order), truth=self.truth[order])


def simulate(
    probabilities: npt.ArrayLike,
    labels: npt.ArrayLike,
    embeddings: npt.ArrayLike | None = None,
    *,
    alpha: float,
    delta: float = 0.05,
    lane_rate: float | None = None,
    annotator_error: float = 0.0,
    double_blind_share: float = 0.0,
    seed: int = 0,
    runs: int = 1,
    shuffle: bool = False,
    change_at: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Simulation:
    """What a gate would have made of this stream: `probabilities` [n, k], true `labels` [n], `embeddings` [n, d].

    Each run draws coins and annotators' errors anew, with `shuffle` the order too. People answer at once, wrongly with probability
    `annotator_error`; a second one, with errors of his own, answers `double_blind_share` of the calibration records too.
    `change_at` is where the stream is known to change; it is used to tell the delay, by nothing else.
    `progress` is called now and then with how many records are done, and of how many in all runs.
    Raises ValueError for arrays that cannot be a stream, and for an alpha and delta that no gate could ever promise.

    >>> import numpy as np
    >>> chance = np.random.default_rng(0)
    >>> sure = chance.beta(8, 1, 4000)
    >>> labels = np.where(chance.random(4000) < sure, 0, 1)
    >>> found = simulate(np.column_stack((sure, 1 - sure)), labels, alpha=0.1)
    >>> found.runs[0].error <= 0.1
    True
    """
    check_levels(alpha, delta)
    check_rate("annotator_error", annotator_error)
    check_rate("double_blind_share", double_blind_share)
    if runs < 1:
        raise ValueError(f"runs must be at least 1, not {runs}")
    check_can_open(alpha=alpha, delta=delta, double_blind_share=double_blind_share)
    policy = GatePolicy(alpha=alpha, delta=delta, double_blind_share=double_blind_share)
    if lane_rate is not None:
        check_rate("lane_rate", lane_rate, least=LEAST_LANE_RATE)
        policy = replace(policy, lane_rate=lane_rate, growing_rate=max(lane_rate, policy.growing_rate))
    stream = Stream.of(probabilities, labels, embeddings)
    check_place("change_at", change_at, len(stream))
    made = []
    for number in range(runs):
        chance = np.random.default_rng((seed, number))
        ordered = stream.shuffled(chance) if shuffle else stream
        done = _Done(progress, number * len(stream), runs * len(stream))
        made.append(_run(ordered, policy, chance, annotator_error, change_at, done))
    return Simulation(alpha=alpha, delta=delta, runs=tuple(made), change_at=change_at)


@dataclass(frozen=True, slots=True)
class _Done:
    """Tells how far it is, to whoever wants to know."""

    progress: Callable[[int, int], None] | None
    before: int
    total: int

    def tell(self, place: int, *, end: int) -> None:
        """`place` records of this run are done, of `end`."""
        if self.progress is not None and (place % _TOLD_EVERY < _BATCH or place == end):
            self.progress(self.before + place, self.total)


def _run(
    stream: Stream,
    policy: GatePolicy,
    chance: np.random.Generator,
    annotator_error: float,
    change_at: int | None,
    done: _Done,
) -> Run:
    answers = _answers(stream, chance, annotator_error)
    seconds = _answers(stream, chance.spawn(1)[0], annotator_error)
    key = chance.bytes(32)
    coins = np.array([toss(key, b"%d" % place) for place in range(len(stream))])
    keeper = Keeper(policy)
    foresight = _Foresight(stream.predictions)
    passed = np.zeros(len(stream), dtype=np.bool_)
    suspect = np.zeros(len(stream), dtype=np.bool_)
    transitions: list[Transition] = []
    twice = 0
    for begin in range(0, len(stream), _BATCH):
        batch = slice(begin, min(begin + _BATCH, len(stream)))
        scores = foresight.scores(keeper.scorer, batch)
        rows = _rows(
            keeper, stream.predictions.take(batch), scores, batch, coins[batch], answers[batch], seconds[batch]
        )
        twice += int(rows.twice.sum())
        passed[batch] = _step(keeper, rows, coins[batch])
        for transition in keeper.take_transitions():
            transitions.append(transition)
            if transition.suspect_from is not None:
                suspect[transition.suspect_from : transition.place] |= passed[
                    transition.suspect_from : transition.place
                ]
        done.tell(batch.stop, end=len(stream))
    return _summed_up(stream, keeper, transitions, passed, suspect, change_at, twice)


class _Foresight:
    """Scores many records at once, for as long as the scorer is the same: a row has its score in any company."""

    def __init__(self, predictions: Predictions) -> None:
        self._predictions = predictions
        self._scorer: Scorer | None = None
        self._begin = 0
        self._scores = np.zeros(0)

    def scores(self, scorer: Scorer, batch: slice) -> npt.NDArray[np.float64]:
        """The scores of a batch."""
        if scorer is not self._scorer or batch.stop > self._begin + len(self._scores):
            self._scorer, self._begin = scorer, batch.start
            self._scores = scorer.score(self._predictions.take(slice(batch.start, batch.start + _AHEAD)))
        return self._scores[batch.start - self._begin : batch.stop - self._begin]


def _rows(
    keeper: Keeper,
    predictions: Predictions,
    scores: npt.NDArray[np.float64],
    batch: slice,
    coins: npt.NDArray[np.float64],
    answers: npt.NDArray[np.int64],
    seconds: npt.NDArray[np.int64],
) -> Rows:
    rate, policy = keeper.lane_rate, keeper.policy
    return Rows(
        predictions=predictions,
        places=np.arange(batch.start, batch.stop),
        scores=scores,
        truth=answers,
        second=np.where(coins < rate * policy.double_blind_share, seconds, NOT_ASKED),
        weight=lesson_weights(scores >= keeper.threshold, rate),
    )


def _step(keeper: Keeper, rows: Rows, coins: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """One batch through the gate; which of its records pass."""
    rate = keeper.lane_rate
    lane, passable = coins < rate, rows.scores >= keeper.threshold
    passes = passable & ~lane
    keeper.see(rows, lane)
    keeper.weigh(rows.take(lane & passable))
    keeper.calibrate(rows.take(lane), are_spare(coins[lane], rate))
    keeper.learn(rows.take(~lane & ~passes))
    keeper.compare(rows.take(~passes))
    if keeper.look_is_due:
        keeper.look()
    return passes


def _answers(stream: Stream, chance: np.random.Generator, annotator_error: float) -> npt.NDArray[np.int64]:
    """What people would say of each record: the truth, or now and then another class."""
    astray = chance.random(len(stream)) < annotator_error
    other = chance.integers(1, stream.predictions.classes, len(stream))
    return np.where(astray, (stream.truth + other) % stream.predictions.classes, stream.truth)


def _summed_up(
    stream: Stream,
    keeper: Keeper,
    transitions: list[Transition],
    passed: npt.NDArray[np.bool_],
    suspect: npt.NDArray[np.bool_],
    change_at: int | None,
    twice: int,
) -> Run:
    wrong = stream.predictions.predicted != stream.truth
    edges = np.linspace(0, len(stream), min(_WINDOWS, len(stream)) + 1).astype(np.int64).tolist()
    windows = tuple(
        Window(begin=begin, end=end, coverage=_share(passed[begin:end]), error=_error(passed, wrong, slice(begin, end)))
        for begin, end in pairwise(edges)
    )
    last = slice(len(stream) * 3 // 4, None)
    return Run(
        coverage=_share(passed),
        coverage_last_quarter=_share(passed[last]),
        error=_error(passed, wrong, slice(None)),
        error_last_quarter=_error(passed, wrong, last),
        answers=int((~passed).sum()) + twice,
        second_answers=twice,
        transitions=tuple(transitions),
        detection_delay=_delay(transitions, change_at),
        suspects=int(suspect.sum()),
        guard=keeper.guard_cap,
        windows=windows,
        threshold=keeper.threshold,
        certificate=keeper.certificate,
        answers_needed=keeper.answers_needed(),
        overlooked_bound=_overlooked(keeper),
    )


def _overlooked(keeper: Keeper) -> float | None:
    policy, evidence = keeper.policy, keeper.window.rows()
    if not policy.double_blind_share or evidence is None:
        return None
    return float(upper_bound(int(evidence.overlooked.sum()), int(evidence.twice.sum()), policy.second_look_level))


def _share(passed: npt.NDArray[np.bool_]) -> float:
    return float(passed.mean()) if len(passed) else 0.0


def _error(passed: npt.NDArray[np.bool_], wrong: npt.NDArray[np.bool_], where: slice) -> float | None:
    count = int(passed[where].sum())
    return float((passed & wrong)[where].sum() / count) if count else None


def _delay(transitions: list[Transition], change_at: int | None) -> int | None:
    if change_at is None:
        return None
    closings = (each.place for each in transitions if each.place > change_at and each.state is not GateState.CERTIFIED)
    found = next(closings, math.inf)
    return int(found - change_at) if found < math.inf else None
