"""The life of a gate on streams that are known: it certifies, follows, closes and forgets as it says."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from streamlabel.core.control import GateState
from streamlabel.gate.binomial import p_value
from streamlabel.gate.keeper import Keeper, Transition
from streamlabel.gate.policy import GatePolicy
from streamlabel.gate.sample import NOT_ASKED, Rows, Sample
from streamlabel.gate.scorer import Predictions

POLICY = GatePolicy(alpha=0.05, delta=0.05)


@dataclass
class Life:
    """A keeper and everything that came to pass."""

    keeper: Keeper
    seed: int = 0
    place: int = 0
    passed: list[bool] = field(default_factory=list)
    wrong: list[bool] = field(default_factory=list)
    lane: list[int] = field(default_factory=list)
    transitions: list[Transition] = field(default_factory=list)
    busy: bool = False

    def live(self, count: int, *, error: float = 0.01, size: int = 25, sharp: float = 6.0) -> None:
        """`count` records; the surest 60 % are wrong with probability `error`, the others with 0.4."""
        keeper = self.keeper
        for _ in range(count // size):
            chance = np.random.default_rng((self.seed, self.place))
            margin = chance.beta(sharp, 2, size)
            first = 0.5 + margin / 2
            truth = np.where(chance.random(size) < np.where(margin > 0.68, error, 0.4), 1, 0)
            predictions = Predictions(np.column_stack((first, 1 - first)), np.zeros(size, dtype=np.int64), 2)
            rate, threshold = keeper.lane_rate, keeper.threshold
            scores = keeper.scorer.score(predictions)
            coins = chance.random(size)
            lane, passable = coins < rate, scores >= threshold
            places = np.arange(self.place, self.place + size)
            rows = Rows(
                predictions=predictions,
                places=places,
                scores=scores,
                truth=truth,
                second=np.full(size, NOT_ASKED),
                weight=np.ones(size),
            )
            keeper.see(rows, lane)
            keeper.weigh(rows.take(lane & passable))
            keeper.calibrate(rows.take(lane), coins[lane] >= rate / 2)
            if not self.busy:
                keeper.learn(rows.take(~lane & ~passable))
            if keeper.look_is_due:
                keeper.look()
            self.transitions += keeper.take_transitions()
            self.place += size
            self.passed += (passable & ~lane).tolist()
            self.wrong += (truth == 1).tolist()
            self.lane += places[lane].tolist()

    def error(self, begin: int = 0) -> float:
        passed, wrong = np.array(self.passed[begin:]), np.array(self.wrong[begin:])
        return float((passed & wrong).sum() / max(1, passed.sum()))

    def states(self) -> list[GateState]:
        return [each.state for each in self.transitions]


@pytest.fixture
def life() -> Life:
    return Life(Keeper(POLICY))


def test_nothing_passes_before_there_is_evidence(life: Life) -> None:
    assert (life.keeper.state, life.keeper.lane_rate) == (GateState.COLD, POLICY.closed_rate)
    life.live(100)
    assert not any(life.passed)
    assert life.keeper.threshold == np.inf


def test_a_gate_opens_and_keeps_its_promise(life: Life) -> None:
    life.live(8000)
    assert life.keeper.state is GateState.CERTIFIED
    assert GateState.SUSPENDED not in life.states()
    assert np.mean(life.passed[4000:]) > 0.45
    assert life.error() <= 0.05
    assert life.keeper.lane_rate == POLICY.lane_rate
    assert 0.03 < np.mean(np.array(life.lane) >= 6000) * len(life.lane) / 2000 < 0.08
    certificate = life.keeper.certificate
    assert certificate is not None
    assert certificate.bound <= 0.05
    assert certificate.delta <= 0.05


def test_the_same_calls_give_the_same_gates() -> None:
    first, second = Life(Keeper(POLICY)), Life(Keeper(POLICY))
    first.live(6000)
    second.live(6000)
    assert first.transitions == second.transitions
    assert first.passed == second.passed


def test_errors_that_rise_revoke_it_and_the_labels_since_are_suspect(life: Life) -> None:
    life.live(8000)
    life.live(3000, error=0.5)
    revoked = next(each for each in life.transitions if each.state is GateState.REVOKED)
    assert 8000 < revoked.place < 8800
    assert revoked.suspect_from is not None
    assert 7500 <= revoked.suspect_from <= 8400
    assert revoked.threshold == np.inf
    assert life.keeper.epoch >= revoked.place
    after = np.array(life.passed[revoked.place : revoked.place + 300])
    assert not after.any()


def test_it_opens_again_on_what_came_after_the_change(life: Life) -> None:
    life.live(8000)
    life.live(1000, error=0.5)
    closed = life.transitions[-1].place
    life.live(6000)
    assert life.keeper.state is GateState.CERTIFIED
    again = next(each for each in life.transitions if each.place > closed and each.state is GateState.CERTIFIED)
    assert again.count <= len([place for place in life.lane if closed <= place <= again.place])
    # The guard gives no full credit after it was broken.
    assert life.keeper.guard_cap <= 1.0


def test_inputs_that_change_suspend_it_before_errors_tell(life: Life) -> None:
    life.live(8000)
    life.live(500, sharp=2.0)
    suspended = next(each for each in life.transitions if each.state is GateState.SUSPENDED)
    assert 8000 < suspended.place <= 8200
    assert "inputs changed" in suspended.reason


def test_evidence_is_never_taught_and_never_older_than_the_epoch(life: Life) -> None:
    taught: list[int] = []
    learn = life.keeper.learn

    def spy(rows: Rows) -> None:
        taught.extend(rows.places.tolist())
        learn(rows)

    life.keeper.learn = spy  # type: ignore[method-assign]
    life.live(6000)
    evidence = life.keeper.window.rows()
    assert evidence is not None
    assert not set(taught) & set(evidence.places.tolist())
    life.live(2000, error=0.5)
    evidence = life.keeper.window.rows()
    assert evidence is not None
    assert (evidence.places >= life.keeper.epoch).all()


def test_answers_to_records_from_before_the_epoch_are_no_evidence(life: Life) -> None:
    life.live(8000)
    life.live(1000, error=0.5)
    before = len(life.keeper.window)
    predictions = Predictions(np.array([[0.99, 0.01]]), np.array([0]), 2)
    late = Rows(
        predictions=predictions,
        places=np.array([life.keeper.epoch - 1]),
        scores=np.array([0.98]),
        truth=np.array([0]),
        second=np.array([NOT_ASKED]),
        weight=np.ones(1),
    )
    life.keeper.weigh(late)
    life.keeper.calibrate(late, np.array([False]))
    assert len(life.keeper.window) == before


def test_a_sample_keeps_the_latest_and_gives_back_the_rest() -> None:
    def rows(begin: int, end: int) -> Rows:
        count = end - begin
        predictions = Predictions(np.full((count, 2), 0.5), np.zeros(count, dtype=np.int64), 2)
        return Rows(
            predictions=predictions,
            places=np.arange(begin, end),
            scores=np.zeros(count),
            truth=np.zeros(count, dtype=np.int64),
            second=np.full(count, NOT_ASKED),
            weight=np.ones(count),
        )

    sample = Sample(10)
    assert sample.rows() is None
    assert sample.add(rows(0, 8)) is None
    gone = sample.add(rows(8, 15))
    assert gone is not None
    assert gone.places.tolist() == [0, 1, 2, 3, 4]
    gone = sample.add(rows(15, 40))
    assert gone is not None
    assert gone.places.tolist() == list(range(5, 30))
    sample.forget_before(36)
    kept = sample.rows()
    assert kept is not None
    assert kept.places.tolist() == [36, 37, 38, 39]
    assert len(sample) == 4
    sample.forget_before(100)
    assert sample.rows() is None


def test_evidence_that_may_be_looked_at_at_any_time_begins_anew_with_each_scorer(life: Life) -> None:
    keeper, tests_by_fit = life.keeper, dict[int, int]()
    while life.place < 8000:
        life.live(25)
        tests_by_fit[keeper.fits] = keeper.ledger.anytime_tests
    assert life.states() == [GateState.CERTIFIED] * len(life.states())
    tested = [count for count in tests_by_fit.values() if count]
    assert len(tested) >= 3
    assert len(set(tested)) == len(tested), "a scorer's e-process went on under another scorer"


def test_a_certificate_of_a_look_was_tested_at_the_looks_part_of_delta(life: Life) -> None:
    found, keeper = set[float](), life.keeper
    exact = POLICY.delta * POLICY.exact_share
    while life.place < 8000:
        life.live(25)
        known = keeper.certificate
        if known is not None and known.bound < POLICY.alpha:
            # The level that this bound belongs to.
            found.add(round(float(p_value(known.errors, known.count, known.bound)), 6))
    assert found
    assert found <= {round(exact, 6), round(exact / 2, 6)}


def test_where_people_answer_nothing_but_calibration_half_of_it_teaches() -> None:
    life = Life(Keeper(POLICY), busy=True)
    life.live(4000)
    assert life.keeper.fits > 0
    evidence = life.keeper.window.rows()
    assert evidence is not None
    assert len(life.lane) * 0.4 < len(evidence) < len(life.lane) * 0.8
    assert life.keeper.state is GateState.CERTIFIED


def test_a_threshold_that_is_certified_again_is_no_other_certificate(life: Life) -> None:
    keeper, ledger = life.keeper, life.keeper.ledger
    life.live(6000)
    keeper.look()
    counted, looks, known = ledger.certificates, ledger.looks, keeper.certificate
    assert known is not None
    # Nothing came in between.
    keeper.look()
    again = keeper.certificate
    assert again is not None
    assert again is not known
    assert again.threshold == known.threshold
    assert (ledger.certificates, ledger.looks) == (counted, looks + 1)
    told = life.transitions + keeper.take_transitions()
    assert counted == len(told) == [each.state for each in told].count(GateState.CERTIFIED)
