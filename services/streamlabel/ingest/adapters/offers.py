"""A Record message becomes an offer, or the refusal that says what is wrong with it."""

from __future__ import annotations

import orjson

from streamlabel.core.record import JsonPayload, Payload, PayloadKind
from streamlabel.core.submission import INVALID_PAYLOAD, Reason
from streamlabel.ingest.rules.admission import Offer, Refusal
from streamlabel.v1 import record_pb2
from streamlabel.wire.records import content_hash, derived_record_id, payload_from_message
from streamlabel.wire.timestamps import from_timestamp


def offer_of(message: record_pb2.Record) -> Offer | Refusal:
    """What this message offers; its id is derived where it has none. The message is completed in place and belongs to the offer.

    What a producer writes into `content_hash` counts for nothing: two producers must not disagree about what is the same.
    """
    kind = message.payload.WhichOneof("kind")
    if kind is None:
        return Refusal(message.record_id, Reason.PAYLOAD_MISSING, "the record has no payload")
    try:
        payload = payload_from_message(message.payload)
        _check_json(payload)
    except ValueError as error:
        return Refusal(message.record_id, INVALID_PAYLOAD[PayloadKind(kind)], str(error))
    if message.HasField("event_at"):
        try:
            from_timestamp(message.event_at)
        except (ValueError, OverflowError) as error:
            return Refusal(message.record_id, Reason.INVALID_EVENT_AT, f"event_at lies outside years 1-9999: {error}")
    attributes = dict(message.attributes)
    digest = content_hash(payload, attributes)
    message.content_hash = digest
    record_id = message.record_id
    if not record_id:
        record_id = message.record_id = derived_record_id(digest)
    return Offer(
        project=message.project,
        record_id=record_id,
        payload=payload,
        attributes=attributes,
        content_hash=digest,
        key=f"{message.project}/{record_id}".encode(),
        value=message.SerializeToString(),
    )


def _check_json(payload: Payload) -> None:
    if isinstance(payload, JsonPayload):
        try:
            orjson.loads(payload.document)
        except orjson.JSONDecodeError as error:
            raise ValueError(f"not JSON: {error}") from error
