"""One hop of the bare loop: read-committed in, the same bytes out, exactly once, and nothing else. A process of its own.

This is what a careful hand writes with aiokafka alone: one transactional producer a partition, started before the committed
offset is read; a fetch becomes one transaction of whole batches; every send is awaited before the offsets go along.
"""

from __future__ import annotations

import argparse
import asyncio
import signal

import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

MAX_ROWS = 500
FETCH_WAIT_MS = 200


async def hop(servers: str, source: str, target: str, group: str, partition: int) -> None:
    """Carries one partition until it is cancelled."""
    tp = TopicPartition(source, partition)
    producer = AIOKafkaProducer(
        bootstrap_servers=servers,
        transactional_id=f"{group}.{source}.{partition}",
        acks="all",
        linger_ms=0,
        max_batch_size=512 * 1024,
    )
    consumer = AIOKafkaConsumer(
        bootstrap_servers=servers,
        group_id=group,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    await producer.start()
    await consumer.start()
    try:
        consumer.assign([tp])
        committed = await consumer.committed(tp)
        if committed is not None:
            consumer.seek(tp, committed)
        while True:
            fetched = await consumer.getmany(tp, timeout_ms=FETCH_WAIT_MS, max_records=MAX_ROWS)
            records = fetched.get(tp, [])
            if not records:
                continue
            async with producer.transaction():
                batch = producer.create_batch()
                for record in records:
                    if batch.append(key=record.key, value=record.value, timestamp=record.timestamp) is None:
                        raise RuntimeError("a fetch is larger than a batch")
                batch.close()
                await (await producer.send_batch(batch, target, partition=partition))
                await producer.send_offsets_to_transaction({tp: records[-1].offset + 1}, group)
    finally:
        await consumer.stop()
        await producer.stop()


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("servers", "source", "target", "group"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--partitions", type=int, required=True)
    given = parser.parse_args()
    hops = [
        asyncio.create_task(hop(given.servers, given.source, given.target, given.group, partition))
        for partition in range(given.partitions)
    ]
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, lambda: [task.cancel() for task in hops])
    done = await asyncio.gather(*hops, return_exceptions=True)
    for result in done:
        if isinstance(result, Exception):
            raise result


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
