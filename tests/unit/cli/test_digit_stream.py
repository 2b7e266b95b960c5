"""The demo's stream is a function of its name: any process can say what record n of a run shows, and what is right."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from streamlabel.cli.demo.digit_stream import DigitStream, new_run_name
from streamlabel.core.record import ImagePayload, Record
from streamlabel.errors import ConfigurationError
from streamlabel.local.datasets import Digits

RUN = "0123456789ab"


@pytest.fixture(scope="module")
def digits() -> Digits:
    labels = np.repeat(np.arange(10, dtype=np.uint8), 3)
    images = np.zeros((30, 28, 28), dtype=np.uint8)
    images[:, 8:20, 13:15] = (100 + np.arange(30, dtype=np.uint8))[:, None, None]  # each picture tells its row
    return Digits(images=images, labels=labels)


@pytest.fixture
def stream(digits: Digits) -> DigitStream:
    return DigitStream(RUN, digits, range(10, 30), project="digits")


def pixels(record: Record) -> np.ndarray:
    assert isinstance(record.payload, ImagePayload)
    return np.asarray(Image.open(io.BytesIO(record.payload.data)))


def test_the_first_round_shows_each_row_once_untouched(stream: DigitStream, digits: Digits) -> None:
    brightest = sorted(int(pixels(stream.record(number)).max()) for number in range(20))
    assert brightest == list(range(110, 130))


def test_the_truth_is_that_of_the_picture(stream: DigitStream, digits: Digits) -> None:
    for number in range(20):
        row = int(pixels(stream.record(number)).max()) - 100
        assert stream.truth(stream.record_id(number)) == str(digits.labels[row])


def test_order_is_shuffled_and_differs_between_rounds_and_runs(stream: DigitStream, digits: Digits) -> None:
    other = DigitStream("ba9876543210", digits, range(10, 30), project="digits")
    first = [stream.truth(stream.record_id(number)) for number in range(20)]
    second = [stream.truth(stream.record_id(number)) for number in range(20, 40)]
    assert first != sorted(first, key=str)
    assert first != second
    assert first != [other.truth(other.record_id(number)) for number in range(20)]


def test_later_rounds_are_distorted_but_the_same_every_time(stream: DigitStream) -> None:
    seen = {pixels(stream.record(number)).tobytes() for number in range(20)}
    later = [stream.record(number) for number in range(20, 60)]
    assert all(pixels(record).tobytes() not in seen for record in later)
    assert all(pixels(record).shape == (28, 28) for record in later)
    assert [record.content_hash for record in later] == [stream.record(n).content_hash for n in range(20, 60)]
    assert len({record.content_hash for record in later}) == 40


def test_another_process_knows_the_truth_of_any_run(stream: DigitStream, digits: Digits) -> None:
    other = DigitStream(new_run_name(), digits, range(10, 30), project="digits")
    for number in (0, 19, 20, 12345):
        assert other.truth(stream.record_id(number)) == stream.truth(stream.record_id(number))


def test_who_can_read_contradicts_what_is_wrong(stream: DigitStream) -> None:
    record_id = stream.record_id(3)
    right = stream.truth(record_id)
    assert [stream.contradiction(record_id, str(digit)) for digit in range(10)].count(0.0) == 1
    assert stream.contradiction(record_id, str(right)) == 0.0
    assert stream.part_of(record_id) is None


def test_a_foreign_record_has_no_known_truth(stream: DigitStream) -> None:
    assert stream.truth("photo-17") is None
    assert stream.truth(f"digit-{RUN}-7") is None


def test_run_names_never_repeat_and_are_legal(digits: Digits) -> None:
    names = {new_run_name() for _ in range(1000)}
    assert len(names) == 1000
    with pytest.raises(ConfigurationError, match="no name of a run"):
        DigitStream("demo", digits, [1], project="digits")


def test_a_stream_that_turns_is_the_same_until_it_does(digits: Digits) -> None:
    steady = DigitStream(RUN, digits, range(10, 30), project="digits", distorted=True)
    turning = DigitStream(RUN, digits, range(10, 30), project="digits", distorted=True, turned_from=7)
    same = [(pixels(steady.record(number)) == pixels(turning.record(number))).all() for number in range(14)]
    assert same == [True] * 7 + [False] * 7
    assert not any(
        np.array_equal(
            pixels(steady.record(number)),
            pixels(DigitStream(RUN, digits, range(10, 30), project="digits").record(number)),
        )
        for number in range(7)
    )
    assert [turning.truth(turning.record_id(number)) for number in range(14)] == [
        steady.truth(steady.record_id(number)) for number in range(14)
    ]
    assert turning.number(turning.record_id(9)) == 9
    assert turning.number("digit-ba9876543210-00000009") is None
