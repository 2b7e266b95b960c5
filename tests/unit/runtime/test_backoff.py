"""Back-off: grows, is capped, jitters over the full width, never below its floor."""

from __future__ import annotations

import pytest

from streamlabel.runtime.backoff import Backoff


def test_the_ceiling_doubles_up_to_the_cap() -> None:
    backoff = Backoff(base_s=0.1, cap_s=1.0, floor_s=0.0, random=lambda: 1.0)
    assert [round(backoff.delay_s(attempt), 3) for attempt in (1, 2, 3, 4, 5, 50)] == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]


def test_jitter_is_full_but_never_no_pause() -> None:
    assert Backoff(floor_s=0.02, random=lambda: 0.0).delay_s(7) == 0.02
    assert Backoff(base_s=1.0, random=lambda: 0.5).delay_s(1) == 0.5


def test_the_peers_own_wish_is_honoured_beyond_the_cap() -> None:
    assert Backoff(cap_s=1.0, random=lambda: 1.0).delay_s(9, at_least_s=30.0) == 30.0


def test_a_very_late_attempt_does_not_overflow() -> None:
    assert Backoff(random=lambda: 1.0).delay_s(10**9) == 10.0


@pytest.mark.parametrize(("floor_s", "base_s"), [(5.0, 0.1), (0.0, 20.0), (-1.0, 0.1)])
def test_impossible_policies_are_refused(floor_s: float, base_s: float) -> None:
    with pytest.raises(ValueError, match="floor_s <= base_s <= cap_s"):
        Backoff(floor_s=floor_s, base_s=base_s, cap_s=10.0)


def test_attempts_count_from_one() -> None:
    with pytest.raises(ValueError, match="counted from 1"):
        Backoff().delay_s(0)
