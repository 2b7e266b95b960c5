"""The JSON form of records, and foreign JSON that a project maps."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from streamlabel.core.project import SourceMapping
from streamlabel.core.record import PayloadKind
from streamlabel.core.submission import NewRecord, Reason, RecordResult, RecordStatus
from streamlabel.errors import InvalidMessageError
from streamlabel.wire import record_json, record_results, source_mapping, submissions
from support.door import MAIL, PNG, WAVES


def parsed(line: str) -> NewRecord:
    return submissions.from_message(record_json.parse(line, "mail"))


def reason_of(line: str | bytes) -> tuple[str, str]:
    with pytest.raises(InvalidMessageError) as refused:
        record_json.parse(line, "mail")
    return refused.value.reason, refused.value.detail


def test_every_part_of_a_record_has_its_place() -> None:
    record = parsed(
        '{"record_id": "7", "text": "hé", "event_at": "2026-01-31T12:00:00+02:00",'
        ' "attributes": {"a": "x", "n": 1.5, "yes": true, "none": null}}'
    )
    assert record.project == "mail"
    assert record.record_id == "7"
    assert record.payload == submissions.from_message(record_json.parse('{"text": "hé"}', "mail")).payload
    assert record.event_at == datetime(2026, 1, 31, 10, tzinfo=UTC)
    assert record.attributes == {"a": "x", "n": "1.5", "yes": "true"}


def test_times_may_be_milliseconds_and_ids_numbers() -> None:
    record = parsed('{"text": "t", "event_at": 1500, "record_id": 12}')
    assert record.event_at == datetime(1970, 1, 1, 0, 0, 1, 500_000, tzinfo=UTC)
    assert record.record_id == "12"


def test_each_kind_of_payload() -> None:
    image = base64.b64encode(PNG).decode()
    message = record_json.parse(f'{{"image": "{image}"}}', "p")
    assert (message.payload.image.data, message.payload.image.media_type) == (PNG, "image/png")
    message = record_json.parse(f'{{"image": "{image}", "media_type": "image/jpeg"}}', "p")
    assert message.payload.image.media_type == "image/jpeg"
    assert list(record_json.parse('{"features": [1, 2.5]}', "p").payload.features.values) == [1, 2.5]
    assert record_json.parse('{"json": {"a": [1, null]}}', "p").payload.json == '{"a":[1,null]}'
    assert record_json.parse('{"json": null}', "p").payload.json == "null"
    assert record_json.parse('{"uri": "s3://b/k"}', "p").payload.uri == "s3://b/k"


@pytest.mark.parametrize(
    ("line", "reason", "word"),
    [
        ("", Reason.MALFORMED, "not JSON"),
        ("nonsense", Reason.MALFORMED, "not JSON"),
        ("[1]", Reason.MALFORMED, "an array"),
        ('"text"', Reason.MALFORMED, "a text"),
        (b'{"text": "caf\xe9"}', Reason.MALFORMED, "not JSON"),
        ('{"text": "\\ud800"}', Reason.MALFORMED, "not JSON"),
        ('{"txt": "typo"}', Reason.UNKNOWN_FIELD, "did you mean 'text'?"),
        ('{"text": "t", "recordid": "1"}', Reason.UNKNOWN_FIELD, "did you mean 'record_id'?"),
        ('{"text": "t", "zzz": "1"}', Reason.UNKNOWN_FIELD, "a record has record_id"),
        ("{}", Reason.PAYLOAD_MISSING, "no payload"),
        ('{"text": null}', Reason.PAYLOAD_MISSING, "no payload"),
        ('{"text": "t", "uri": "s3://b"}', Reason.PAYLOAD_MISSING, "2 payloads"),
        ('{"text": 1}', Reason.INVALID_TEXT, "a number"),
        ('{"text": "t", "media_type": "image/png"}', Reason.UNKNOWN_FIELD, "image only"),
        ('{"image": "%%%"}', Reason.INVALID_IMAGE, "base64"),
        ('{"image": 5}', Reason.INVALID_IMAGE, "a number"),
        ('{"features": "1,2"}', Reason.INVALID_FEATURES, "a text"),
        ('{"features": [1, "2"]}', Reason.INVALID_FEATURES, "feature 1"),
        ('{"features": [true]}', Reason.INVALID_FEATURES, "true or false"),
        ('{"features": [NaN]}', Reason.MALFORMED, "not JSON"),
        ('{"text": "t", "record_id": {}}', Reason.INVALID_RECORD_ID, "an object"),
        ('{"text": "t", "event_at": "2026-01-31T12:00:00"}', Reason.INVALID_EVENT_AT, "time zone"),
        ('{"text": "t", "event_at": "yesterday"}', Reason.INVALID_EVENT_AT, "ISO 8601"),
        ('{"text": "t", "event_at": true}', Reason.INVALID_EVENT_AT, "ISO 8601"),
        ('{"text": "t", "event_at": 99999999999999999}', Reason.INVALID_EVENT_AT, "ISO 8601"),
        ('{"text": "t", "attributes": [1]}', Reason.INVALID_ATTRIBUTES, "an array"),
        ('{"text": "t", "attributes": {"a": {}}}', Reason.INVALID_ATTRIBUTES, "'a'"),
    ],
)
def test_what_is_wrong_is_named(line: str | bytes, reason: Reason, word: str) -> None:
    found, detail = reason_of(line)
    assert found == reason
    assert word in detail


def test_a_result_reads_as_one_line() -> None:
    accepted = RecordResult(record_id="é", status=RecordStatus.ACCEPTED)
    assert record_results.to_json_line(accepted, 3) == '{"line":3,"record_id":"é","status":"accepted"}\n'.encode()
    refused = RecordResult(record_id="", status=RecordStatus.REJECTED, reason="X", detail="y")
    assert record_results.to_json_line(refused, 1).endswith(b'"status":"rejected","reason":"X","detail":"y"}\n')
    assert record_results.from_message(record_results.to_message(refused)) == refused


MAPPING = SourceMapping(
    payload="message.body",
    record_id="id",
    event_at="meta.at",
    attributes={"lang": "meta.languages.0", "dotted": "a.b"},
)


def test_foreign_values_become_records_by_their_paths() -> None:
    message = source_mapping.record_of(
        b'{"id": 7, "message": {"body": "hi"}, "meta": {"at": 1000, "languages": ["en"]}, "a.b": "whole"}',
        MAIL,
        MAPPING,
    )
    assert (message.project, message.record_id, message.payload.text) == ("mail", "7", "hi")
    assert message.event_at.seconds == 1
    assert dict(message.attributes) == {"lang": "en", "dotted": "whole"}


def test_what_a_foreign_value_may_lack() -> None:
    message = source_mapping.record_of(b'{"id": "x", "message": {"body": "hi"}}', MAIL, MAPPING)
    assert not message.HasField("event_at")
    assert not message.attributes


def test_a_mapped_array_is_a_vector() -> None:
    mapping = SourceMapping(payload="v")
    message = source_mapping.record_of(b'{"v": [1, 2, 3]}', WAVES, mapping)
    assert list(message.payload.features.values) == [1, 2, 3]
    as_json = replace(MAIL, payload_kind=PayloadKind.JSON)
    assert source_mapping.record_of(b'{"v": {"x": 1}}', as_json, mapping).payload.json == '{"x":1}'


@pytest.mark.parametrize(
    ("value", "reason", "word"),
    [
        (b"\x00\x01", Reason.MALFORMED, "not JSON"),
        (b"[]", Reason.PAYLOAD_MISSING, "message.body"),
        (b'{"id": 1, "message": {}}', Reason.PAYLOAD_MISSING, "message.body"),
        (b'{"id": 1, "message": "flat"}', Reason.PAYLOAD_MISSING, "message.body"),
        (b'{"id": 1, "message": {"body": 5}}', Reason.INVALID_TEXT, "a number"),
        (b'{"message": {"body": "hi"}}', Reason.INVALID_RECORD_ID, "'id'"),
        (b'{"id": "", "message": {"body": "hi"}}', Reason.INVALID_RECORD_ID, "'id'"),
        (b'{"id": 1, "message": {"body": "hi"}, "meta": {"at": "never"}}', Reason.INVALID_EVENT_AT, "never"),
    ],
)
def test_a_foreign_value_that_is_no_record_says_why(value: bytes, reason: Reason, word: str) -> None:
    with pytest.raises(InvalidMessageError) as refused:
        source_mapping.record_of(value, MAIL, MAPPING)
    assert refused.value.reason == reason
    assert word in refused.value.detail
