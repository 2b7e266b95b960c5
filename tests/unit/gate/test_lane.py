"""The half of the lane that may teach, and what an answer weighs."""

from __future__ import annotations

import numpy as np

from streamlabel.gate.lane import are_spare, lesson_weights


def test_the_upper_half_of_the_lane_is_spare_at_the_rate_of_each_record() -> None:
    assert are_spare([0.0, 0.0249, 0.025, 0.049], 0.05).tolist() == [False, False, True, True]
    assert are_spare([0.2, 0.2], [0.5, 0.3]).tolist() == [False, True]
    chance = np.random.default_rng(1).random(20_000) * 0.15
    assert abs(are_spare(chance, 0.15).mean() - 0.5) < 0.02


def test_an_answer_stands_for_all_that_would_have_passed_beside_it_but_for_no_more_than_twenty() -> None:
    assert lesson_weights([True, False, True], [0.5, 0.5, 0.001]).tolist() == [2.0, 1.0, 20.0]
    assert lesson_weights(np.array([True, False]), 0.1).tolist() == [10.0, 1.0]
