"""Endless callers: answers in order, bounded ahead of them, batches by themselves."""

from __future__ import annotations

import asyncio

import pytest

from streamlabel.core.submission import RecordResult, RecordStatus
from streamlabel.ingest.adapters.pipeline import Pipeline, PipelineLimits
from support.door import BY_GRPC, Door, text_offer, turns


async def collect(pipeline: Pipeline[int]) -> list[tuple[int, RecordResult]]:
    return [answer async for answers in pipeline.answers() for answer in answers]


async def test_answers_come_in_the_order_of_the_records() -> None:
    door = Door()
    async with Pipeline[int](door.intake, BY_GRPC, PipelineLimits(batch_max_records=3)) as pipeline:
        collecting = asyncio.create_task(collect(pipeline))
        for i in range(20):
            await pipeline.put(i, text_offer(f"text {i}", to="mail" if i != 7 else "nowhere"))
        pipeline.end()
        answers = await collecting
    assert [tag for tag, _ in answers] == list(range(20))
    assert answers[7][1].status is RecordStatus.REJECTED
    assert all(len(batch) <= 3 for batch in door.log.appends)


async def test_what_arrives_while_batches_are_under_way_goes_together() -> None:
    door = Door()
    release = door.log.hold()
    async with Pipeline[int](door.intake, BY_GRPC, PipelineLimits(batches_in_flight=2)) as pipeline:
        collecting = asyncio.create_task(collect(pipeline))
        for i in range(50):
            await pipeline.put(i, text_offer(f"text {i}"))
            await turns(2)
        pipeline.end()
        await turns(20)
        assert len(door.log.appends) == 2
        release.set()
        assert len(await collecting) == 50
    assert [len(batch) for batch in door.log.appends] == [1, 1, 48]


async def test_the_window_holds_a_fast_caller_back() -> None:
    door = Door()
    release = door.log.hold()
    async with Pipeline[int](door.intake, BY_GRPC, PipelineLimits(window_records=4)) as pipeline:
        collecting = asyncio.create_task(collect(pipeline))
        put = 0

        async def caller() -> None:
            nonlocal put
            for i in range(10):
                await pipeline.put(i, text_offer(f"text {i}"))
                put += 1
            pipeline.end()

        calling = asyncio.create_task(caller())
        await turns(50)
        assert put == 4
        release.set()
        await calling
        assert len(await collecting) == 10


async def test_batches_are_cut_by_bytes_too_and_a_large_record_goes_alone() -> None:
    door = Door()
    limits = PipelineLimits(batch_max_bytes=1000, batches_in_flight=1)
    async with Pipeline[int](door.intake, BY_GRPC, limits) as pipeline:
        for i, size in enumerate((200, 200, 5000, 200)):
            await pipeline.put(i, text_offer(str(i) * size))
        pipeline.end()
        assert len(await collect(pipeline)) == 4
    assert [len(batch) for batch in door.log.appends] == [2, 1, 1]


async def test_after_the_end_what_came_is_answered_and_what_comes_is_dropped() -> None:
    door = Door()
    async with Pipeline[int](door.intake, BY_GRPC, PipelineLimits()) as pipeline:
        await pipeline.put(1, text_offer("in time"))
        pipeline.end()
        await pipeline.put(2, text_offer("too late"))
        assert [tag for tag, _ in await collect(pipeline)] == [1]
    assert len(door.log.written) == 1


async def test_a_defect_comes_out_where_the_answers_are_awaited() -> None:
    class BrokenDoor:
        async def take(self, *_: object, **__: object) -> None:
            raise ZeroDivisionError("defect")

    async with Pipeline[int](BrokenDoor(), BY_GRPC, PipelineLimits()) as pipeline:  # type: ignore[arg-type]
        await pipeline.put(1, text_offer())
        with pytest.raises(ZeroDivisionError):
            await collect(pipeline)
