"""A broker that is killed between the decision to end a transaction and its markers writes them when it is back."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from streamlabel.local.servers import EmbeddedServers

pytestmark = pytest.mark.integration

INPUT, OUTPUT, NAME = "counted", "copied", "copier"
_CONTROL = 0x20


@dataclass(frozen=True, slots=True)
class Batch:
    """Where a batch of a log file begins, and whether it is a marker (KIP-98)."""

    begin: int
    is_marker: bool


def batches(log: bytes) -> Iterator[Batch]:
    """Those of a log file of Kafka; the rest of the file is not written yet."""
    begin = 0
    while begin + 61 <= len(log):
        (length,) = struct.unpack_from(">i", log, begin + 8)
        if length <= 0:
            return
        (attributes,) = struct.unpack_from(">h", log, begin + 21)
        yield Batch(begin, bool(attributes & _CONTROL))
        begin += 12 + length


def take_back_the_end(data: Path) -> int:
    """Cuts the logs where they were when the end of the only transaction was decided; how many markers go."""
    cut = 0
    for file in sorted(data.glob("*/*.log")):
        found = list(batches(file.read_bytes()))
        is_state = file.parent.name.startswith("__transaction_state-")
        if is_state and len(found) > 2:
            # What the coordinator says last: that the end is decided, that it is complete, and who comes after.
            _cut(file, found[-2])
        elif found and found[-1].is_marker:
            _cut(file, found[-1])
            cut += 1
    return cut


def _cut(file: Path, batch: Batch) -> None:
    with file.open("r+b") as opened:
        opened.truncate(batch.begin)


async def copy_one(bootstrap: str) -> None:
    """One row, and where its input stands."""
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id=NAME) as producer, producer.transaction():
        await producer.send(OUTPUT, b"row")
        await producer.send_offsets_to_transaction({TopicPartition(INPUT, 0): 1}, NAME)


async def test_the_markers_of_a_decided_transaction_are_written_after_a_kill(tmp_path: Path) -> None:
    """Otherwise the offset is lost, and the row is committed with the next transaction, that makes it a second time."""
    with EmbeddedServers(tmp_path, ["kafka"]) as servers:
        admin = AIOKafkaAdminClient(bootstrap_servers=servers.kafka)
        await admin.start()
        # Until a broker has laid down all its partitions some time goes by, in which it takes markers for those of deleted topics.
        await admin.create_topics([NewTopic(INPUT, 1, 1), NewTopic(OUTPUT, 1, 1), NewTopic("others", 200, 1)])
        await admin.close()
        await copy_one(servers.kafka)
        async with AIOKafkaProducer(bootstrap_servers=servers.kafka, transactional_id=NAME):
            """Waits until all is written."""
        servers.kill("kafka")
        assert take_back_the_end(servers.data.kafka / "data") == 2
        servers.restart("kafka")
        async with AIOKafkaProducer(bootstrap_servers=servers.kafka, transactional_id=NAME):
            """Whoever comes back waits until what was decided is done."""
        consumer = AIOKafkaConsumer(bootstrap_servers=servers.kafka, group_id=NAME, isolation_level="read_committed")
        await consumer.start()
        assert await consumer.committed(TopicPartition(INPUT, 0)) == 1
        written = TopicPartition(OUTPUT, 0)
        # The row and its marker.
        assert await consumer.end_offsets([written]) == {written: 2}
        await consumer.stop()
