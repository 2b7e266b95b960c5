"""The buffer between the poll loop and a worker."""

from __future__ import annotations

import asyncio

import pytest

from streamlabel.errors import InvalidMessageError
from streamlabel.runtime.clock import SystemClock
from streamlabel.runtime.handlers import LaneLimits
from streamlabel.runtime.inlet import Inlet
from streamlabel.runtime.messages import Message
from streamlabel.runtime.transaction import Refusals


class Valve:
    """The part of a Source that an inlet turns."""

    def __init__(self) -> None:
        self.turns: list[tuple[str, int]] = []

    def seek(self, partition: int, offset: int) -> None:
        self.turns.append(("seek", offset))

    def pause(self, partition: int) -> None:
        self.turns.append(("pause", partition))

    def resume(self, partition: int) -> None:
        self.turns.append(("resume", partition))


def messages(*offsets: int) -> list[Message]:
    return [
        Message(topic="t", partition=0, offset=offset, key=b"", value=b"12345", headers=(), timestamp_ms=0)
        for offset in offsets
    ]


@pytest.fixture
async def valve() -> Valve:
    return Valve()


def inlet_of(valve: Valve, **limits: float) -> Inlet:
    return Inlet(valve, 0, LaneLimits(**{"max_rows": 10, **limits}), SystemClock())  # type: ignore[arg-type]


async def take(inlet: Inlet, *, idle: bool = True) -> list[int] | None:
    batch = await asyncio.wait_for(inlet.take(lambda: idle), 2)
    return None if batch is None else [message.offset for message in batch.messages]


async def test_nothing_is_taken_before_it_is_open(valve):
    inlet = inlet_of(valve)
    inlet.offer(messages(1, 2))
    assert inlet.backlog == 0
    inlet.open(5)
    assert valve.turns == [("seek", 5), ("resume", 0)]


async def test_stale_fetches_are_dropped(valve):
    inlet = inlet_of(valve)
    inlet.open(5)
    inlet.offer(messages(3, 4, 5, 6))
    inlet.offer(messages(5, 6, 9))
    assert await take(inlet) == [5, 6, 9]
    inlet.offer(messages(6, 9))
    assert inlet.backlog == 0


async def test_closing_forgets_what_waits_and_ends_the_taker(valve):
    inlet = inlet_of(valve)
    inlet.open(0)
    taker = asyncio.create_task(inlet.take(lambda: True))
    await asyncio.sleep(0)
    inlet.close()
    inlet.offer(messages(0, 1))
    assert await taker is None
    assert inlet.backlog == 0
    inlet.open(1)
    inlet.offer(messages(0, 1))
    assert await take(inlet) == [1]


async def test_full_pauses_and_half_empty_resumes(valve):
    inlet = inlet_of(valve, max_rows=2)
    inlet.open(0)
    inlet.offer(messages(0, 1, 2))
    assert valve.turns[-1] == ("resume", 0)
    inlet.offer(messages(3, 4))
    assert valve.turns[-1] == ("pause", 0)
    assert await take(inlet) == [0, 1]
    assert valve.turns[-1] == ("pause", 0)
    assert await take(inlet) == [2, 3]
    assert valve.turns[-1] == ("resume", 0)


async def test_held_hands_out_nothing_until_released(valve):
    inlet = inlet_of(valve)
    inlet.open(0)
    inlet.hold()
    inlet.offer(messages(0))
    taker = asyncio.create_task(inlet.take(lambda: True))
    await asyncio.sleep(0.01)
    assert not taker.done()
    assert valve.turns[-1] == ("pause", 0)
    inlet.release()
    assert await taker is not None
    assert valve.turns[-1] == ("resume", 0)


async def test_a_busy_worker_gets_full_batches_or_those_that_waited(valve):
    inlet = inlet_of(valve, max_rows=3, max_wait_s=0.05)
    inlet.open(0)
    inlet.offer(messages(0, 1, 2, 3))
    loop = asyncio.get_running_loop()
    assert await take(inlet, idle=False) == [0, 1, 2]
    began_s = loop.time()
    assert await take(inlet, idle=False) == [3]
    assert loop.time() - began_s >= 0.04


async def test_refusals_are_kept_until_their_offset_is_committed():
    refusals = Refusals(
        outputs={3: InvalidMessageError("A", "a"), 5: InvalidMessageError("B", "b")}, dead_letters={4, 6}
    )
    refusals.forget_below(5)
    assert set(refusals.outputs) == {5}
    assert refusals.dead_letters == {6}
