"""Calls that share a statement."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from streamlabel.errors import TransientError
from streamlabel.review.adapters.postgres.gathering import Gathering


class Statement:
    """Doubles numbers, one group at a time, when it is let."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: dict[int, Exception] = {}

    async def __call__(self, asks: Sequence[int]) -> Sequence[int]:
        self.groups.append(list(asks))
        await self.gate.wait()
        for ask in asks:
            if ask in self.error:
                raise self.error[ask]
        return [2 * ask for ask in asks]


async def start(gathering: Gathering[int, int], *asks: int) -> list[asyncio.Task[int]]:
    calls = [asyncio.create_task(gathering.ask(ask)) for ask in asks]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return calls


async def test_an_idle_one_goes_at_once_and_alone() -> None:
    statement = Statement()
    gathering = Gathering(statement, weight=lambda ask: 1)
    assert [await gathering.ask(number) for number in (1, 2)] == [2, 4]
    assert statement.groups == [[1], [2]]


async def test_what_comes_meanwhile_goes_together_in_its_order() -> None:
    statement = Statement()
    gathering = Gathering(statement, weight=lambda ask: 1, max_weight=3)
    statement.gate.clear()
    calls = await start(gathering, 1, 2, 3, 4, 5, 6)
    assert statement.groups == [[1]]
    statement.gate.set()
    assert await asyncio.gather(*calls) == [2, 4, 6, 8, 10, 12]
    assert statement.groups == [[1], [2, 3, 4], [5, 6]]


async def test_a_heavy_ask_goes_alone_but_goes() -> None:
    statement = Statement()
    gathering = Gathering(statement, weight=lambda ask: ask, max_weight=10)
    statement.gate.clear()
    calls = await start(gathering, 1, 50, 4, 6, 1)
    statement.gate.set()
    await asyncio.gather(*calls)
    assert statement.groups == [[1], [50], [4, 6], [1]]


async def test_trouble_reaches_all_of_a_group_and_nobody_else() -> None:
    statement = Statement()
    gathering = Gathering(statement, weight=lambda ask: 1)
    statement.error[2] = TransientError("away")
    statement.gate.clear()
    calls = await start(gathering, 1, 2, 3)
    statement.gate.set()
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert outcomes[0] == 2
    assert [type(outcome) for outcome in outcomes[1:]] == [TransientError, TransientError]
    assert await gathering.ask(4) == 8


async def test_a_defect_fails_only_the_guilty_one() -> None:
    statement = Statement()
    gathering = Gathering(statement, weight=lambda ask: 1)
    statement.error[3] = KeyError("defect")
    statement.gate.clear()
    calls = await start(gathering, 1, 2, 3, 4)
    statement.gate.set()
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert [outcome if isinstance(outcome, int) else type(outcome) for outcome in outcomes] == [2, 4, KeyError, 8]


async def test_who_leaves_while_waiting_is_not_asked_for() -> None:
    statement = Statement()
    gathering = Gathering(statement, weight=lambda ask: 1)
    statement.gate.clear()
    first, second, third = await start(gathering, 1, 2, 3)
    second.cancel()
    first.cancel()  # Its statement is under way: it runs to its end, and nobody hears of it.
    await asyncio.sleep(0)
    statement.gate.set()
    assert await third == 6
    assert statement.groups == [[1], [3]]
    with pytest.raises(asyncio.CancelledError):
        await second
