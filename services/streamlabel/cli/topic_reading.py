"""Reading a topic for a person: from its first message to the end as it is now, or on and on."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from streamlabel.errors import ConfigurationError, TransientError
from streamlabel.runtime.broker import Broker, BrokerUnavailableError, FencedError, TopicReader
from streamlabel.runtime.messages import Message

_POLL_S = 0.2


@asynccontextmanager
async def open_reader(broker: Broker, topic: str) -> AsyncIterator[TopicReader]:
    """A started reader of `topic`, at its beginning; raises ConfigurationError with the way out where there is no such topic."""
    reader = broker.reader(topic)
    try:
        await reader.start()
    except BrokerUnavailableError as error:
        if "does not exist" in str(error):
            raise ConfigurationError(
                f"topic {topic} does not exist; `streamlabel topics apply` makes the topics of this prefix "
                "(STREAMLABEL_KAFKA_TOPIC_PREFIX or --topic-prefix names it)"
            ) from error
        raise
    try:
        yield reader
    finally:
        await reader.stop()


async def until_readable(broker: Broker, transactional_id: str) -> None:
    """Returns when the last transaction of a stopped producer can be read; a broker that is away is not waited for.

    A commit is answered before its markers are written; for a moment a reader's end still lies before it. Taking the id
    waits for them.
    """
    producer = broker.producer(transactional_id)
    try:
        with contextlib.suppress(TransientError, FencedError):
            await producer.start()
    finally:
        await producer.stop()


async def read_whole(broker: Broker, topic: str) -> list[Message]:
    """Every committed message of `topic`, each partition in order."""
    async with open_reader(broker, topic) as reader:
        return [message async for batch in until_end(reader) for message in batch]


async def until_end(reader: TopicReader) -> AsyncIterator[Sequence[Message]]:
    """Batches until the reader stands at the end of its topic."""
    while await reader.missing():
        batch = await reader.poll(_POLL_S)
        if batch:
            yield batch


async def follow(reader: TopicReader) -> AsyncIterator[Sequence[Message]]:
    """Batches as they come, without end."""
    while True:
        batch = await reader.poll(_POLL_S)
        if batch:
            yield batch
