"""Messages in, outcomes out: decoding, duplicates, replays and the bytes of a prediction."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from streamlabel.core.identity import RecordKey
from streamlabel.core.record import Record, TextPayload
from streamlabel.errors import InvalidMessageError, TransientError
from streamlabel.inference.adapters.lanes import InferenceLane, InferenceLanes
from streamlabel.inference.ports import Answer, Inferred, Provenance
from streamlabel.runtime.dead_letter import REPLAYED
from streamlabel.runtime.messages import Message, Outcome
from streamlabel.runtime.metrics import Metrics
from streamlabel.wire import predictions, records
from streamlabel.wire.flow import Names

PROVENANCE = Provenance(project_version=3, class_names=("spam", "ham"), model_name="m", model_version=9)


class Prediction:
    """Says `ham`; refuses what says "bad", is away while told so."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.away = False

    async def predict(self, records: Sequence[Record]) -> Sequence[Inferred]:
        if self.away:
            raise TransientError("away")
        return [self._one(record) for record in records]

    def _one(self, record: Record) -> Inferred:
        assert isinstance(record.payload, TextPayload)
        self.seen.append(record.payload.text)
        if record.payload.text == "bad":
            return InvalidMessageError("INVALID_TEXT", "bad")
        return Answer(PROVENANCE, [1, 0], [0.75, 0.25], np.array([1.5, -2.0], dtype=np.float32))


class Table:
    def __init__(self) -> None:
        self.waited = False

    async def wait_ready(self) -> None:
        self.waited = True


def message(record_id: str, text: str, offset: int, *, replayed: bool = False, key: bytes | None = None) -> Message:
    payload = TextPayload(text)
    record = Record(
        key=RecordKey(project="p", record_id=record_id),
        payload=payload,
        content_hash=records.content_hash(payload, {}),
    )
    headers = (("ingested-at", b"17"), ("foreign", b"x"), *(((REPLAYED, b"4"),) if replayed else ()))
    return Message(
        topic="records",
        partition=0,
        offset=offset,
        key=record.key.encode() if key is None else key,
        value=records.encode(record),
        headers=headers,
        timestamp_ms=0,
    )


def broken(offset: int) -> Message:
    return Message(
        topic="records", partition=0, offset=offset, key=b"p/x", value=b"\xff\xff", headers=(), timestamp_ms=0
    )


def kinds(outcomes: Sequence[Outcome]) -> list[str]:
    return [
        outcome.reason if isinstance(outcome, InvalidMessageError) else "out" if outcome else "dropped"
        for outcome in outcomes
    ]


@pytest.fixture
def prediction() -> Prediction:
    return Prediction()


async def lane(
    prediction: Prediction, history: Sequence[Message] = (), metrics: Metrics | None = None
) -> InferenceLane:
    lanes = InferenceLanes(
        prediction=prediction,
        names=Names("t"),
        tables=(),
        window_records=100,
        metrics=metrics or Metrics("inference"),
    )
    return await lanes.open(0, history)


async def test_a_prediction_carries_its_record_untouched(prediction: Prediction) -> None:
    sent = message("1", "hello", 0)
    (outcome,) = await (await lane(prediction)).handle([sent])

    assert not isinstance(outcome, InvalidMessageError)
    (emit,) = outcome
    assert (emit.topic, emit.key) == ("t.predictions.v1", b"p/1")
    assert emit.headers == (("ingested-at", b"17"),)
    made = predictions.decode(emit.value)
    assert made.record == records.decode(sent.value)
    assert [(each.class_name, each.probability) for each in made.candidates] == [("ham", 0.75), ("spam", 0.25)]
    assert (made.score, made.embedding) == (0.75, (1.5, -2.0))
    assert (made.model_name, made.model_version, made.project_version) == ("m", 9, 3)
    assert sent.value in emit.value


async def test_outcomes_stand_in_the_order_of_the_messages(prediction: Prediction) -> None:
    metrics = Metrics("inference")
    opened = await lane(prediction, metrics=metrics)

    outcomes = await opened.handle(
        [
            message("1", "one", 0),
            broken(1),
            message("1", "one", 2),
            message("2", "bad", 3),
            message("1", "other", 4),
            message("3", "three", 5, key=b"p/4"),
            message("5", "five", 6),
        ]
    )

    assert kinds(outcomes) == ["out", "MALFORMED", "dropped", "INVALID_TEXT", "CONFLICTING_RECORD", "MALFORMED", "out"]
    assert prediction.seen == ["one", "bad", "five"]
    scrape = metrics.expose("")[0].decode()
    assert 'streamlabel_records_duplicate_total{outcome="dropped"} 1.0' in scrape
    assert 'streamlabel_records_duplicate_total{outcome="conflicting"} 1.0' in scrape


async def test_a_batch_tried_again_is_no_duplicate_of_itself(prediction: Prediction) -> None:
    opened = await lane(prediction)
    batch = [message("1", "one", 0), message("1", "one", 1)]
    prediction.away = True
    with pytest.raises(TransientError):
        await opened.handle(batch)
    prediction.away = False
    assert kinds(await opened.handle([message("1", "one", 2)])) == ["dropped"]

    assert kinds(await opened.handle(batch)) == ["out", "dropped"]


async def test_what_died_may_come_again(prediction: Prediction) -> None:
    opened = await lane(prediction)
    assert kinds(await opened.handle([message("1", "bad", 0)])) == ["INVALID_TEXT"]

    assert kinds(await opened.handle([message("1", "good", 1), message("1", "good", 2)])) == ["out", "dropped"]


async def test_history_tells_what_was_there(prediction: Prediction) -> None:
    history = [message("1", "one", 0), broken(1), message("2", "two", 2)]
    opened = await lane(prediction, history)

    outcomes = await opened.handle([message("1", "one", 3), message("2", "other", 4), message("3", "three", 5)])

    assert kinds(outcomes) == ["dropped", "CONFLICTING_RECORD", "out"]


async def test_a_replayed_message_passes_and_stands_for_its_key(prediction: Prediction) -> None:
    opened = await lane(prediction, [message("1", "one", 0)])
    batch = [message("1", "one", 1, replayed=True), message("1", "one", 2)]

    assert kinds(await opened.handle(batch)) == ["out", "dropped"]
    assert kinds(await opened.handle(batch)) == ["out", "dropped"]

    again = await lane(prediction, [message("1", "one", 0), message("1", "two", 1, replayed=True)])
    assert kinds(await again.handle([message("1", "two", 2), message("1", "one", 3)])) == [
        "dropped",
        "CONFLICTING_RECORD",
    ]


async def test_a_lane_opens_only_after_the_tables_were_read(prediction: Prediction) -> None:
    tables = (Table(), Table())
    lanes = InferenceLanes(
        prediction=prediction,
        names=Names("t"),
        tables=tables,  # type: ignore[arg-type]
        window_records=0,
        metrics=Metrics("inference"),
    )
    await lanes.open(0, ())

    assert all(table.waited for table in tables)
