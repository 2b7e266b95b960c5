"""The waiting room: evidence leaves in the order of the stream, whatever happened to records before, and to the process."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from streamlabel.gate.embeddings import MAX_EMBEDDING
from streamlabel.gate.scorer import Predictions
from streamlabel.learning.rules.book import Book
from streamlabel.learning.rules.book_storage import dump_book, load_book
from streamlabel.learning.rules.events import Answer
from streamlabel.learning.rules.limits import BookLimits
from streamlabel.learning.rules.subject import Subject
from streamlabel.learning.rules.waiting import Waiting, WaitingRoom
from support.gate_stream import CLASSES, GateStream

MOST = 12
SUBJECT = Subject(
    project="p", model_name="m", model_version=1, taxonomy_version=1, class_names=("a", "b"), alpha=0.1, delta=0.1
)
LIMITS = BookLimits(waiting=MOST)


def record(record_id: str, place: int, *, eligible: bool = True) -> Waiting:
    prediction = Predictions(np.array([[0.9, 0.1]]), np.array([0]), 2)
    return Waiting(
        record_id=record_id, place=place, at_ms=place, eligible=eligible, coin=0.1, rate=0.5, prediction=prediction
    )


def settle(found: Waiting) -> None:
    """All that is wanted of it is known."""
    found.lane, found.answer, found.decided_ms = True, Answer(0, -2, 0), found.at_ms


class History:
    """What happens to a room, drawn at random; the same for the same seed, whatever room it happens to."""

    def __init__(self, seed: int) -> None:
        self._chance = np.random.default_rng(seed)
        self._place = 0
        self.left: list[tuple[str, int]] = []

    def go_on(self, room: WaitingRoom, steps: int) -> None:
        for _ in range(steps):
            record_id, deed = f"r{self._chance.integers(20)}", self._chance.integers(6)
            found = room.get(record_id)
            if deed <= 1 and not room.full:
                room.drop(record_id)
                room.add(record(record_id, self._place, eligible=bool(self._chance.random() < 0.7)))
                self._place += 1
            elif deed == 2:
                room.drop(record_id)
            elif deed == 3 and found is not None and found.counts:
                found.lane = False
                room.leave_lane(found)
            elif deed >= 4 and found is not None:
                settle(found)
            self.left += [(each.record_id, each.place) for each in room.complete(0)]


def contents(room: WaitingRoom) -> list[tuple[Any, ...]]:
    return [(each.record_id, each.place, each.counts, each.lane, each.answer) for each in room]


@pytest.mark.parametrize("seed", range(30))
def test_evidence_leaves_in_the_order_of_the_stream_and_a_loaded_room_goes_on_as_the_live_one(seed: int) -> None:
    whole, live, stored = Book(SUBJECT, LIMITS), History(seed), History(seed)
    live.go_on(whole.room, 2000)
    book = Book(SUBJECT, LIMITS)
    for _ in range(20):
        stored.go_on(book.room, 100)
        book = load_book(dump_book(book), SUBJECT, LIMITS)
    assert stored.left == live.left
    assert contents(book.room) == contents(whole.room)
    assert len(live.left) > 20
    places = [place for _, place in live.left]
    assert places == sorted(places)


def test_a_record_that_comes_again_waits_at_its_new_place() -> None:
    room = WaitingRoom(MOST, 2**30)
    for place, record_id in enumerate("abc"):
        room.add(record(record_id, place))
    room.add(record("a", 3))
    for each in room:
        settle(each)
    assert [(each.record_id, each.place) for each in room.complete(0)] == [("b", 1), ("c", 2), ("a", 3)]
    assert len(room) == 0


def test_a_record_is_in_one_place_only() -> None:
    room = WaitingRoom(MOST, 2**30)
    room.add(record("a", 0, eligible=False))
    room.add(record("a", 1))
    assert [each.place for each in room] == [1]
    room.add(record("a", 2, eligible=False))
    assert [each.place for each in room] == [2]
    assert room.awaited == 0


def test_what_came_and_went_while_the_first_waits_leaves_nothing_behind() -> None:
    room = WaitingRoom(MOST, 2**30)
    room.add(record("first", 0))
    for place in range(1, 10_000):
        room.add(record(f"r{place}", place))
        room.drop(f"r{place}")
        assert room.complete(0) == []
    assert len(room) == 1
    kept = [getattr(room, name) for name in room.__slots__]
    assert sum(len(part) for part in kept if hasattr(part, "__len__")) == 1


def test_of_long_embeddings_fewer_are_kept() -> None:
    room = WaitingRoom(100, 20 * 8000)
    near = np.ones((1, 1000))
    for place in range(30):
        for eligible in (True, False):
            added = record(f"{place} {eligible}", place, eligible=eligible)
            added.prediction = replace(added.prediction, embeddings=near)
            if not (eligible and room.full):
                gone = room.add(added)
                assert (gone is not None) == (not eligible and place >= 10)
    assert (room.most, room.awaited, len(room)) == (10, 10, 20)
    assert WaitingRoom(100, 1).most == 100
    tiny = WaitingRoom(100, 1)
    tiny.add(added)
    assert (tiny.most, len(tiny)) == (1, 1)


class Wide(GateStream):
    """Embeddings of 512 numbers, as they come over the wire."""

    def records(self, chance: np.random.Generator, error: float) -> tuple[Predictions, np.ndarray]:
        predictions, truth = super().records(chance, error)
        near = chance.normal(size=(self.batch, 512)).astype(np.float32).astype(np.float64)
        return replace(predictions, embeddings=near), truth


def test_a_book_of_long_embeddings_stays_small_however_far_behind_people_are() -> None:
    subject = replace(SUBJECT, class_names=CLASSES)
    bytes_kept = 2 * 1024 * 1024
    sizes = []
    for waiting_bytes in (bytes_kept, 2 * bytes_kept):
        book = Book(subject, BookLimits(waiting_bytes=waiting_bytes))
        stream = Wide(book)
        stream.live(2500, answer=False)
        assert book.room.full
        assert book.crowd.missed_from_ms is not None
        packed = dump_book(book)
        kept = sum(len(each.rows() or ()) for each in (book.keeper.window, book.keeper._buffer))
        assert len(packed) < waiting_bytes / 2 + (kept + 200) * 512 * 4 + 1_000_000
        sizes.append(len(packed))
        loaded = load_book(packed, subject, book.limits)
        assert contents(loaded.room) == contents(book.room)
        assert loaded.room.most == book.room.most
        assert dump_book(loaded) == packed
        [first, *_] = book.room
        assert loaded.room.get(first.record_id).prediction.embeddings.tobytes() == first.prediction.embeddings.tobytes()  # type: ignore[union-attr]
    # What waits is stored as numbers of 32 bits.
    assert sizes[1] - sizes[0] == pytest.approx(bytes_kept / 2, rel=0.1)


def test_a_book_of_embeddings_that_no_release_uses_any_more_begins_anew() -> None:
    book = Book(SUBJECT, LIMITS)
    book.dimensions = MAX_EMBEDDING + 1
    with pytest.raises(ValueError, match="longer than this release uses"):
        load_book(dump_book(book), SUBJECT, LIMITS)
