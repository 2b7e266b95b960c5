"""NewRecord on the wire: a Record message whose id may be empty and whose content hash is left to the door."""

from __future__ import annotations

from streamlabel.core.record import Record
from streamlabel.core.submission import NewRecord
from streamlabel.v1 import record_pb2
from streamlabel.wire.records import payload_from_message, payload_to_message
from streamlabel.wire.timestamps import from_timestamp, to_timestamp


def to_message(record: NewRecord | Record) -> record_pb2.Record:
    """The record as a producer sends it."""
    if isinstance(record, Record):
        project, record_id = record.key.project, record.key.record_id
    else:
        project, record_id = record.project, record.record_id
    message = record_pb2.Record(
        project=project,
        record_id=record_id,
        payload=payload_to_message(record.payload),
        attributes=record.attributes,
    )
    if record.event_at is not None:
        message.event_at.CopyFrom(to_timestamp(record.event_at))
    return message


def from_message(message: record_pb2.Record) -> NewRecord:
    """The record as a producer sent it; raises ValueError where a part is missing or illegal."""
    return NewRecord(
        project=message.project,
        record_id=message.record_id,
        payload=payload_from_message(message.payload),
        event_at=from_timestamp(message.event_at) if message.HasField("event_at") else None,
        attributes=dict(message.attributes),
    )
