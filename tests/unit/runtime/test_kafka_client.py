"""Clients that cannot stop are taken apart, and their faults stay their own."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka import ConsumerRecord, errors

from streamlabel.errors import ConfigurationError
from streamlabel.runtime import kafka_client
from streamlabel.runtime.broker import BrokerUnavailableError, FencedError, TransactionFailedError
from streamlabel.runtime.kafka_client import kafka_call, stop_client, to_message


class Part:
    """Something that keeps a client alive by a task of its own."""

    def __init__(self) -> None:
        self.task = asyncio.create_task(self.run())

    async def run(self) -> None:
        await asyncio.Event().wait()


class Pool:
    def __init__(self) -> None:
        self.closed = 0

    async def close(self) -> None:
        self.closed += 1


@pytest.fixture(autouse=True)
def short_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_client, "_STOP_TIMEOUT_S", 0.05)
    monkeypatch.setattr(kafka_client, "_CLOSE_TIMEOUT_S", 0.05)


async def test_a_client_that_stops_is_left_to_it():
    pool = Pool()

    async def stop() -> None:
        await asyncio.sleep(0)

    await stop_client(stop, lambda: (), pool)
    assert pool.closed == 0


async def hangs() -> None:
    await asyncio.Event().wait()


async def fails() -> None:
    raise errors.KafkaError("no")


async def lets_a_cancellation_escape() -> None:
    """What aiokafka's fetcher does when it closes while one of its fetches waits to be tried again."""
    inner = asyncio.create_task(asyncio.sleep(60))
    await asyncio.sleep(0)
    inner.cancel()
    await inner


@pytest.mark.parametrize("stop", [hangs, fails, lets_a_cancellation_escape])
async def test_a_client_that_does_not_stop_loses_its_tasks_and_connections(stop):
    pool, part, stranger = Pool(), Part(), Part()
    await asyncio.wait_for(stop_client(stop, lambda: (part,), pool), 1)
    assert pool.closed == 1
    assert part.task.cancelled()
    assert not stranger.task.done()
    stranger.task.cancel()


async def test_whoever_is_cancelled_while_a_client_stops_is_cancelled():
    task = asyncio.create_task(stop_client(hangs, lambda: (), Pool()))
    await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.wait({task}, timeout=1)
    assert task.cancelled()


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (errors.ProducerFenced(), FencedError),
        (errors.InvalidProducerEpoch(), FencedError),
        (errors.OutOfOrderSequenceNumber(), TransactionFailedError),
        (errors.InvalidTxnState(), TransactionFailedError),
        (errors.TopicAuthorizationFailedError("t"), ConfigurationError),
        (errors.KafkaConnectionError(), BrokerUnavailableError),
        (errors.RequestTimedOutError(), BrokerUnavailableError),
        (AssertionError("Invalid state transition"), TransactionFailedError),
    ],
)
async def test_errors_come_in_our_own_words(raised, expected):
    with pytest.raises(expected, match="try it"):
        async with kafka_call("try it", 1):
            raise raised


async def test_where_nothing_could_be_reached_the_places_are_named():
    refused = errors.KafkaConnectionError(
        "Unable to bootstrap from [('127.0.0.1', 9092, <AddressFamily.AF_INET: 2>), ('k2', 9093, <AddressFamily.AF_UNSPEC: 0>)]"
    )
    with pytest.raises(
        BrokerUnavailableError, match=r"^try it: nothing that is Kafka answers at 127\.0\.0\.1:9092, k2:9093$"
    ):
        async with kafka_call("try it", 1):
            raise refused


async def test_an_authorization_error_that_the_sender_wrapped_is_still_one():
    with pytest.raises(ConfigurationError):
        async with kafka_call("try it", 1):
            raise errors.KafkaError("Unexpected error") from errors.GroupAuthorizationFailedError("g")


async def test_no_answer_in_time():
    with pytest.raises(BrokerUnavailableError, match=r"no answer from Kafka within 0\.01 s"):
        async with kafka_call("try it", 0.01):
            await asyncio.sleep(1)


async def test_other_errors_pass():
    with pytest.raises(ZeroDivisionError):
        async with kafka_call("try it", 1):
            raise ZeroDivisionError


async def test_a_cancellation_from_within_the_client_is_an_outage():
    given_up = asyncio.get_running_loop().create_future()
    given_up.cancel()
    with pytest.raises(BrokerUnavailableError, match="reading: the client gave the call up"):
        async with kafka_call("reading", 5):
            await given_up


async def test_a_cancellation_of_the_caller_stays_one():
    async def call() -> None:
        async with kafka_call("reading", 5):
            await asyncio.Event().wait()

    caller = asyncio.create_task(call())
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller


def test_null_headers_of_a_foreign_producer_are_empty():
    record = ConsumerRecord(
        topic="t",
        partition=0,
        offset=7,
        timestamp=1,
        timestamp_type=0,
        key=None,
        value=None,
        checksum=None,
        serialized_key_size=-1,
        serialized_value_size=-1,
        headers=(("ingested-at", None), ("traceparent", b"x")),
    )
    message = to_message(record)
    assert message.headers == (("ingested-at", b""), ("traceparent", b"x"))
    assert (message.key, message.value, message.tombstone) == (b"", b"", True)
