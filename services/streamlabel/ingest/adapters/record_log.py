"""The topic `records`, behind an idempotent producer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from streamlabel.core.submission import Reason
from streamlabel.errors import InvalidMessageError, StreamlabelError, TransientError
from streamlabel.ingest.ports import Arrival
from streamlabel.ingest.rules.admission import Offer
from streamlabel.ingest.rules.partitioning import partition_of
from streamlabel.runtime.messages import Emit
from streamlabel.wire.headers import ingest_headers


class Producer(Protocol):
    """What is needed of `streamlabel.runtime.producer.IdempotentProducer`."""

    async def send(self, items: Sequence[tuple[int, Emit]]) -> list[Exception | None]:
        """None for each item that all in-sync replicas have acknowledged; raises TransientError where it takes nothing."""
        ...


class KafkaRecordLog:
    """A `RecordLog`: each record in the partition of its key, stamped with the hour at which it was taken."""

    def __init__(self, *, producer: Producer, topic: str, partitions: int, now_ms: Callable[[], int]) -> None:
        self._producer = producer
        self._topic = topic
        self._partitions = partitions
        self._now_ms = now_ms

    async def append(self, offers: Sequence[Offer], arrival: Arrival) -> Sequence[StreamlabelError | None]:
        headers = ingest_headers(self._now_ms(), arrival.traceparent)
        items = [
            (
                partition_of(offer.key, self._partitions),
                Emit(topic=self._topic, key=offer.key, value=offer.value, headers=headers),
            )
            for offer in offers
        ]
        try:
            answers = await self._producer.send(items)
        except TransientError as error:
            return [error] * len(offers)
        return [None if error is None else _fate_of(error) for error in answers]


def _fate_of(error: Exception) -> StreamlabelError:
    match error:
        case InvalidMessageError():  # The one thing that a broker finds wrong with bytes: how many they are.
            return InvalidMessageError(Reason.PAYLOAD_TOO_LARGE, error.detail)
        case StreamlabelError():
            return error
    raise error
