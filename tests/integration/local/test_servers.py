"""The embedded servers are the real ones: they answer their own protocols, come back on their ports, and leave nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from streamlabel.local import ports
from streamlabel.local.child import ProcessIdentity, group_members
from streamlabel.local.servers import EmbeddedServers

pytestmark = pytest.mark.integration


async def test_kafka_keeps_committed_transactions_and_hides_aborted_ones(kafka: str, topic_prefix: str) -> None:
    topic = f"{topic_prefix}.letters"
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    await admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])
    await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=kafka, transactional_id=topic_prefix)
    await producer.start()
    async with producer.transaction():
        await producer.send_and_wait(topic, b"kept", partition=0)
    await producer.begin_transaction()
    await producer.send_and_wait(topic, b"dropped", partition=0)
    await producer.abort_transaction()
    async with producer.transaction():
        await producer.send_and_wait(topic, b"kept too", partition=0)
    await producer.stop()

    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, isolation_level="read_committed", auto_offset_reset="earliest")
    await consumer.start()
    consumer.assign([TopicPartition(topic, 0)])
    async with asyncio.timeout(30):
        values = [(await consumer.getone()).value for _ in range(2)]
    await consumer.stop()
    assert values == [b"kept", b"kept too"]


async def test_each_database_of_postgres_is_empty_and_ones_own(postgres_database: str, postgres: str) -> None:
    assert postgres_database != postgres
    connection = await asyncpg.connect(postgres_database)
    try:
        assert (await connection.fetchval("SHOW server_version")).startswith("18.")
        assert await connection.fetchval("SELECT count(*) FROM pg_stat_user_tables") == 0
        assert await connection.fetchval("SHOW fsync") == "on"
    finally:
        await connection.close()


async def test_triton_loads_a_model_that_was_put_into_its_repository(triton: str, triton_repository: Path) -> None:
    import numpy as np
    import tritonclient.grpc.aio as grpcclient

    folder = triton_repository / "doubling" / "1"
    folder.mkdir(parents=True)
    (folder / "model.py").write_text(
        "import triton_python_backend_utils as pb\n"
        "class TritonPythonModel:\n"
        "    def execute(self, requests):\n"
        "        return [pb.InferenceResponse([pb.Tensor('OUT', pb.get_input_tensor_by_name(r, 'IN').as_numpy() * 2)])"
        " for r in requests]\n"
    )
    (folder.parent / "config.pbtxt").write_text(
        'backend: "python"\nmax_batch_size: 64\n'
        'input [{ name: "IN" data_type: TYPE_FP32 dims: [4] }]\n'
        'output [{ name: "OUT" data_type: TYPE_FP32 dims: [4] }]\n'
    )
    rows = np.arange(40, dtype=np.float32).reshape(10, 4)
    client = grpcclient.InferenceServerClient(triton)
    try:
        assert (await client.get_server_metadata()).version == "2.51.0"
        await client.load_model("doubling")
        tensor = grpcclient.InferInput("IN", [10, 4], "FP32")
        tensor.set_data_from_numpy(rows)
        answer = await client.infer("doubling", [tensor])
        np.testing.assert_array_equal(answer.as_numpy("OUT"), rows * 2)
        await client.unload_model("doubling")
    finally:
        await client.close()


async def test_a_killed_postgres_comes_back_with_its_data(own_servers: Callable[..., EmbeddedServers]) -> None:
    servers = own_servers("postgres")
    connection = await asyncpg.connect(servers.postgres)
    await connection.execute("CREATE TABLE kept (value int); INSERT INTO kept VALUES (7)")
    servers.kill("postgres")
    with pytest.raises((OSError, asyncpg.PostgresError)):
        await asyncpg.connect(servers.postgres, timeout=2)
    servers.restart("postgres")
    connection = await asyncpg.connect(servers.postgres)
    assert await connection.fetchval("SELECT value FROM kept") == 7
    await connection.close()


def test_a_stopped_server_leaves_no_process_and_no_port(tmp_path: Path) -> None:
    with EmbeddedServers(tmp_path, ["triton", "postgres"]) as servers:
        pids = [servers.pid("triton"), servers.pid("postgres")]
        assert all(ProcessIdentity.of(pid) for pid in pids)
        address = int(servers.triton.rsplit(":", 1)[1])
        assert ports.accepts(address)
    assert [member for pid in pids for member in group_members(pid)] == []
    assert not ports.accepts(address)
    assert list((tmp_path / "processes").iterdir()) == []
