"""The door when things die: nothing acknowledged is lost, nothing lost is acknowledged."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence

import aiohttp
import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from streamlabel.client import IngestClient, NewRecord, RecordResult, RecordStatus, TextPayload
from streamlabel.client.retry import Patience
from streamlabel.local.servers import EmbeddedServers
from streamlabel.v1 import ingest_service_pb2
from streamlabel.wire import records
from streamlabel.wire.submissions import to_message
from support.door import MAIL
from support.pipeline import Pipeline
from support.running_door import RunningDoor, ids, running_door

pytestmark = pytest.mark.integration

QUICK = Patience(base_s=0.05, cap_s=0.5, give_up_s=60)
UNARY = "/streamlabel.v1.IngestService/IngestRecords"


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServers]:
    """A Kafka to kill and to halt, one for the tests of this module: each leaves it running."""
    with EmbeddedServers(tmp_path_factory.mktemp("servers"), ["kafka"]) as servers:
        yield servers


async def paced(count: int, size: int = 200) -> AsyncIterator[NewRecord]:
    """A source that takes some seconds, so that something can happen meanwhile."""
    for i in range(count):
        if i % 50 == 0:
            await asyncio.sleep(0.02)
        yield NewRecord(project="mail", record_id=str(i), payload=TextPayload(f"{i} " + "x" * size))


async def send(client: IngestClient, count: int, results: list[RecordResult], *, streaming: bool) -> None:
    sending = client.stream(paced(count), window=500) if streaming else client.ingest_many(paced(count))
    async for result in sending:
        results.append(result)


async def until(results: Sequence[RecordResult], count: int) -> None:
    async with asyncio.timeout(60):
        while len(results) < count:
            await asyncio.sleep(0.01)


async def check_all_there(door: RunningDoor, results: Sequence[RecordResult], count: int) -> None:
    assert [result.record_id for result in results] == [str(i) for i in range(count)]
    assert all(result.is_durable for result in results)
    written = await door.written(count)
    contents: dict[str, set[bytes]] = {}
    for message in written:
        record = records.decode(message.value)
        contents.setdefault(record.key.record_id, set()).add(record.content_hash)
    assert contents.keys() == {str(i) for i in range(count)}
    # A record may lie there twice (a retry of what was written and not acknowledged), but never with another content:
    # the next stage drops it by that.
    assert all(len(hashes) == 1 for hashes in contents.values())


@pytest.mark.parametrize("streaming", [False, True], ids=["batches", "stream"])
async def test_kill_9_and_the_client_goes_on(kafka: str, topic_prefix: str, streaming: bool) -> None:
    pipeline = await Pipeline.create(kafka, topic_prefix)
    await pipeline.apply_project(MAIL)
    results: list[RecordResult] = []
    async with running_door(pipeline, kafka) as door, IngestClient(door.address, patience=QUICK) as client:
        sending = asyncio.create_task(send(client, 6000, results, streaming=streaming))
        for reached in (800, 3000):
            await until(results, reached)
            await door.kill()
            await door.start()
        await sending
        await check_all_there(door, results, 6000)


async def test_a_broker_that_dies_in_mid_batch(servers: EmbeddedServers, topic_prefix: str) -> None:
    pipeline = await Pipeline.create(servers.kafka, topic_prefix)
    await pipeline.apply_project(MAIL)
    results: list[RecordResult] = []
    async with (
        running_door(pipeline, servers.kafka, ingest_delivery_timeout_s=2) as door,
        IngestClient(door.address, patience=QUICK) as client,
    ):
        sending = asyncio.create_task(send(client, 5000, results, streaming=False))
        await until(results, 1000)
        servers.kill("kafka")
        acknowledged = len(results)
        (told,) = await _ask_once(door, NewRecord(project="mail", record_id="lone", payload=TextPayload("lone")))
        assert told == ingest_service_pb2.RECORD_STATUS_UNAVAILABLE
        status, lines = await _post(door, '{"text": "lone", "record_id": "lone"}')
        assert (status, [line["status"] for line in lines]) == (503, ["unavailable"])
        assert (await door.readiness())[0] == 503
        # Batches that were under way may have been answered at the very end; none is acknowledged without a broker.
        answered = len(results)
        assert answered - acknowledged <= 4000
        servers.restart("kafka")  # From the main thread: the server dies with the thread that started it.
        await sending
        await door.until_ready()
        assert await _ask_once(door, NewRecord(project="mail", record_id="0", payload=TextPayload("other"))) != [
            ingest_service_pb2.RECORD_STATUS_UNAVAILABLE
        ]
        assert all(result.is_durable for result in results)
        written = Counter(ids(await door.written(5000)))
        assert {str(i) for i in range(5000)} <= written.keys()


async def test_a_flood_is_turned_away_with_a_hint_and_nothing_of_it_is_taken(
    servers: EmbeddedServers, topic_prefix: str
) -> None:
    pipeline = await Pipeline.create(servers.kafka, topic_prefix)
    await pipeline.apply_project(MAIL)
    limits = {"ingest_record_max_bytes": 10_000, "ingest_batch_max_bytes": 40_000, "ingest_in_flight_max_bytes": 50_000}
    async with running_door(pipeline, servers.kafka, **limits) as door:
        await _ask_once(door, NewRecord(project="mail", record_id="warm", payload=TextPayload("warm")))
        large = [NewRecord(project="mail", record_id=f"l{i}", payload=TextPayload("x" * 6000)) for i in range(5)]
        flood = [NewRecord(project="mail", record_id=f"f{i}", payload=TextPayload("x" * 6000)) for i in range(5)]
        os.kill(servers.pid("kafka"), signal.SIGSTOP)  # A broker that is there and says nothing.
        try:
            first = asyncio.create_task(_ask_once(door, *large))
            await asyncio.sleep(0.5)
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await _ask_once(door, *flood)
            assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert _retry_delay_s(refused.value) > 0
            body = "\n".join(json.dumps({"text": "x" * 6000, "record_id": f"h{i}"}) for i in range(5))
            async with (
                aiohttp.ClientSession() as session,
                session.post(
                    door.url("/v1/projects/mail/records"), data=body, headers={"Content-Type": "application/x-ndjson"}
                ) as answer,
            ):
                assert answer.status == 429
                assert int(answer.headers["Retry-After"]) >= 1
                assert (await answer.json())["error"]["code"] == "RESOURCE_EXHAUSTED"
            # A client of ours waits and gets through; a stream is held back by its window alone.
            async with IngestClient(door.address, patience=QUICK) as client:
                patient = asyncio.create_task(client.ingest(flood))
                await asyncio.sleep(0.5)
                assert not patient.done()
                os.kill(servers.pid("kafka"), signal.SIGCONT)
                assert [result.status for result in await patient] == [RecordStatus.ACCEPTED] * 5
        finally:
            os.kill(servers.pid("kafka"), signal.SIGCONT)
        assert await first == [ingest_service_pb2.RECORD_STATUS_ACCEPTED] * 5
        assert Counter(ids(await door.written(11))) == Counter(
            ["warm", *(f"l{i}" for i in range(5)), *(f"f{i}" for i in range(5))]
        )
        assert "streamlabel_ingest_in_flight_bytes 0.0" in await door.metrics()


async def test_without_kafka_it_waits_and_says_for_what(servers: EmbeddedServers, topic_prefix: str) -> None:
    pipeline = await Pipeline.create(servers.kafka, topic_prefix)
    await pipeline.apply_project(MAIL)
    servers.kill("kafka")
    async with running_door(pipeline, servers.kafka, start=False) as door:
        await door.start(wait=False)
        async with asyncio.timeout(20):
            while "topic records" not in (await door.readiness())[1]:
                await asyncio.sleep(0.1)
        status, reasons = await door.readiness()
        assert status == 503
        assert servers.kafka in reasons["topic records"]
        servers.restart("kafka")  # From the main thread: the server dies with the thread that started it.
        await door.until_ready()
        assert await _ask_once(door, NewRecord(project="mail", payload=TextPayload("a"))) == [
            ingest_service_pb2.RECORD_STATUS_ACCEPTED
        ]


async def test_without_its_topic_it_names_the_command_that_makes_it(kafka: str, topic_prefix: str) -> None:
    pipeline = await Pipeline.create(kafka, topic_prefix)
    async with running_door(pipeline, kafka, start=False, kafka_topic_prefix=f"{topic_prefix}-none") as door:
        await door.start(wait=False)
        async with asyncio.timeout(20):
            while "topics apply" not in (await door.readiness())[1].get("topic records", ""):
                await asyncio.sleep(0.1)


async def _ask_once(door: RunningDoor, *sent: NewRecord) -> list[int]:
    """The statuses of one call, without any retry."""
    request = ingest_service_pb2.IngestRecordsRequest(records=[to_message(record) for record in sent])
    async with grpc.aio.insecure_channel(door.address) as channel:
        answer = await channel.unary_unary(UNARY)(request.SerializeToString(), timeout=30)
    return [result.status for result in ingest_service_pb2.IngestRecordsResponse.FromString(answer).results]


async def _post(door: RunningDoor, body: str) -> tuple[int, list[dict[str, object]]]:
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            door.url("/v1/projects/mail/records"), data=body, headers={"Content-Type": "application/x-ndjson"}
        ) as answer,
    ):
        return answer.status, [json.loads(line) for line in (await answer.text()).splitlines()]


def _retry_delay_s(error: grpc.aio.AioRpcError) -> float:
    details = dict(error.trailing_metadata() or ())["grpc-status-details-bin"]
    status = status_pb2.Status.FromString(details)  # type: ignore[arg-type]
    retry = error_details_pb2.RetryInfo()
    assert status.details[0].Unpack(retry)
    return retry.retry_delay.ToTimedelta().total_seconds()
