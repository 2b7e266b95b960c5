"""Bytes to predictions, and routed nouns to bytes: routing as the handler of a lane."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from streamlabel.core.label import Label
from streamlabel.core.prediction import Prediction
from streamlabel.errors import InvalidMessageError
from streamlabel.routing.ports import Arrival, Routed, Routing
from streamlabel.runtime.messages import Emit, Message, Outcome
from streamlabel.runtime.table import CompactedTable
from streamlabel.wire import headers, labels, predictions, review_tasks
from streamlabel.wire.codec import MALFORMED
from streamlabel.wire.flow import LABELS, REVIEW_TASKS, Names


@dataclass(frozen=True, slots=True)
class RoutingLanes:
    """Opens lanes once every control table has been read to its end: before that, nothing is decided."""

    routing: Routing
    names: Names
    tables: Sequence[CompactedTable[Any]]

    async def open(self, partition: int, history: Sequence[Message]) -> RoutingLane:  # noqa: ARG002
        """A lane; routing keeps no state, so every partition's is alike."""
        for table in self.tables:
            await table.wait_ready()
        return RoutingLane(self.routing, self.names.topic(LABELS), self.names.topic(REVIEW_TASKS))


@dataclass(frozen=True, slots=True)
class RoutingLane:
    """The work of one partition of `predictions`."""

    routing: Routing
    labels_topic: str
    tasks_topic: str

    async def handle(self, batch: Sequence[Message]) -> Sequence[Outcome]:
        """One label or task per message, or why it is dead; in order."""
        arrivals: list[Arrival] = []
        outcomes: list[Outcome | None] = []
        for message in batch:
            try:
                arrival = Arrival(_read(message), headers.ingested_at(message.headers))
            except InvalidMessageError as error:
                outcomes.append(error)
            else:
                arrivals.append(arrival)
                outcomes.append(None)
        routed = iter(await self.routing.route(arrivals))
        return [
            outcome if outcome is not None else self._outcome(message, next(routed))
            for message, outcome in zip(batch, outcomes, strict=True)
        ]

    def _outcome(self, message: Message, routed: Routed) -> Outcome:
        if isinstance(routed, InvalidMessageError):
            return routed
        if isinstance(routed, Label):
            topic, value = self.labels_topic, labels.encode(routed)
        else:
            topic, value = self.tasks_topic, review_tasks.encode(routed)
        return (Emit(topic=topic, key=message.key, value=value, headers=headers.carried(message.headers)),)


def _read(message: Message) -> Prediction:
    """The prediction in the message; raises InvalidMessageError where it is none, or lies under another record's key."""
    prediction = predictions.decode(message.value)
    key = prediction.record.key
    if message.key != key.encode():
        # Passed on, it would become a label that stands under another record's name.
        raise InvalidMessageError(
            MALFORMED, f"key {message.key[:300]!r} is not that of the record inside, {str(key)!r}"
        )
    return prediction
