"""What lies in a dead-letter topic, and how a letter goes back to where it came from, exactly once.

A replayed letter stays where it lies; a *receipt* is written behind it, into the same partition and in the same
transaction as the message that goes back. So any choice of letters can be replayed in any order, a replay that is
killed or repeated doubles nothing, and letters and receipts are forgotten together when their retention ends. A
committed group offset could not say that letter 5 went back while letter 4 still waits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from streamlabel.cli.topic_reading import read_whole, until_readable
from streamlabel.errors import TransientError
from streamlabel.runtime import dead_letter
from streamlabel.runtime.broker import Broker, FencedError, LaneProducer
from streamlabel.runtime.messages import Headers, Message, RawRecord

RECEIPT = "dead-letter-replayed-offset"
_OWN_HEADERS = frozenset(
    {
        dead_letter.REASON,
        dead_letter.DETAIL,
        dead_letter.STAGE,
        dead_letter.ATTEMPT,
        dead_letter.TOPIC,
        dead_letter.PARTITION,
        dead_letter.OFFSET,
        dead_letter.TIMESTAMP_MS,
        dead_letter.OMITTED_BYTES,
        dead_letter.REPLAYED,
    }
)
_TRANSACTION_LETTERS = 200
_TRANSACTION_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a letter was read when it could not be handled."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One dead letter; `origin` is None where the message does not say where it came from (no service wrote it)."""

    message: Message
    reason: str
    detail: str
    stage: str
    origin: Origin | None
    omitted_bytes: int
    replayed: bool

    @property
    def original_headers(self) -> Headers:
        """The headers that the message had before it died."""
        return tuple(header for header in self.message.headers if header[0] not in _OWN_HEADERS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What a replay did; `stuck` are letters that cannot go back, each with the cause."""

    replayed: tuple[Letter, ...]
    stuck: tuple[tuple[Letter, str], ...]


def sort_letters(messages: Iterable[Message]) -> list[Letter]:
    """The letters among the messages of a dead-letter topic, oldest first, with what their receipts say of them."""
    letters: list[Message] = []
    receipts: set[tuple[int, int]] = set()
    for message in messages:
        replayed_offset = _number(message.headers, RECEIPT)
        if replayed_offset is None:
            letters.append(message)
        else:
            receipts.add((message.partition, replayed_offset))
    letters.sort(key=lambda message: (message.timestamp_ms, message.partition, message.offset))
    return [_letter(message, (message.partition, message.offset) in receipts) for message in letters]


class DeadLetterBox:
    """One dead-letter topic."""

    def __init__(self, broker: Broker, topic: str) -> None:
        self._broker = broker
        self.topic = topic
        self._replayer_id = f"{topic}.replay"

    async def letters(self) -> list[Letter]:
        """All that lie there, oldest first, replayed ones included."""
        return sort_letters(await read_whole(self._broker, self.topic))

    async def replay(self, chosen: Callable[[Letter], bool]) -> Replay:
        """Writes the chosen letters that were never replayed back to their origin: bytes, key and headers as they were.

        One header more, `dead_letter.REPLAYED`, tells the stage that this is no duplicate of what it has seen.
        Raises TransientError when the broker fails or another replay of this topic takes over; then as many letters as
        were committed are back, each once, and the same call goes on with the rest.
        """
        producer = self._broker.producer(self._replayer_id)
        try:
            # Taking the transactional id before reading settles and fences an earlier replay: its receipts are in what is read.
            await producer.start()
            waiting = [letter for letter in await self.letters() if chosen(letter) and not letter.replayed]
            stuck: list[tuple[Letter, str]] = []
            replayed: list[Letter] = []
            ready: list[tuple[Letter, Origin, RawRecord]] = []
            for letter in waiting:
                if letter.origin is None:
                    stuck.append((letter, "it does not say where it came from"))
                elif (record := await self._original(letter, letter.origin)) is None:
                    stuck.append((letter, f"its {letter.omitted_bytes} bytes were left out and their origin is gone"))
                else:
                    ready.append((letter, letter.origin, record))
            for batch in _batches(ready):
                await self._send_back(producer, batch)
                replayed += [letter for letter, _origin, _record in batch]
        except FencedError as error:
            raise TransientError(
                f"another replay of {self.topic} has taken over; look at the list, then run this again if letters wait"
            ) from error
        finally:
            await producer.stop()
        if replayed:
            await until_readable(self._broker, self._replayer_id)
        return Replay(replayed=tuple(replayed), stuck=tuple(stuck))

    async def _original(self, letter: Letter, origin: Origin) -> RawRecord | None:
        message = letter.message
        marker = ((dead_letter.REPLAYED, b"%d" % message.offset),)
        if letter.omitted_bytes:
            tail = await self._broker.read_tail(origin.topic, origin.partition, origin.offset + 1, 1)
            if not tail or tail[-1].offset != origin.offset:
                return None
            message = tail[-1]
            return (message.key or None, message.value, (*message.headers, *marker))
        value = None if message.tombstone else message.value
        return (message.key or None, value, (*letter.original_headers, *marker))

    async def _send_back(self, producer: LaneProducer, batch: Sequence[tuple[Letter, Origin, RawRecord]]) -> None:
        """One transaction: the messages at their origins, and their receipts here."""
        targets: dict[tuple[str, int], list[RawRecord]] = {}
        for letter, origin, record in batch:
            targets.setdefault((origin.topic, origin.partition), []).append(record)
            receipt: RawRecord = (letter.message.key or None, None, ((RECEIPT, b"%d" % letter.message.offset),))
            targets.setdefault((self.topic, letter.message.partition), []).append(receipt)
        await producer.begin()
        for (topic, partition), records in targets.items():
            await producer.send(topic, partition, records)
        await producer.commit()


def _letter(message: Message, replayed: bool) -> Letter:
    topic = _text(message.headers, dead_letter.TOPIC)
    partition = _number(message.headers, dead_letter.PARTITION)
    offset = _number(message.headers, dead_letter.OFFSET)
    known = topic and partition is not None and offset is not None
    return Letter(
        message=message,
        reason=_text(message.headers, dead_letter.REASON),
        detail=_text(message.headers, dead_letter.DETAIL),
        stage=_text(message.headers, dead_letter.STAGE),
        origin=Origin(topic=topic, partition=partition or 0, offset=offset or 0) if known else None,
        omitted_bytes=_number(message.headers, dead_letter.OMITTED_BYTES) or 0,
        replayed=replayed,
    )


def _text(headers: Headers, name: str) -> str:
    """The last value under `name`: our own headers stand behind the original ones."""
    values = [value for key, value in headers if key == name]
    return values[-1].decode("utf-8", "replace") if values else ""


def _number(headers: Headers, name: str) -> int | None:
    text = _text(headers, name)
    return int(text) if text.isascii() and text.isdigit() else None


def _batches(
    ready: Sequence[tuple[Letter, Origin, RawRecord]],
) -> Iterator[list[tuple[Letter, Origin, RawRecord]]]:
    batch: list[tuple[Letter, Origin, RawRecord]] = []
    size_bytes = 0
    for each in ready:
        length = len(each[2][1] or b"")
        if batch and (len(batch) == _TRANSACTION_LETTERS or size_bytes + length > _TRANSACTION_BYTES):
            yield batch
            batch, size_bytes = [], 0
        batch.append(each)
        size_bytes += length
    if batch:
        yield batch
