"""A book as bytes and back: read again, it goes on as if it had never been away."""

from __future__ import annotations

from dataclasses import astuple
from typing import Any

import numpy as np

from streamlabel.gate.embeddings import MAX_EMBEDDING, as_stored, as_used
from streamlabel.gate.scorer import Predictions, join_predictions
from streamlabel.gate.storage import Arrays, dump_keeper, load_keeper, pack, unpack
from streamlabel.learning.rules.book import Book
from streamlabel.learning.rules.crowd import Crowd
from streamlabel.learning.rules.early import EarlyWord
from streamlabel.learning.rules.events import Answer, Word
from streamlabel.learning.rules.limits import BookLimits
from streamlabel.learning.rules.subject import Subject
from streamlabel.learning.rules.suspicions import Suspicion
from streamlabel.learning.rules.used import Use
from streamlabel.learning.rules.waiting import Waiting

_ABSENT = -2
_NO_ANSWER = (_ABSENT, _ABSENT, _ABSENT)
_KEEPER = "keeper"
# To be raised where what is kept means something else, though it looks the same.
_FORM = 3


def dump_book(book: Book) -> bytes:
    """The book, whole, but for its subject and limits. Steps and audits must have been taken: they are written once, elsewhere."""
    arrays = {_KEEPER: np.frombuffer(dump_keeper(book.keeper), dtype=np.uint8)}
    records = list(book.room)
    if records:
        arrays |= _columns(records)
    tree = {
        "form": _FORM,
        "horizon_ms": book.horizon_ms,
        "routed_ms": book.routed_ms,
        "crowd": astuple(book.crowd),
        "reason": book.reason,
        "certified_at_ms": book.certified_at_ms,
        "suspicions": [[each.from_ms, each.until_ms] for each in book.suspicions],
        "answered": book.answered,
        "calibrated": book.calibrated,
        "ticked_ms": book.ticked_ms,
        "looked_at_ms": book.looked_at_ms,
        "dimensions": book.dimensions,
        "early": [
            [record_id, astuple(early.word), early.answer and astuple(early.answer), early.heard_ms]
            for record_id, early in book.early
        ],
        "times": list(book.course.times),
        "passes": list(book.course.passes),
        "used": [[record_id, *astuple(use)] for record_id, use in book.used],
        "record_ids": [record.record_id for record in records],
    }
    return pack(tree, arrays)


def load_book(packed: bytes, subject: Subject, limits: BookLimits) -> Book:
    """The book; raises ValueError for bytes that are none, or of a release whose books were kept otherwise."""
    tree, arrays = unpack(packed)
    book = Book(subject, limits)
    try:
        if tree["form"] != _FORM:
            raise ValueError(f"not a book of this release: its form is {tree['form']}, not {_FORM}")
        book.keeper = load_keeper(arrays[_KEEPER].tobytes())
        book.horizon_ms, book.reason, book.certified_at_ms = tree["horizon_ms"], tree["reason"], tree["certified_at_ms"]
        book.routed_ms, book.crowd = tree["routed_ms"], Crowd(*tree["crowd"])
        book.suspicions = [Suspicion(*each) for each in tree["suspicions"]]
        book.answered, book.calibrated = tree["answered"], tree["calibrated"]
        book.ticked_ms, book.looked_at_ms, book.dimensions = tree["ticked_ms"], tree["looked_at_ms"], tree["dimensions"]
        if book.dimensions is not None and book.dimensions > MAX_EMBEDDING:
            raise ValueError(f"its embeddings of {book.dimensions:,} numbers are longer than this release uses")
        book.early.put_back(
            (record_id, EarlyWord(word=Word(*word), answer=answer and Answer(*answer), heard_ms=heard_ms))
            for record_id, word, answer, heard_ms in tree["early"]
        )
        book.course.times.extend((place, at_ms) for place, at_ms in tree["times"])
        book.course.passes.extend((seen, passed) for seen, passed in tree["passes"])
        book.used.add((record_id, Use(*use)) for record_id, *use in tree["used"])
        for record in _records(tree["record_ids"], arrays, len(subject.class_names)):
            book.room.add(record)
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise ValueError(f"not a book: {type(error).__name__} {error}") from error
    return book


def _columns(records: list[Waiting]) -> dict[str, Any]:
    predictions = join_predictions([record.prediction for record in records])
    numbers = [
        (
            record.place,
            record.at_ms,
            record.eligible,
            _ABSENT if record.lane is None else record.lane,
            record.passable,
            record.twice,
            *(_NO_ANSWER if record.answer is None else astuple(record.answer)),
            _ABSENT if record.decided_ms is None else record.decided_ms,
            record.gate,
            record.barred,
        )
        for record in records
    ]
    columns = {
        "numbers": np.array(numbers, dtype=np.int64),
        "chances": np.array([(record.coin, record.rate) for record in records]),
        "probabilities": predictions.probabilities,
        "predicted": predictions.predicted,
    }
    near = predictions.embeddings
    return columns if near is None else columns | {"embeddings": as_stored(near)}


def _records(record_ids: list[str], arrays: Arrays, classes: int) -> list[Waiting]:
    if not record_ids:
        return []
    near = arrays.get("embeddings")
    near = None if near is None else as_used(near)
    predictions = Predictions(arrays["probabilities"], arrays["predicted"], classes, near)
    rows = zip(record_ids, arrays["numbers"].tolist(), arrays["chances"].tolist(), strict=True)
    return [
        Waiting(
            record_id=record_id,
            place=place,
            at_ms=at_ms,
            eligible=bool(eligible),
            coin=coin,
            rate=rate,
            prediction=predictions.take(slice(row, row + 1)),
            lane=None if lane == _ABSENT else bool(lane),
            passable=bool(passable),
            twice=bool(twice),
            answer=None if answer == _NO_ANSWER else Answer(*answer),
            decided_ms=None if decided_ms == _ABSENT else decided_ms,
            gate=gate,
            barred=bool(barred),
        )
        for row, (record_id, numbers, (coin, rate)) in enumerate(rows)
        for place, at_ms, eligible, lane, passable, twice, *given, decided_ms, gate, barred in (numbers,)
        for answer in (tuple(given),)
    ]
