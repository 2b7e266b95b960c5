"""RecordResult on the wire and as JSON."""

from __future__ import annotations

import orjson

from streamlabel.core.submission import RecordResult, RecordStatus
from streamlabel.v1 import ingest_service_pb2
from streamlabel.wire.enums import EnumCodec

RECORD_STATUSES = EnumCodec(RecordStatus, ingest_service_pb2.RecordStatus, "RECORD_STATUS")


def to_message(result: RecordResult) -> ingest_service_pb2.RecordResult:
    """The result on the wire."""
    return ingest_service_pb2.RecordResult(
        record_id=result.record_id,
        status=RECORD_STATUSES.number(result.status),
        reason=result.reason,
        detail=result.detail,
    )


def from_message(message: ingest_service_pb2.RecordResult) -> RecordResult:
    """The result; raises ValueError for a status that this release does not know."""
    return RecordResult(
        record_id=message.record_id,
        status=RECORD_STATUSES.member(message.status),
        reason=message.reason,
        detail=message.detail,
    )


def to_json_line(result: RecordResult, line: int) -> bytes:
    """`{"line": …, "record_id": …, "status": …}` and, where it was refused, `reason` and `detail`; one line with its end."""
    document: dict[str, object] = {"line": line, "record_id": result.record_id, "status": result.status.value}
    if result.reason:
        document["reason"] = result.reason
        document["detail"] = result.detail
    return orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)
