"""Records into requests of a size that the door takes."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable

from streamlabel.core.record import Record
from streamlabel.core.submission import NewRecord
from streamlabel.v1 import record_pb2
from streamlabel.wire.submissions import to_message

Sent = NewRecord | Record
Source = Iterable[Sent] | AsyncIterable[Sent]


async def messages_of(records: Source) -> AsyncIterator[record_pb2.Record]:
    """The records on the wire, one by one, from either kind of iterable."""
    if isinstance(records, AsyncIterable):
        async for record in records:
            yield to_message(record)
    else:
        for record in records:
            yield to_message(record)


async def batches_of(records: Source, *, max_records: int, max_bytes: int) -> AsyncIterator[list[record_pb2.Record]]:
    """The records in batches under both limits; one that passes `max_bytes` by itself goes alone."""
    batch: list[record_pb2.Record] = []
    size_bytes = 0
    async for message in messages_of(records):
        message_bytes = message.ByteSize()
        if batch and (len(batch) >= max_records or size_bytes + message_bytes > max_bytes):
            yield batch
            batch, size_bytes = [], 0
        batch.append(message)
        size_bytes += message_bytes
    if batch:
        yield batch
