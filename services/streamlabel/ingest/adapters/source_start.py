"""Where a source topic is begun that was never read before."""

from __future__ import annotations

from collections.abc import Collection

from streamlabel.runtime.broker import Broker


async def begin_at_end(broker: Broker, topic: str, group: str, partitions: int) -> None:
    """Gives `group` the end of each partition for which it has no offset yet. Raises TransientError and FencedError: try again.

    The offsets are committed before a lane opens, and not looked up by the lane itself: a lane that dies before its first commit
    would otherwise find another end, and what came in between would be nobody's. The transactional id keeps two processes that
    start together from overwriting one another: the later one fences the earlier, and reads what that one has committed.
    """
    producer = broker.producer(f"{group}.{topic}.start")
    try:
        await producer.start()
        unread = [
            partition for partition in range(partitions) if await broker.committed(group, topic, partition) is None
        ]
        if not unread:
            return
        ends = await _ends(broker, topic, group, unread)
        await producer.begin()
        await producer.send_offsets(group, {(topic, partition): end for partition, end in ends.items()})
        await producer.commit()
    finally:
        await producer.stop()


async def _ends(broker: Broker, topic: str, group: str, partitions: Collection[int]) -> dict[int, int]:
    # A group of its own for the look: joining the real one would make its members share out the partitions anew.
    source = broker.source(topic, f"{group}.start")
    try:
        await source.start(_Nobody())
        return {partition: (await source.bounds(partition))[1] for partition in partitions}
    finally:
        await source.stop()


class _Nobody:
    """Takes no interest in assignments."""

    async def assigned(self, partitions: Collection[int]) -> None: ...

    async def revoked(self, partitions: Collection[int]) -> None: ...
