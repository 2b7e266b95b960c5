"""How far learning's knowledge reaches: never further than what was read, and never a reason not to stop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

from streamlabel.errors import TransientError
from streamlabel.learning.adapters.horizon import Horizon


class Hour:
    """A clock that stands at one moment."""

    def now_ms(self) -> int:
        return 10_000_000

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


@contextlib.asynccontextmanager
async def looking(horizon: Horizon, reader: Reader) -> AsyncIterator[None]:
    """The horizon at work, after it has asked once; stopped at the end, which it must heed."""
    horizon.watch(reader)
    running = asyncio.create_task(horizon.run())
    async with asyncio.timeout(10):
        await reader.asked.wait()
        await asyncio.sleep(0)
        yield
        await horizon.stop()
        await running


async def test_a_partition_that_was_read_to_its_end_is_known_up_to_now() -> None:
    horizon = Horizon(Hour())
    async with looking(horizon, Reader({0: True, 1: True})):
        assert horizon.horizon_ms() == 9_999_000


async def test_one_that_lags_holds_it_at_the_last_message() -> None:
    horizon = Horizon(Hour())
    horizon.applied(1, 5_000_000)
    horizon.applied(1, 4_000_000)
    async with looking(horizon, Reader({0: True, 1: False})):
        assert horizon.horizon_ms() == 4_999_000


async def test_a_partition_out_of_sight_or_no_word_at_all_holds_it_still() -> None:
    for answer in ({0: True}, {}, TransientError("away")):
        horizon = Horizon(Hour())
        horizon.applied(1, 5_000_000)
        async with looking(horizon, Reader(answer)):
            assert horizon.horizon_ms() == 0


async def test_it_stops_though_its_reader_never_answers() -> None:
    async with looking(Horizon(Hour()), Reader(None)):
        pass
