"""Health: ready is the sum of what the parts say; dead is for ever."""

from __future__ import annotations

from streamlabel.runtime.health import Health


def test_a_new_check_holds_readiness_back_until_its_owner_speaks() -> None:
    health = Health()
    assert health.ready
    kafka = health.check("kafka")
    assert not health.ready
    assert health.reasons() == {"kafka": "has not started yet"}
    kafka.ok()
    assert health.ready
    assert health.reasons() == {}


def test_failing_is_not_ready_but_alive_and_recovers() -> None:
    health = Health()
    triton = health.check("triton")
    triton.failing("127.0.0.1:8001 refuses connections")
    assert not health.ready
    assert health.alive
    triton.ok()
    assert health.ready


def test_the_dead_never_speak_again() -> None:
    health = Health()
    part = health.check("stage")
    part.dead("crashed")
    part.ok()
    part.dead("other")
    assert not health.alive
    assert not health.ready
    assert health.deaths() == {"stage": "crashed"}


def test_one_name_is_one_check_and_a_closed_one_is_no_longer_asked() -> None:
    health = Health()
    lane = health.check("lane 3")
    assert health.check("lane 3") is lane
    lane.close()
    assert health.ready
    lane.failing("late word")
    assert health.ready


def test_listeners_hear_each_change_once() -> None:
    health = Health()
    heard: list[bool] = []
    health.subscribe(lambda: heard.append(health.ready))
    check = health.check("a")
    check.ok()
    check.ok()
    check.failing("x")
    check.failing("x")
    assert heard == [False, True, False]


def test_a_part_that_serves_may_warn_and_each_word_replaces_the_one_before() -> None:
    health = Health()
    heard: list[dict[str, str]] = []
    health.subscribe(lambda: heard.append(dict(health.warnings())))
    check = health.check("project p")
    check.ok("its records are set aside")
    assert health.ready
    assert check.warning == "its records are set aside"
    check.failing("gone")
    assert not health.warnings()
    check.ok()
    assert heard == [{}, {"project p": "its records are set aside"}, {}, {}]
