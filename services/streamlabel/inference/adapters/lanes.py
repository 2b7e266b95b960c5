"""Bytes to records, predictions to bytes: inference as the handler of a lane."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

from streamlabel.core.record import Record
from streamlabel.core.submission import Reason
from streamlabel.errors import InvalidMessageError
from streamlabel.inference.ports import Answer, Inferred, Prediction, Provenance
from streamlabel.inference.rules.duplicates import DuplicateWindow, Verdict
from streamlabel.runtime.dead_letter import REPLAYED
from streamlabel.runtime.messages import Emit, Message, Outcome
from streamlabel.runtime.metrics import Metrics
from streamlabel.runtime.table import CompactedTable
from streamlabel.wire import headers, records
from streamlabel.wire.flow import PREDICTIONS, Names
from streamlabel.wire.prediction_bytes import PredictionWriter

# While a window is filled from history, the loop gets a turn after so many messages (about 2 ms).
_HISTORY_ROWS = 500


class InferenceLanes:
    """Opens lanes once the tables have been read to their end: before that, every project would look unknown."""

    def __init__(
        self,
        *,
        prediction: Prediction,
        names: Names,
        tables: Sequence[CompactedTable[Any]],
        window_records: int,
        metrics: Metrics,
    ) -> None:
        self._prediction = prediction
        self._topic = names.topic(PREDICTIONS)
        self._tables = tables
        self._window_records = window_records
        self._metrics = metrics
        self._writers = Writers()

    async def open(self, partition: int, history: Sequence[Message]) -> InferenceLane:  # noqa: ARG002
        """A lane that knows the latest records of its partition."""
        for table in self._tables:
            await table.wait_ready()
        window = DuplicateWindow(self._window_records)
        for place, message in enumerate(history):
            if place % _HISTORY_ROWS == _HISTORY_ROWS - 1:
                await asyncio.sleep(0)
            remember(window, message)
        return InferenceLane(self._prediction, self._topic, window, self._writers, self._metrics)


class InferenceLane:
    """The work of one partition of `records`."""

    def __init__(
        self, prediction: Prediction, topic: str, window: DuplicateWindow, writers: Writers, metrics: Metrics
    ) -> None:
        self._prediction = prediction
        self._topic = topic
        self._window = window
        self._writers = writers
        self._duplicate = metrics.counter("streamlabel_records_duplicate_total", outcome="dropped")
        self._conflicting = metrics.counter("streamlabel_records_duplicate_total", outcome="conflicting")

    async def handle(self, batch: Sequence[Message]) -> Sequence[Outcome]:
        """One prediction per message, nothing for one seen before, or why it is dead; in order."""
        # Nothing is awaited before the whole batch is judged: batches are judged in order of offset, as they start.
        outcomes: list[Outcome | Record] = [self._read(message) for message in batch]
        places = [place for place, outcome in enumerate(outcomes) if isinstance(outcome, Record)]
        inferred = await self._prediction.predict([outcomes[place] for place in places])  # type: ignore[misc]
        for place, each in zip(places, inferred, strict=True):
            outcomes[place] = self._outcome(batch[place], each)
        return outcomes  # type: ignore[return-value]

    def _read(self, message: Message) -> Outcome | Record:
        try:
            record = read_record(message)
        except InvalidMessageError as error:
            return error
        if is_replay(message):
            self._window.replace(message.key, record.content_hash, message.offset)
            return record
        match self._window.judge(message.key, record.content_hash, message.offset):
            case Verdict.FIRST:
                return record
            case Verdict.DUPLICATE:
                self._duplicate.inc()
                return ()
            case Verdict.CONFLICT:
                self._conflicting.inc()
                return InvalidMessageError(
                    Reason.CONFLICTING_RECORD, f"record {record.key.record_id!r} was there before with other content"
                )

    def _outcome(self, message: Message, inferred: Inferred) -> Outcome:
        if isinstance(inferred, InvalidMessageError):
            self._window.forget(message.key, message.offset)
            return inferred
        value = self._writers.write(message.value, inferred)
        return (Emit(topic=self._topic, key=message.key, value=value, headers=headers.carried(message.headers)),)


class Writers:
    """One prediction writer for each provenance in use; those of earlier project and model versions are let go."""

    def __init__(self) -> None:
        self._writers: WeakKeyDictionary[Provenance, PredictionWriter] = WeakKeyDictionary()

    def write(self, record: bytes, answer: Answer) -> bytes:
        """The prediction around the record's own bytes."""
        provenance = answer.provenance
        writer = self._writers.get(provenance)
        if writer is None:
            writer = self._writers[provenance] = PredictionWriter(
                class_names=provenance.class_names,
                model_name=provenance.model_name,
                model_version=provenance.model_version,
                project_version=provenance.project_version,
            )
        embedding = answer.embedding.tobytes() if answer.embedding is not None else b""
        return writer.write(record, answer.order, answer.probabilities, embedding)


def read_record(message: Message) -> Record:
    """The record in the message; raises InvalidMessageError where it is none, or lies under another one's key."""
    record = records.decode(message.value)
    if message.key != record.key.encode():
        raise InvalidMessageError(
            Reason.MALFORMED, f"key {message.key[:300]!r} is not that of the record inside, {str(record.key)!r}"
        )
    return record


def is_replay(message: Message) -> bool:
    """Whether a person has sent this message again out of the dead letters."""
    return any(name == REPLAYED for name, _ in message.headers)


def remember(window: DuplicateWindow, message: Message) -> None:
    """What `handle` did to the window when this message was new; what is unreadable was a dead letter then."""
    try:
        record = read_record(message)
    except InvalidMessageError:
        return
    if is_replay(message):
        window.replace(message.key, record.content_hash, message.offset)
    else:
        window.judge(message.key, record.content_hash, message.offset)
