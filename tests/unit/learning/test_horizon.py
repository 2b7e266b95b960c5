"""How far learning's knowledge reaches: never further than what was read, and never a reason not to stop."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from streamlabel.errors import TransientError
from streamlabel.learning.adapters.horizon import Horizon


class Hour:
    """A clock that stands at one moment."""

    ms = 10_000_000

    def now_ms(self) -> int:
        return self.ms

    def monotonic_s(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@dataclass
class Reader:
    """Answers what it is told to; with nothing to answer it is silent for ever, as a client that was closed."""

    answer: Mapping[int, bool] | Exception | None
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def caught_up(self) -> Mapping[int, bool]:
        self.asked.set()
        if self.answer is None:
            await asyncio.Event().wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        assert self.answer is not None
        return self.answer


class Seen:
    """A horizon over some topics, of each of which these partitions were ever read."""

    def __init__(self, *readers: Reader, stored: Sequence[int] = ()) -> None:
        async def ever_read() -> Sequence[int]:
            return stored

        self.hour = Hour()
        self.horizon = Horizon(self.hour)
        self.readers = readers
        self.topics = [self.horizon.follow(ever_read) for _ in readers]
        for topic, reader in zip(self.topics, readers, strict=True):
            topic.watch(reader)

    async def after_a_clock_that_was_ahead(self, by_ms: int) -> int:
        """Where the horizon lies once the clock was put right."""
        self.hour.ms += by_ms
        running = asyncio.create_task(self.horizon.run())
        async with asyncio.timeout(10):
            while self.horizon.horizon_ms() < self.hour.ms - 1_000:
                await asyncio.sleep(0.01)
            self.hour.ms -= by_ms
            while self.horizon.horizon_ms() > self.hour.ms:
                await asyncio.sleep(0.01)
        await self.horizon.stop()
        await running
        return self.horizon.horizon_ms()

    async def until_ms(self) -> int:
        """Where the horizon lies once it has asked; stops it, which it must heed."""
        running = asyncio.create_task(self.horizon.run())
        async with asyncio.timeout(10):
            await self.readers[0].asked.wait()
            await asyncio.sleep(0.01)
            await self.horizon.stop()
            await running
        return self.horizon.horizon_ms()


async def test_a_partition_that_was_read_to_its_end_is_known_up_to_now() -> None:
    assert await Seen(Reader({0: True, 1: True})).until_ms() == 9_999_000


async def test_one_that_lags_holds_it_at_the_last_message() -> None:
    seen = Seen(Reader({0: True, 1: False}))
    seen.topics[0].applied(1, 5_000_000)
    seen.topics[0].applied(1, 4_000_000)
    assert await seen.until_ms() == 4_999_000


async def test_a_partition_out_of_sight_or_no_word_at_all_holds_it_still() -> None:
    for answer in ({0: True}, {}, TransientError("away")):
        seen = Seen(Reader(answer))
        seen.topics[0].applied(1, 5_000_000)
        assert await seen.until_ms() == 0


async def test_one_that_another_process_still_holds_is_out_of_sight() -> None:
    assert await Seen(Reader({0: True}), stored=(0, 1)).until_ms() == 0
    assert await Seen(Reader({0: True, 1: True}), stored=(1,)).until_ms() == 9_999_000


async def test_words_and_answers_that_are_not_read_yet_hold_it_too() -> None:
    """Else time would run out for what was answered long ago."""
    seen = Seen(Reader({0: True}), Reader({0: True}), Reader({0: False}))
    seen.topics[2].applied(0, 7_000_000)
    assert await seen.until_ms() == 6_999_000
    assert await Seen(Reader({0: True}), Reader(TransientError("away"))).until_ms() == 0


async def test_it_stops_though_its_reader_never_answers() -> None:
    assert await Seen(Reader(None)).until_ms() == 0


async def test_what_a_clock_that_was_ahead_made_known_of_the_future_is_forgotten() -> None:
    assert await Seen(Reader({0: True})).after_a_clock_that_was_ahead(172_800_000) == 9_999_000
