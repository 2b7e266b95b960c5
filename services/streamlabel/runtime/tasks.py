"""Tasks with an owner: ended on purpose, waited for, never left behind."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from streamlabel.runtime.clock import Clock

Result = TypeVar("Result")


async def end(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Cancel what still runs and wait for it; what these tasks raised has been seen or no longer matters."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
    for task in tasks:
        if not task.cancelled():
            task.exception()


async def result_before(work: Coroutine[Any, Any, Result], event: asyncio.Event) -> Result | None:
    """What `work` returns or raises; None if `event` is set first, and then `work` is cancelled."""
    task = asyncio.create_task(work)
    interrupted = asyncio.create_task(event.wait())
    try:
        await asyncio.wait({task, interrupted}, return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        await end([task, interrupted])


async def set_within(event: asyncio.Event, timeout_s: float) -> bool:
    """Wait until `event` is set, at most for `timeout_s`; tells whether it is."""
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return event.is_set()
    return True


async def pause(clock: Clock, delay_s: float, event: asyncio.Event) -> None:
    """Let `delay_s` pass, or less if `event` is set meanwhile."""
    await result_before(clock.sleep(delay_s), event)
