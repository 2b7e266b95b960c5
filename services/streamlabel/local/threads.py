"""Threads that nobody has to wait for: a stop in the middle of a download must not last until its end."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


def for_each(work: Callable[[T], None], items: Iterable[T], *, at_once: int) -> None:
    """Calls `work` for every item, `at_once` at a time; returns when all are done, or raises the first error at once."""
    todo: queue.SimpleQueue[T] = queue.SimpleQueue()
    count = 0
    for item in items:
        todo.put(item)
        count += 1
    outcomes: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()

    def body() -> None:
        while True:
            try:
                item = todo.get_nowait()
            except queue.Empty:
                return
            try:
                work(item)
            except BaseException as error:  # noqa: BLE001 - raised again in the thread that asked
                outcomes.put(error)
                return
            outcomes.put(None)

    for _ in range(min(at_once, count)):
        threading.Thread(target=body, daemon=True).start()
    for _ in range(count):
        if error := outcomes.get():
            raise error


async def run_in_thread(work: Callable[[], None]) -> None:
    """Runs `work` in a thread; a cancellation leaves the thread to itself."""
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[None] = loop.create_future()

    def settle(error: BaseException | None) -> None:
        if outcome.done():
            return
        if error is None:
            outcome.set_result(None)
        else:
            outcome.set_exception(error)

    def body() -> None:
        error: BaseException | None = None
        try:
            work()
        except BaseException as caught:  # noqa: BLE001 - raised again where it is awaited
            error = caught
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, error)

    threading.Thread(target=body, daemon=True).start()
    await outcome
