"""Calls that come while a statement is under way share the next one: many people at once cost little more than one."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from streamlabel.errors import StreamlabelError

Ask = TypeVar("Ask")
Answer = TypeVar("Answer")


class Gathering(Generic[Ask, Answer]):
    """Hands asks to `perform` in groups, in the order in which they came; an idle one goes at once and alone.

    `perform` gives one answer per ask, in order. At most `max_in_flight` groups are under way; a group grows to asks that
    weigh `max_weight` together. More than one group at a time mostly makes the groups smaller and the database busier.
    Where a group fails through a defect (not a fate of `streamlabel.errors`), its asks are tried one by one, so that only
    the guilty one fails.
    """

    def __init__(
        self,
        perform: Callable[[Sequence[Ask]], Awaitable[Sequence[Answer]]],
        *,
        weight: Callable[[Ask], int],
        max_weight: int = 100,
        max_in_flight: int = 1,
    ) -> None:
        self._perform = perform
        self._weight = weight
        self._max_weight = max_weight
        self._max_in_flight = max_in_flight
        self._waiting: deque[tuple[Ask, asyncio.Future[Answer]]] = deque()
        self._groups: set[asyncio.Task[None]] = set()

    async def ask(self, ask: Ask) -> Answer:
        """The answer to this ask. A caller that leaves while it waits is dropped from its group."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((ask, answer))
        self._start_groups()
        return await answer

    def _start_groups(self) -> None:
        while self._waiting and len(self._groups) < self._max_in_flight:
            group = asyncio.create_task(self._run(self._next_group()), name="gathered statement")
            self._groups.add(group)
            group.add_done_callback(self._ended)

    def _ended(self, group: asyncio.Task[None]) -> None:
        self._groups.discard(group)
        self._start_groups()

    def _next_group(self) -> list[tuple[Ask, asyncio.Future[Answer]]]:
        group: list[tuple[Ask, asyncio.Future[Answer]]] = []
        weight = 0
        while self._waiting:
            ask, answer = self._waiting[0]
            if not answer.done():
                weight += self._weight(ask)
                if group and weight > self._max_weight:
                    break
                group.append((ask, answer))
            self._waiting.popleft()
        return group

    async def _run(self, group: list[tuple[Ask, asyncio.Future[Answer]]]) -> None:
        if not group:
            return
        try:
            answers = await self._perform([ask for ask, _ in group])
        except StreamlabelError as error:
            _fail(group, error)
        except Exception as error:  # noqa: BLE001  It reaches the caller whose ask it is.
            if len(group) == 1:
                _fail(group, error)
                return
            for lonely in group:
                await self._run([lonely])
        except BaseException as error:
            _fail(group, error)
            raise
        else:
            for (_, future), answer in zip(group, answers, strict=True):
                if not future.done():
                    future.set_result(answer)


def _fail(group: list[tuple[Ask, asyncio.Future[Answer]]], error: BaseException) -> None:
    for _, future in group:
        if not future.done():
            if isinstance(error, asyncio.CancelledError):
                future.cancel()
            else:
                future.set_exception(error)
