"""The alarm sounds soon when it should and hardly ever when not; the guard keeps its bound whatever comes."""

from __future__ import annotations

import numpy as np
import pytest

from streamlabel.gate.alarm import HarmAlarm
from streamlabel.gate.guard import PriceGuard


def first_alarm(wrong: np.ndarray, alpha: float = 0.05, limit: float = 200) -> int | None:
    alarm = HarmAlarm(alpha, limit)
    return next((place for place, each in enumerate(wrong.tolist()) if alarm.observe(each)), None)


def test_errors_at_twice_and_four_times_alpha_are_found() -> None:
    chance = np.random.default_rng(2)
    delays = {
        rate: np.median([first_alarm(chance.random(20_000) < rate) for _ in range(50)]) for rate in (0.1, 0.2, 0.5)
    }
    assert delays[0.5] < delays[0.2] < delays[0.1]
    assert delays[0.5] <= 12
    assert delays[0.2] <= 60
    assert delays[0.1] <= 400


def test_false_alarms_are_as_rare_as_promised() -> None:
    chance = np.random.default_rng(3)
    alarms = [first_alarm(chance.random(2000) < 0.05) for _ in range(300)]
    lived = sum(2000 if at is None else at + 1 for at in alarms)
    sounded = sum(at is not None for at in alarms)
    assert lived / max(1, sounded) >= 200


def test_the_change_is_estimated_where_the_evidence_began_to_grow() -> None:
    chance = np.random.default_rng(5)
    for _ in range(20):
        wrong = np.concatenate((chance.random(500) < 0.01, chance.random(500) < 0.6))
        alarm = HarmAlarm(0.05, 200)
        at = next(place for place, each in enumerate(wrong.tolist()) if alarm.observe(each))
        assert 480 <= at + 1 - alarm.since <= 510


def test_an_alpha_for_which_no_ratio_is_left_raises_no_alarm() -> None:
    alarm = HarmAlarm(0.9, 200)
    assert not any(alarm.observe(True) for _ in range(100))
    assert (alarm.value, alarm.since) == (0.0, 0)


@pytest.mark.parametrize("policy", ["all", "saw", "late", "random", "greedy"])
def test_the_guard_keeps_its_bound_on_any_sequence(policy: str) -> None:
    chance = np.random.default_rng(6)
    for alpha in (0.01, 0.05, 0.2):
        guard = PriceGuard(alpha=alpha)
        excess = worst = 0.0
        for step in range(5000):
            if guard.spent:
                break
            wrong = {
                "all": True,
                "saw": step % 40 < 5,
                "late": step > 3000,
                "random": bool(chance.random() < 3 * alpha),
                # Errs only while it costs nothing extra: always when the cap has recovered.
                "greedy": guard.cap > 0.9,
            }[policy]
            guard.observe(wrong)
            excess += wrong - alpha
            worst = max(worst, excess)
        assert worst <= guard.excess_bound + 1e-9


def test_a_spent_guard_lets_nothing_pass_and_a_good_stream_spends_nothing() -> None:
    guard = PriceGuard(alpha=0.05)
    for _ in range(22):
        guard.observe(True)
    assert guard.spent
    guard = PriceGuard(alpha=0.05)
    for _ in range(1000):
        guard.observe(False)
    assert guard.cap == 1.0
