"""`IngestClient` against a real gRPC server that misbehaves on purpose."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import grpc
import pytest

from streamlabel.client import IngestClient, NewRecord, RecordStatus, TextPayload
from streamlabel.client.batches import batches_of
from streamlabel.client.retry import Patience
from streamlabel.errors import ConfigurationError, TransientError
from support.scripted_ingest import ACCEPTED, REJECTED, UNAVAILABLE, ScriptedIngest, abort_with_retry_info, serving

QUICK = Patience(base_s=0.01, cap_s=0.05, give_up_s=5.0)


def records(count: int, size: int = 10) -> list[NewRecord]:
    return [NewRecord(project="p", record_id=f"r{i}", payload=TextPayload("x" * size)) for i in range(count)]


async def trickling(count: int) -> AsyncIterator[NewRecord]:
    for record in records(count):
        await asyncio.sleep(0)
        yield record


async def test_batches_keep_order_and_both_limits() -> None:
    batches = [batch async for batch in batches_of(records(25), max_records=10, max_bytes=10_000)]
    assert [len(batch) for batch in batches] == [10, 10, 5]
    assert [message.record_id for batch in batches for message in batch] == [f"r{i}" for i in range(25)]
    by_bytes = [batch async for batch in batches_of(records(6, size=1000), max_records=10, max_bytes=2500)]
    assert [len(batch) for batch in by_bytes] == [2, 2, 2]
    large = [batch async for batch in batches_of(records(3, size=5000), max_records=10, max_bytes=2500)]
    assert [len(batch) for batch in large] == [1, 1, 1]


async def test_results_come_in_the_order_of_the_records() -> None:
    service = ScriptedIngest()
    service.judge = lambda record, seen: REJECTED if record.record_id == "r1500" else ACCEPTED
    async with serving(service) as address, IngestClient(address, patience=QUICK) as client:
        results = await client.ingest(records(3000))
    assert [result.record_id for result in results] == [f"r{i}" for i in range(3000)]
    assert [i for i, result in enumerate(results) if not result.is_durable] == [1500]
    assert results[1500].reason == "SCRIPTED"
    assert len(service.calls) == 3


async def test_a_passing_failure_is_tried_again() -> None:
    service = ScriptedIngest()

    async def fail_twice(number: int, context: grpc.aio.ServicerContext) -> None:
        if number <= 2:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "starting")

    service.before_call = fail_twice
    async with serving(service) as address, IngestClient(address, patience=QUICK) as client:
        (result,) = await client.ingest(records(1))
    assert result.status is RecordStatus.ACCEPTED
    assert len(service.calls) == 3


async def test_the_servers_wish_for_a_pause_is_honoured() -> None:
    service = ScriptedIngest()

    async def full_once(number: int, context: grpc.aio.ServicerContext) -> None:
        if number == 1:
            await abort_with_retry_info(context, 0.4)

    service.before_call = full_once
    async with serving(service) as address, IngestClient(address, patience=QUICK) as client:
        began_s = time.monotonic()
        await client.ingest(records(1))
    assert time.monotonic() - began_s >= 0.4


async def test_only_what_was_not_taken_is_sent_again() -> None:
    service = ScriptedIngest()
    service.judge = lambda record, seen: UNAVAILABLE if record.record_id in ("r1", "r3") and seen == 1 else ACCEPTED
    async with serving(service) as address, IngestClient(address, patience=QUICK) as client:
        results = await client.ingest(records(5))
    assert all(result.is_durable for result in results)
    assert service.calls == [["r0", "r1", "r2", "r3", "r4"], ["r1", "r3"]]


async def test_what_will_never_pass_is_raised_at_once() -> None:
    service = ScriptedIngest()

    async def refuse(number: int, context: grpc.aio.ServicerContext) -> None:
        await context.abort(grpc.StatusCode.PERMISSION_DENIED, "not you")

    service.before_call = refuse
    async with serving(service) as address, IngestClient(address, patience=QUICK) as client:
        with pytest.raises(ConfigurationError, match="not you"):
            await client.ingest(records(1))
        with pytest.raises(ConfigurationError, match="not you"):
            _ = [result async for result in client.stream(records(1))]
    assert len(service.calls) == 1


async def test_patience_ends_when_nothing_moves() -> None:
    async with IngestClient("127.0.0.1:1", patience=Patience(base_s=0.01, cap_s=0.05, give_up_s=0.3)) as client:
        with pytest.raises(TransientError, match=r"took nothing for 0\.3 s"):
            await client.ingest(records(1))
        with pytest.raises(TransientError, match=r"took nothing for 0\.3 s"):
            _ = [result async for result in client.stream(records(1))]


async def test_a_record_beyond_any_message_is_refused_and_the_others_are_not() -> None:
    service = ScriptedIngest()
    huge = NewRecord(project="p", record_id="huge", payload=TextPayload("x" * 5_000_000))
    async with serving(service) as address, IngestClient(address, patience=QUICK) as client:
        results = await client.ingest([*records(1), huge, *records(1)])
    assert [result.status for result in results] == [
        RecordStatus.ACCEPTED,
        RecordStatus.REJECTED,
        RecordStatus.ACCEPTED,
    ]
    assert results[1].reason == "PAYLOAD_TOO_LARGE"


async def test_an_endless_source_is_read_no_further_than_needed() -> None:
    service = ScriptedIngest()
    drawn = 0

    async def endless() -> AsyncIterator[NewRecord]:
        nonlocal drawn
        while True:
            drawn += 1
            yield NewRecord(project="p", record_id=str(drawn), payload=TextPayload("x"))

    async with serving(service) as address, IngestClient(address, patience=QUICK) as client:
        results = client.ingest_many(endless(), batches_in_flight=2)
        first = await anext(results)
        assert first.record_id == "1"
        assert drawn <= 3001
        await results.aclose()
        streamed = client.stream(endless(), window=10)
        drawn = 0
        await anext(streamed)
        await asyncio.sleep(0.1)
        assert drawn <= 12
        await streamed.aclose()


async def test_a_stream_answers_in_order() -> None:
    service = ScriptedIngest()
    async with serving(service) as address, IngestClient(address, patience=QUICK) as client:
        results = [result async for result in client.stream(trickling(500), window=50)]
    assert [result.record_id for result in results] == [f"r{i}" for i in range(500)]
    assert len(service.streams) == 1


async def test_a_broken_stream_goes_on_with_what_was_not_answered() -> None:
    service = ScriptedIngest()
    service.break_after = [30, 0, 45]
    async with serving(service) as address, IngestClient(address, patience=QUICK) as client:
        results = [result async for result in client.stream(records(200), window=20)]
    assert [result.record_id for result in results] == [f"r{i}" for i in range(200)]
    assert len(service.streams) == 4
    assert service.streams[1] == []
    # What the client had in hand is all that may have been sent twice: nothing that was answered before the break.
    assert sum(map(len, service.streams)) <= 200 + 2 * 20


async def test_a_record_that_was_not_taken_is_sent_again_on_the_same_stream() -> None:
    service = ScriptedIngest()
    service.judge = lambda record, seen: UNAVAILABLE if record.record_id == "r5" and seen < 3 else ACCEPTED
    async with serving(service) as address, IngestClient(address, patience=QUICK) as client:
        results = [result async for result in client.stream(records(20))]
    assert [result.record_id for result in results] == [f"r{i}" for i in range(20)]
    assert all(result.is_durable for result in results)
    assert [stream.count("r5") for stream in service.streams] == [3]


async def test_a_silent_server_is_left_for_another_connection() -> None:
    service = ScriptedIngest()

    async def hang_once(number: int, context: grpc.aio.ServicerContext) -> None:
        if number == 1:
            await asyncio.sleep(30)

    service.before_call = hang_once
    async with serving(service) as address, IngestClient(address, patience=QUICK, timeout_s=0.3) as client:
        results = [result async for result in client.stream(records(3))]
    assert len(results) == 3
    assert len(service.streams) == 2


async def test_a_source_that_fails_is_the_callers_own_error() -> None:
    async def broken() -> AsyncIterator[NewRecord]:
        yield records(1)[0]
        raise KeyError("my own")

    async with serving(ScriptedIngest()) as address, IngestClient(address, patience=QUICK) as client:
        with pytest.raises(KeyError):
            _ = [result async for result in client.stream(broken())]
        with pytest.raises(KeyError):
            _ = [result async for result in client.ingest_many(broken())]
