"""From bytes to offers: what is broken is named, and takes nothing else down."""

from __future__ import annotations

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from streamlabel.core.submission import Reason
from streamlabel.ingest.adapters.lenient import read_batch, read_stream
from streamlabel.ingest.adapters.offers import offer_of
from streamlabel.ingest.adapters.traces import traceparent_of
from streamlabel.ingest.rules.admission import Offer, Refusal
from streamlabel.v1 import ingest_service_pb2, record_pb2
from streamlabel.wire import records
from support.door import PNG

Record = record_pb2.Record


def text_message(text: str = "hello", **more: object) -> Record:
    return Record(project="mail", payload=record_pb2.Payload(text=text), **more)  # type: ignore[arg-type]


def broken_utf8(record_id: str) -> bytes:
    """A record as a careless producer of another language sends it: its text is Latin-1."""
    return text_message("caf?", record_id=record_id).SerializeToString().replace(b"caf?", b"caf\xe9")


def framed(*parts: bytes) -> bytes:
    """An IngestRecordsRequest of records that are bytes already."""
    return b"".join(b"\x0a" + bytes([len(part)]) + part for part in parts)


def test_an_offer_carries_the_very_bytes_of_the_topic() -> None:
    message = text_message(record_id="7", attributes={"b": "2", "a": "1"})
    offer = offer_of(message)
    assert isinstance(offer, Offer)
    decoded = records.decode(offer.value)
    assert str(decoded.key) == "mail/7"
    assert offer.key == b"mail/7"
    assert decoded.content_hash == offer.content_hash == records.content_hash(decoded.payload, decoded.attributes)


def test_a_missing_id_is_derived_from_the_content_and_from_nothing_else() -> None:
    first, again = offer_of(text_message(content_hash=b"a lie")), offer_of(text_message())
    other = offer_of(text_message("other"))
    assert isinstance(first, Offer)
    assert isinstance(again, Offer)
    assert isinstance(other, Offer)
    assert first.record_id == again.record_id == "h-" + first.content_hash.hex()
    assert other.record_id != first.record_id
    assert first.value == again.value


def features(*values: float) -> record_pb2.Payload:
    return record_pb2.Payload(features=record_pb2.Features(values=values))


def image(data: bytes, media_type: str = "image/png") -> record_pb2.Payload:
    return record_pb2.Payload(image=record_pb2.Image(data=data, media_type=media_type))


@pytest.mark.parametrize(
    ("payload", "reason", "word"),
    [
        (record_pb2.Payload(), Reason.PAYLOAD_MISSING, "no payload"),
        (record_pb2.Payload(text=""), Reason.INVALID_TEXT, "empty"),
        (image(b""), Reason.INVALID_IMAGE, "0 bytes"),
        (image(b"GIF89a" + b"\0" * 20), Reason.INVALID_IMAGE, "neither PNG nor JPEG"),
        (image(PNG[:5]), Reason.INVALID_IMAGE, "neither PNG nor JPEG"),
        (image(PNG, "image/jpeg"), Reason.INVALID_IMAGE, "the bytes are image/png"),
        (features(), Reason.INVALID_FEATURES, "empty"),
        (features(1.0, float("nan")), Reason.INVALID_FEATURES, "feature 1"),
        (features(float("inf")), Reason.INVALID_FEATURES, "finite"),
        (features(1e300), Reason.INVALID_FEATURES, "finite"),
        (record_pb2.Payload(json="{"), Reason.INVALID_JSON, "not JSON"),
        (record_pb2.Payload(json="NaN"), Reason.INVALID_JSON, "not JSON"),
        (record_pb2.Payload(json=""), Reason.INVALID_JSON, "empty"),
        (record_pb2.Payload(uri="no scheme"), Reason.INVALID_URI, "absolute"),
    ],
)
def test_each_broken_payload_is_refused_with_its_reason(payload, reason: Reason, word: str) -> None:
    refused = offer_of(Record(project="mail", record_id="r", payload=payload))
    assert isinstance(refused, Refusal)
    assert refused.record_id == "r"
    assert refused.reason == reason
    assert word in refused.detail


def test_a_time_outside_the_calendar_is_refused() -> None:
    refused = offer_of(text_message(event_at=Timestamp(seconds=2**62)))
    assert isinstance(refused, Refusal)
    assert refused.reason == Reason.INVALID_EVENT_AT


def test_a_whole_batch_is_read_as_it_is() -> None:
    request = ingest_service_pb2.IngestRecordsRequest(records=[text_message("a"), text_message("b")])
    read = read_batch(request.SerializeToString())
    assert read is not None
    assert [entry.payload.text for entry in read if isinstance(entry, Record)] == ["a", "b"]


def test_one_record_of_broken_utf8_does_not_take_the_others_down() -> None:
    good = text_message("fine", record_id="g").SerializeToString()
    read = read_batch(framed(good, broken_utf8("b"), good))
    assert read is not None
    assert [type(entry) for entry in read] == [Record, Refusal, Record]
    assert isinstance(read[1], Refusal)
    assert read[1].reason == Reason.MALFORMED
    assert "UTF-8" in read[1].detail


@pytest.mark.parametrize("data", [b"\xff" * 40, b"\x0a\x7fshort", b"\x0a", b'{"records": []}', b"\x0a\x02\xff\xff\x0b"])
def test_bytes_that_are_no_request_are_no_request(data: bytes) -> None:
    assert read_batch(data) is None


def test_a_stream_request_of_broken_utf8_keeps_its_sequence() -> None:
    record = broken_utf8("b")
    read = read_stream(b"\x08\xac\x02\x12" + bytes([len(record)]) + record)
    assert read is not None
    sequence, refused = read
    assert sequence == 300
    assert isinstance(refused, Refusal)
    assert read_stream(b"\xff\xff") is None


def test_only_a_real_trace_context_travels_on() -> None:
    real = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    assert traceparent_of(real) == real
    for other in ("", real.upper(), real + "\r\nx: y", "x" * 10_000, b"bytes", None):
        assert traceparent_of(other) == ""
