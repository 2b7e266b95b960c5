"""The door as callers meet it: the real process, the real broker, good records and every bad one."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator

import aiohttp
import grpc
import pytest

from streamlabel.client import (
    FeaturesPayload,
    ImagePayload,
    IngestClient,
    NewRecord,
    RecordResult,
    RecordStatus,
    TextPayload,
)
from streamlabel.client.retry import Patience
from streamlabel.core.record import PayloadKind
from streamlabel.core.submission import Reason
from streamlabel.errors import TransientError
from streamlabel.ingest.rules.partitioning import partition_of
from streamlabel.runtime.headers import INGESTED_AT
from streamlabel.v1 import ingest_service_pb2, record_pb2
from streamlabel.wire import records
from streamlabel.wire.headers import TRACEPARENT
from support.door import DIGITS, MAIL, PNG, WAVES, project
from support.pipeline import Pipeline
from support.running_door import RunningDoor, ids, running_door

pytestmark = pytest.mark.integration

A, D, R = RecordStatus.ACCEPTED, RecordStatus.DUPLICATE, RecordStatus.REJECTED
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
NDJSON = {"Content-Type": "application/x-ndjson"}
UNARY = "/streamlabel.v1.IngestService/IngestRecords"
STREAM = "/streamlabel.v1.IngestService/StreamRecords"


@pytest.fixture
async def pipeline(kafka: str, topic_prefix: str) -> Pipeline:
    made = await Pipeline.create(kafka, topic_prefix)
    for each in (MAIL, DIGITS, WAVES, project("docs", PayloadKind.JSON), project("links", PayloadKind.URI)):
        await made.apply_project(each)
    return made


@pytest.fixture
async def door(kafka: str, pipeline: Pipeline) -> AsyncIterator[RunningDoor]:
    async with running_door(pipeline, kafka) as running:
        yield running


def text(content: str = "hello", record_id: str = "", to: str = "mail") -> NewRecord:
    return NewRecord(project=to, record_id=record_id, payload=TextPayload(content))


async def post(door: RunningDoor, path: str, body: bytes | str, **headers: str) -> tuple[int, list[dict], dict]:
    """Status, lines and headers of an answer."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(door.url(path), data=body, headers={**NDJSON, **headers}) as answer,
    ):
        lines = [json.loads(line) for line in (await answer.text()).splitlines()]
        return answer.status, lines, dict(answer.headers)


async def test_what_is_accepted_lies_on_the_topic_as_it_should(door: RunningDoor) -> None:
    metadata = [("traceparent", TRACE)]
    async with IngestClient(door.address, metadata=metadata) as client:
        results = await client.ingest(
            [
                text("one", "1"),
                text("derived"),
                NewRecord(project="digits", record_id="2", payload=ImagePayload(PNG, "image/png")),
                NewRecord(project="waves", record_id="3", payload=FeaturesPayload((1.0, 2.0, 3.0))),
            ]
        )
    assert [result.status for result in results] == [A] * 4
    written = await door.written(4)
    by_key = {message.key: message for message in written}
    assert set(by_key) == {b"mail/1", f"mail/{results[1].record_id}".encode(), b"digits/2", b"waves/3"}
    for key, message in by_key.items():
        record = records.decode(message.value)
        assert record.content_hash == records.content_hash(record.payload, record.attributes)
        assert message.partition == partition_of(key, 2)
        assert dict(message.headers)[TRACEPARENT] == TRACE.encode()
        assert abs(int(dict(message.headers)[INGESTED_AT]) - message.timestamp_ms) < 5000


async def test_every_bad_record_is_refused_with_its_reason_and_the_good_ones_pass(door: RunningDoor) -> None:
    payloads = {
        "wrong kind": record_pb2.Payload(uri="s3://b/k"),
        "none": record_pb2.Payload(),
        "empty": record_pb2.Payload(text=""),
        "long": record_pb2.Payload(text="x" * (1024 * 1024)),
        "good": record_pb2.Payload(text="good"),
    }
    sent = [record_pb2.Record(project="mail", record_id=name, payload=payload) for name, payload in payloads.items()]
    image, features = record_pb2.Image, record_pb2.Features
    sent += [
        record_pb2.Record(project="mail", record_id="a\nb", payload=payloads["good"]),
        record_pb2.Record(project="mail", record_id="x" * 257, payload=payloads["good"]),
        record_pb2.Record(project="mail", record_id="attr", payload=payloads["good"], attributes={"a": "x" * 1024}),
        record_pb2.Record(project="mial", record_id="typo", payload=payloads["good"]),
        record_pb2.Record(project="digits", record_id="0 bytes", payload=record_pb2.Payload(image=image(data=b""))),
        record_pb2.Record(
            project="digits",
            record_id="text",
            payload=record_pb2.Payload(image=image(data=b"text", media_type="image/png")),
        ),
        record_pb2.Record(
            project="digits",
            record_id="lie",
            payload=record_pb2.Payload(image=image(data=PNG, media_type="image/jpeg")),
        ),
        record_pb2.Record(
            project="waves", record_id="nan", payload=record_pb2.Payload(features=features(values=[1, float("nan"), 3]))
        ),
        record_pb2.Record(
            project="waves", record_id="short", payload=record_pb2.Payload(features=features(values=[1]))
        ),
        record_pb2.Record(project="docs", record_id="json", payload=record_pb2.Payload(json="{'a'}")),
        record_pb2.Record(project="links", record_id="uri", payload=record_pb2.Payload(uri="nowhere")),
    ]
    request = ingest_service_pb2.IngestRecordsRequest(records=sent).SerializeToString()
    # One more, as only another language can send it: a text that is not UTF-8.
    broken = record_pb2.Record(project="mail", payload=record_pb2.Payload(text="caf?")).SerializeToString()
    request += b"\x0a" + bytes([len(broken)]) + broken.replace(b"caf?", b"caf\xe9")
    async with grpc.aio.insecure_channel(door.address) as channel:
        answer = await channel.unary_unary(UNARY)(request)
    results = ingest_service_pb2.IngestRecordsResponse.FromString(answer).results
    reasons = [result.reason for result in results]
    assert reasons == [
        Reason.PAYLOAD_KIND_MISMATCH,
        Reason.PAYLOAD_MISSING,
        Reason.INVALID_TEXT,
        Reason.PAYLOAD_TOO_LARGE,
        "",
        Reason.INVALID_RECORD_ID,
        Reason.INVALID_RECORD_ID,
        Reason.INVALID_ATTRIBUTES,
        Reason.UNKNOWN_PROJECT,
        Reason.INVALID_IMAGE,
        Reason.INVALID_IMAGE,
        Reason.INVALID_IMAGE,
        Reason.INVALID_FEATURES,
        Reason.INVALID_FEATURES,
        Reason.INVALID_JSON,
        Reason.INVALID_URI,
        Reason.MALFORMED,
    ]
    assert "did you mean 'mail'?" in results[8].detail
    assert ids(await door.written(1)) == ["good"]
    exposed = await door.metrics()
    assert 'streamlabel_records_rejected_total{reason="INVALID_IMAGE"} 3.0' in exposed
    assert 'project="mail",transport="grpc"' in exposed
    assert "mial" not in exposed  # A caller's typo makes no series.


async def test_neither_a_hundred_megapixels_nor_too_many_bytes_nor_a_cut_off_picture_passes(door: RunningDoor) -> None:
    header = PNG[:8] + b"\0\0\0\x0dIHDR" + (10_000).to_bytes(4, "big") * 2 + b"\x08\0\0\0\0" + b"\0" * 100
    async with IngestClient(door.address) as client:
        results = await client.ingest(
            [
                NewRecord(project="digits", record_id="pixels", payload=ImagePayload(header, "image/png")),
                NewRecord(
                    project="digits", record_id="bytes", payload=ImagePayload(PNG + b"\0" * 1024 * 1024, "image/png")
                ),
                NewRecord(project="digits", record_id="cut", payload=ImagePayload(PNG[:-9], "image/png")),
            ]
        )
    assert [result.status for result in results] == [R, R, R]
    assert [result.reason for result in results] == [
        Reason.INVALID_IMAGE,
        Reason.PAYLOAD_TOO_LARGE,
        Reason.INVALID_IMAGE,
    ]


async def test_repeated_and_conflicting_records(door: RunningDoor) -> None:
    async with IngestClient(door.address) as client:
        first = await client.ingest([text("a", "1"), text("a", "1"), text("b", "1"), text("no id"), text("no id")])
        again = await client.ingest([text("a", "1"), text("b", "1"), text("no id")])
        streamed = [result async for result in client.stream([text("a", "1"), text("new", "2"), text("new", "2")])]
    assert [result.status for result in first] == [A, D, R, A, D]
    assert [result.status for result in again] == [D, R, D]
    assert again[1].reason == Reason.CONFLICTING_RECORD
    assert [result.status for result in streamed] == [D, A, D]
    assert len(await door.written(3)) == 3


async def test_requests_that_are_none(door: RunningDoor) -> None:
    async with grpc.aio.insecure_channel(door.address) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as broken:
            await channel.unary_unary(UNARY)(b"\xff" * 50)
        assert broken.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        many = ingest_service_pb2.IngestRecordsRequest(records=[record_pb2.Record()] * 1001)
        with pytest.raises(grpc.aio.AioRpcError) as too_many:
            await channel.unary_unary(UNARY)(many.SerializeToString())
        assert too_many.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "at most 1000" in str(too_many.value.details())
        call = channel.stream_stream(STREAM)(iter([b"\xff\xff"]))
        with pytest.raises(grpc.aio.AioRpcError) as no_stream:
            _ = [answer async for answer in call]
        assert no_stream.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_project_is_known_as_soon_as_it_is_applied(door: RunningDoor, pipeline: Pipeline) -> None:
    async with IngestClient(door.address) as client:
        await pipeline.apply_project(project("fresh"))
        (result,) = await client.ingest([text("a", to="fresh")])
    assert result.status is A


async def test_ndjson_has_one_result_a_line(door: RunningDoor) -> None:
    body = '{"text": "a", "record_id": "1"}\n\n{"txt": "b"}\r\nnonsense\n{"text": "a", "record_id": "1"}\n{"text": "c"}'
    status, lines, _ = await post(door, "/v1/projects/mail/records", body, traceparent=TRACE)
    assert status == 200
    assert [(line["line"], line["status"], line.get("reason")) for line in lines] == [
        (1, "accepted", None),
        (3, "rejected", "UNKNOWN_FIELD"),
        (4, "rejected", "MALFORMED"),
        (5, "duplicate", None),
        (6, "accepted", None),
    ]
    assert "did you mean 'text'?" in lines[1]["detail"]
    written = await door.written(2)
    assert all(dict(message.headers)[TRACEPARENT] == TRACE.encode() for message in written)


async def test_a_json_array_has_one_result_an_element(door: RunningDoor) -> None:
    image = base64.b64encode(PNG).decode()
    body = json.dumps([{"image": image}, {"image": "????"}, 5])
    status, lines, _ = await post(door, "/v1/projects/digits/records", body, **{"Content-Type": "application/json"})
    assert status == 200
    assert [line["status"] for line in lines] == ["accepted", "rejected", "rejected"]
    one = json.dumps({"image": image, "record_id": "1"})
    status, lines, _ = await post(door, "/v1/projects/digits/records", one, **{"Content-Type": "application/json"})
    assert (status, [line["record_id"] for line in lines]) == (200, ["1"])


async def test_http_requests_that_are_none(door: RunningDoor) -> None:
    path = "/v1/projects/mail/records"
    status, (error,), _ = await post(door, "/v1/projects/mial/records", '{"text": "a"}')
    assert (status, error["error"]["code"]) == (404, "UNKNOWN_PROJECT")
    assert "did you mean 'mail'?" in error["error"]["message"]
    assert (await post(door, path, "text", **{"Content-Type": "text/plain"}))[0] == 415
    status, (error,), _ = await post(door, path, '{"text": "a"}', Origin="http://rebound.example.org")
    assert (status, error["error"]["code"]) == (403, "PERMISSION_DENIED")
    assert (await post(door, path, ""))[0] == 400
    assert (await post(door, path, "[{", **{"Content-Type": "application/json"}))[0] == 400
    assert (await post(door, path, '{"txt": "a"}\n'))[0] == 422
    status, lines, _ = await post(door, path, b'{"text": "caf\xe9"}\n{"text": "fine"}\n')
    assert (status, [line["status"] for line in lines]) == (200, ["rejected", "accepted"])
    async with aiohttp.ClientSession() as session, session.get(door.url(path)) as answer:
        assert answer.status == 405
    huge = '{"text": "' + "x" * (7 * 1024 * 1024) + '"}\n{"text": "after"}'
    status, lines, _ = await post(door, path, huge)
    assert [line.get("reason") for line in lines] == ["PAYLOAD_TOO_LARGE", None]


async def test_an_endless_body_is_answered_while_it_comes(door: RunningDoor) -> None:
    answered = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b'{"text": "first", "record_id": "f"}\n'
        await answered.wait()  # Nothing more comes until the first line has its answer.
        for i in range(5000):
            yield b'{"text": "more", "record_id": "%d"}\n' % i

    async with (
        aiohttp.ClientSession() as session,
        session.post(door.url("/v1/projects/mail/records"), data=body(), headers=NDJSON) as answer,
    ):
        assert json.loads(await answer.content.readline())["record_id"] == "f"
        answered.set()
        rest = [json.loads(line) for line in (await answer.text()).splitlines()]
    assert [line["record_id"] for line in rest] == [str(i) for i in range(5000)]
    assert all(line["status"] == "accepted" for line in rest)
    assert len(set(ids(await door.written(5001)))) == 5001


async def test_streams_answer_in_order_and_end_well_when_the_process_stops(door: RunningDoor) -> None:
    results: list[RecordResult] = []
    stopped: list[asyncio.Task[int]] = []

    async def endless() -> AsyncIterator[NewRecord]:
        for i in range(100_000):
            if i % 100 == 0:
                await asyncio.sleep(0.01)
            yield text(f"text {i}", str(i))

    async def until_nobody_is_there(client: IngestClient) -> None:
        async for result in client.stream(endless(), window=200):
            results.append(result)
            if len(results) == 1000:
                stopped.append(asyncio.create_task(door.terminate()))

    async with IngestClient(door.address, patience=Patience(give_up_s=1.0)) as client:
        with pytest.raises(TransientError):  # Nobody comes back on this address: the client says so in the end.
            await until_nobody_is_there(client)
    assert await stopped[0] == 0
    assert len(results) >= 1000
    assert [result.record_id for result in results] == [str(i) for i in range(len(results))]
    assert all(result.is_durable for result in results)
    written = set(ids(await door.written(len(results))))
    assert {result.record_id for result in results} <= written


async def test_every_metric_of_the_catalogue_that_traffic_touches(door: RunningDoor) -> None:
    async with IngestClient(door.address) as client:
        await client.ingest([text("a", "1"), text("a", "1")])
    exposed = await door.metrics()
    for sample in (
        'streamlabel_records_received_total{outcome="accepted",project="mail",transport="grpc"} 1.0',
        'streamlabel_records_received_total{outcome="duplicate",project="mail",transport="grpc"} 1.0',
        "streamlabel_ingest_in_flight_bytes 0.0",
        "streamlabel_ingest_batch_records_count 1.0",
        "streamlabel_ingest_acknowledge_seconds_count 1.0",
    ):
        assert sample in exposed
