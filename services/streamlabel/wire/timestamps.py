"""datetime ↔ google.protobuf.Timestamp, always in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_S = 86_400


def to_timestamp(moment: datetime) -> Timestamp:
    """The same moment on the wire; raises ValueError for a datetime without time zone."""
    if moment.tzinfo is None:
        raise ValueError("a moment on the wire needs a time zone")
    # Not by FromDatetime: it is written in Python and costs a tenth of what routing spends on a record.
    since_epoch = moment - _EPOCH
    return Timestamp(seconds=since_epoch.days * _DAY_S + since_epoch.seconds, nanos=since_epoch.microseconds * 1000)


def from_timestamp(message: Timestamp) -> datetime:
    """The moment in UTC; raises ValueError outside years 1–9999."""
    return message.ToDatetime(tzinfo=UTC)


def from_milliseconds(since_epoch_ms: int) -> datetime:
    """The moment `since_epoch_ms` milliseconds after 1970 in UTC; raises OverflowError outside years 1–9999."""
    return _EPOCH + timedelta(milliseconds=since_epoch_ms)
