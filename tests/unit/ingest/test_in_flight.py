"""The bytes that are out, and who waits for room."""

from __future__ import annotations

import asyncio

import pytest

from streamlabel.ingest.in_flight import ByteBudget
from support.door import turns


async def test_room_is_taken_and_given_back() -> None:
    budget = ByteBudget(100)
    assert budget.try_take(60)
    assert not budget.try_take(41)
    assert budget.try_take(40)
    budget.give_back(60)
    assert budget.used_bytes == 40


async def test_who_waits_is_served_in_order_and_nobody_slips_by() -> None:
    budget = ByteBudget(100)
    assert budget.try_take(100)
    served: list[str] = []

    async def caller(name: str, size_bytes: int) -> None:
        await budget.take(size_bytes)
        served.append(name)

    first = asyncio.create_task(caller("large", 90))
    await turns()
    second = asyncio.create_task(caller("small", 5))
    await turns()
    budget.give_back(10)
    await turns()
    assert served == []  # The small one would fit, but the large one came before it.
    assert not budget.try_take(1)
    budget.give_back(90)
    await asyncio.gather(first, second)
    assert served == ["large", "small"]
    assert budget.used_bytes == 95


async def test_one_who_gives_up_leaves_no_trace() -> None:
    budget = ByteBudget(100)
    assert budget.try_take(100)
    impatient = asyncio.create_task(budget.take(80))
    patient = asyncio.create_task(budget.take(20))
    await turns()
    impatient.cancel()
    with pytest.raises(asyncio.CancelledError):
        await impatient
    budget.give_back(20)
    await patient
    assert budget.used_bytes == 100


async def test_giving_up_at_the_moment_of_the_turn_returns_the_bytes() -> None:
    budget = ByteBudget(100)
    assert budget.try_take(100)
    waiting = asyncio.create_task(budget.take(80))
    await turns()
    budget.give_back(100)  # The turn has come …
    waiting.cancel()  # … and the caller leaves before it runs again.
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert budget.used_bytes == 0
