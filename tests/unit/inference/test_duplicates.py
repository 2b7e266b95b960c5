"""The window over recent records: who was first, who repeats, who contradicts."""

from __future__ import annotations

import random

import pytest

from streamlabel.inference.rules.duplicates import DuplicateWindow, Verdict

A, B = b"a" * 16, b"b" * 16


def test_same_content_is_a_duplicate_and_other_content_a_conflict() -> None:
    window = DuplicateWindow(10)

    assert window.judge(b"p/1", A, 0) is Verdict.FIRST
    assert window.judge(b"p/2", A, 1) is Verdict.FIRST
    assert window.judge(b"p/1", A, 2) is Verdict.DUPLICATE
    assert window.judge(b"p/1", B, 3) is Verdict.CONFLICT
    assert window.judge(b"p/1", A, 4) is Verdict.DUPLICATE


def test_a_batch_that_is_tried_again_gets_the_verdicts_that_it_had() -> None:
    messages = [(b"p/1", A, 0), (b"p/1", A, 1), (b"p/2", B, 2), (b"p/1", B, 3), (b"p/2", B, 4)]
    window = DuplicateWindow(10)
    first = [window.judge(*message) for message in messages]

    assert [window.judge(*message) for message in messages] == first
    assert [window.judge(*message) for message in messages[:2]] == first[:2]


def test_only_the_latest_keys_are_remembered() -> None:
    window = DuplicateWindow(2)
    for offset, key in enumerate((b"1", b"2", b"3")):
        window.judge(key, A, offset)

    assert len(window) == 2
    assert window.judge(b"1", B, 3) is Verdict.FIRST
    assert window.judge(b"3", A, 4) is Verdict.DUPLICATE


def test_repeats_do_not_renew_a_keys_place() -> None:
    window = DuplicateWindow(2)
    window.judge(b"1", A, 0)
    window.judge(b"2", A, 1)
    window.judge(b"1", A, 2)
    window.judge(b"3", A, 3)

    assert window.judge(b"1", A, 4) is Verdict.FIRST


def test_what_came_to_nothing_is_forgotten() -> None:
    window = DuplicateWindow(10)
    window.judge(b"1", A, 0)
    window.forget(b"1", 0)

    assert window.judge(b"1", B, 1) is Verdict.FIRST


def test_only_the_message_itself_can_be_forgotten() -> None:
    window = DuplicateWindow(10)
    window.judge(b"1", A, 0)
    window.judge(b"1", A, 1)
    window.forget(b"1", 1)

    assert window.judge(b"1", A, 2) is Verdict.DUPLICATE


def test_a_replay_stands_for_its_key_from_then_on() -> None:
    window = DuplicateWindow(10)
    window.judge(b"1", A, 0)
    window.replace(b"1", B, 5)

    assert window.judge(b"1", B, 6) is Verdict.DUPLICATE
    assert window.judge(b"1", A, 7) is Verdict.CONFLICT


def test_without_capacity_everything_passes() -> None:
    window = DuplicateWindow(0)

    assert [window.judge(b"1", A, offset) for offset in range(3)] == [Verdict.FIRST] * 3
    with pytest.raises(ValueError, match="0 or more"):
        DuplicateWindow(-1)


@pytest.mark.parametrize("seed", range(20))
def test_verdicts_do_not_depend_on_how_often_batches_are_tried_again(seed: int) -> None:
    chance = random.Random(seed)
    messages = [(b"%d" % chance.randrange(12), bytes([chance.randrange(2)]) * 16, offset) for offset in range(60)]
    straight = DuplicateWindow(1000)
    expected = [straight.judge(*message) for message in messages]

    window = DuplicateWindow(1000)
    judged: dict[int, Verdict] = {}
    done = 0
    while done < len(messages):
        ahead = min(len(messages), done + chance.randrange(1, 20))
        for message in messages[done:ahead]:
            judged[message[2]] = window.judge(*message)
        done = chance.randrange(done, ahead + 1)
    assert [judged[offset] for offset in range(60)] == expected
