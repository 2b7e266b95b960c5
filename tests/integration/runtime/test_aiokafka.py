"""What we know of aiokafka and of our Kafka, so that a change of either is caught at once."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Collection
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, errors
from aiokafka.conn import AIOKafkaConnection
from aiokafka.structs import TopicPartition

from streamlabel.errors import TransientError
from streamlabel.local.servers import EmbeddedServers
from streamlabel.runtime.broker import BrokerUnavailableError, MessageTooLargeError
from streamlabel.runtime.kafka import KafkaBroker
from streamlabel.runtime.kafka_source import KafkaSource
from support.contract_of_broker import Listener, assigned, of, read, record, transact, write
from support.kafka_topics import kafka_connection, make_topic

pytestmark = pytest.mark.integration


async def test_wire_versions_that_are_negotiated(
    kafka: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kafka drops old versions: the day it drops one of these, this fails before an operator finds out."""
    connection = kafka_connection(kafka)
    topic = await make_topic(connection, topic_prefix, 1)
    spoken: dict[str, int] = {}
    accepted: dict[int, tuple[int, int]] = {}
    original = AIOKafkaConnection.send

    def send(self: AIOKafkaConnection, request: Any, expect_response: bool = True) -> Any:
        accepted.update(self._versions)
        if request.API_KEY != 18:  # ApiVersions, by which the rest is negotiated.
            prepared = request.prepare(self._versions)
            spoken[type(prepared).__name__.partition("_")[0]] = prepared.API_VERSION
            low, high = self._versions[request.API_KEY]
            assert low <= prepared.API_VERSION <= high
        return original(self, request, expect_response)

    monkeypatch.setattr(AIOKafkaConnection, "send", send)
    broker = KafkaBroker(connection)
    source, listener = broker.source(topic, topic_prefix), Listener()
    await source.start(listener)
    await assigned(source, listener, 1)
    producer = broker.producer(f"{topic_prefix}.t")
    await producer.start()
    await transact(producer, topic, [b"x"], offsets=(topic_prefix, topic, 0))
    await source.committed(0)
    await source.bounds(0)
    source.seek(0, 0)
    source.resume(0)
    await read(source, 1)
    await producer.stop()
    await source.stop()
    assert spoken == {
        "MetadataRequest": 5,
        "FindCoordinatorRequest": 1,
        "JoinGroupRequest": 5,
        "SyncGroupRequest": 3,
        "LeaveGroupRequest": 1,
        "OffsetFetchRequest": 3,
        "OffsetRequest": 3,
        "FetchRequest": 11,
        "ProduceRequest": 7,
        "InitProducerIdRequest": 0,
        "AddPartitionsToTxnRequest": 0,
        "AddOffsetsToTxnRequest": 0,
        "TxnOffsetCommitRequest": 0,
        "EndTxnRequest": 0,
    }


async def test_aiokafka_commits_although_a_batch_failed_and_we_do_not(kafka: str, topic_prefix: str) -> None:
    """The loss that this runtime is built around: a batch fails, nobody awaits its future, the commit succeeds."""
    connection = kafka_connection(kafka)
    narrow = await make_topic(connection, topic_prefix, 1, {"max.message.bytes": "2000"})
    wide = await make_topic(connection, topic_prefix, 1)
    large = b"\x00" * 5_000

    bare = AIOKafkaProducer(bootstrap_servers=kafka, transactional_id=f"{topic_prefix}.bare")
    await bare.start()
    await bare.begin_transaction()
    lost = await bare.send(narrow, large, partition=0)
    await bare.send(wide, b"kept", partition=0)
    await bare.commit_transaction()  # No error.
    with pytest.raises(errors.MessageSizeTooLargeError):
        await lost
    await bare.stop()

    broker = KafkaBroker(connection)
    ours = broker.producer(f"{topic_prefix}.ours")
    await ours.start()
    await ours.begin()
    await ours.send(wide, 0, [record(b"not to be seen")])
    with pytest.raises(MessageTooLargeError):
        await ours.send(narrow, 0, [(b"k", large, ())])
    await ours.abort()
    await ours.stop()
    settled = broker.producer(f"{topic_prefix}.bare")
    await settled.start()
    await settled.stop()
    assert of(await broker.read_tail(wide, 0, 10, 10)) == [b"kept"]
    assert of(await broker.read_tail(narrow, 0, 10, 10)) == []


async def test_aiokafka_hands_out_records_while_the_assignment_runs_and_we_do_not(
    kafka: str, topic_prefix: str
) -> None:
    connection = kafka_connection(kafka)
    topic = await make_topic(connection, topic_prefix, 1)
    broker = KafkaBroker(connection)
    await write(broker, topic, {0: [b"a", b"b"]})

    entered, leave = asyncio.Event(), asyncio.Event()

    class Slow(ConsumerRebalanceListener):  # type: ignore[misc]
        async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
            entered.set()
            await leave.wait()

        async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
            pass

    bare = AIOKafkaConsumer(bootstrap_servers=kafka, group_id=f"{topic_prefix}.bare", auto_offset_reset="earliest")
    await bare.start()
    bare.subscribe([topic], listener=Slow())
    await entered.wait()
    during = await bare.getmany(timeout_ms=5_000)
    assert sum(map(len, during.values())) == 2, "if this is gone from aiokafka, the gate is one reason the poorer"
    leave.set()
    await bare.stop()

    class SlowListener(Listener):
        async def assigned(self, partitions: Collection[int]) -> None:
            await asyncio.sleep(1)
            await super().assigned(partitions)

    source, listener = broker.source(topic, f"{topic_prefix}.ours"), SlowListener()
    await source.start(listener)
    seen: list[object] = []
    while not listener.partitions:
        seen += (await source.poll(0.05)).values()
    assert seen == []
    assert await read(source, 1, timeout_s=0.5) == {}, "nor before it is sought and resumed"
    await source.stop()


async def test_clients_end_though_the_broker_does_not_answer(
    own_servers: Callable[..., EmbeddedServers], topic_prefix: str
) -> None:
    """A broker that hangs keeps its connections open; aiokafka would wait for it, and leave tasks behind."""
    servers = own_servers("kafka")
    connection = kafka_connection(servers.kafka)
    topic = await make_topic(connection, topic_prefix, 1)
    broker = KafkaBroker(connection)
    before = asyncio.all_tasks()
    producer, appender, source, listener = (
        broker.producer("t"),
        broker.appender(),
        broker.source(topic, "g"),
        Listener(),
    )
    await asyncio.gather(producer.start(), appender.start(), source.start(listener))
    await assigned(source, listener, 1)
    await producer.begin()
    os.kill(servers.pid("kafka"), signal.SIGSTOP)
    try:
        sends = [asyncio.create_task(each.send(topic, 0, [record(b"x")])) for each in (producer, appender)]
        await asyncio.sleep(0.5)
        async with asyncio.timeout(25):
            with pytest.raises(BrokerUnavailableError):
                await producer.abort()
            await asyncio.gather(producer.stop(), appender.stop(), source.stop())
            results = await asyncio.gather(*sends, return_exceptions=True)
        assert all(isinstance(result, TransientError) for result in results), results
        await asyncio.sleep(0.1)
        assert asyncio.all_tasks() - before == set()
    finally:
        os.kill(servers.pid("kafka"), signal.SIGCONT)


async def test_a_fetcher_that_died_is_noticed(kafka: str, topic_prefix: str) -> None:
    connection = kafka_connection(kafka)
    topic = await make_topic(connection, topic_prefix, 1)
    source, listener = KafkaBroker(connection).source(topic, topic_prefix), Listener()
    assert isinstance(source, KafkaSource)
    await source.start(listener)
    await assigned(source, listener, 1)
    source._client._fetcher._fetch_task.cancel()
    with pytest.raises(Exception, match="fetcher"):
        await read(source, 1, timeout_s=5)
    await source.stop()
