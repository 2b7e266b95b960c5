"""One lasting exchange with the door, across as many connections as it takes.

records ──feed──▶ unanswered (bounded) ──write──▶ door ──read──▶ answered ──in order──▶ results
                      ▲                                            │
                      └── again, after a pause: UNAVAILABLE, or the connection broke
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import grpc

from streamlabel.client.retry import Patience, asked_delay_s, is_passing, told
from streamlabel.core.submission import RecordResult, RecordStatus
from streamlabel.errors import ConfigurationError, TransientError
from streamlabel.v1 import ingest_service_pb2, record_pb2
from streamlabel.wire.record_results import from_message

StreamRequest = ingest_service_pb2.StreamRecordsRequest


class RecordStream:
    """Used once. `results` drives everything; leaving it cancels what is under way."""

    def __init__(
        self,
        *,
        open_call: Callable[[], Any],
        messages: AsyncIterator[record_pb2.Record],
        window: int,
        patience: Patience,
        answer_timeout_s: float,
        on_trouble: Callable[[str], None],
    ) -> None:
        self._open_call = open_call
        self._messages = messages
        self._window = window
        self._patience = patience
        self._answer_timeout_s = answer_timeout_s
        self._on_trouble = on_trouble
        # By sequence, in order: what has no final answer yet, and what waits for its turn to be told.
        self._unanswered: dict[int, record_pb2.Record] = {}
        self._answered: dict[int, RecordResult] = {}
        self._outbox: deque[int] = deque()
        self._fed_all = False
        self._told = 0
        self._connection = 0
        self._progress_s = time.monotonic()
        self._room = asyncio.Event()
        self._work = asyncio.Event()
        self._news = asyncio.Event()

    async def results(self) -> AsyncIterator[RecordResult]:
        """One result a record, in order; raises TransientError after too long without any progress."""
        feeding = asyncio.create_task(self._feed(), name="record stream feed")
        carrying = asyncio.create_task(self._carry(), name="record stream carry")
        for task in (feeding, carrying):
            task.add_done_callback(lambda _: self._news.set())
        try:
            while True:
                while (result := self._answered.pop(self._told, None)) is not None:
                    self._told += 1
                    self._room.set()
                    yield result
                for task in (feeding, carrying):
                    if task.done():
                        task.result()
                if carrying.done() and not self._answered:
                    return
                await self._news.wait()
                self._news.clear()
        finally:
            for task in (feeding, carrying):
                task.cancel()
            await asyncio.wait({feeding, carrying})

    async def _feed(self) -> None:
        sequence = 0
        try:
            async for message in self._messages:
                while sequence - self._told >= self._window:
                    self._room.clear()
                    await self._room.wait()
                if not self._unanswered:
                    self._progress_s = time.monotonic()  # Idle until now: nobody kept us waiting.
                self._unanswered[sequence] = message
                self._outbox.append(sequence)
                sequence += 1
                self._work.set()
        finally:
            self._fed_all = True
            self._work.set()

    async def _carry(self) -> None:
        """Exchange until everything that was fed is answered, on one connection after another."""
        attempt = 0
        while await self._has_work():
            answered_before = self._told + len(self._answered)
            why, asked_s = await self._exchange()
            attempt = 1 if self._told + len(self._answered) > answered_before else attempt + 1
            if self._unanswered:
                self._check_patience(why)
                self._on_trouble(why)
                await asyncio.sleep(self._patience.delay_s(attempt, at_least_s=asked_s))

    async def _has_work(self) -> bool:
        while not self._unanswered:
            if self._fed_all:
                return False
            self._work.clear()
            await self._work.wait()
        return True

    async def _exchange(self) -> tuple[str, float]:
        """One connection, from its opening to its end; returns why it ended, and the pause that the server asked for."""
        self._connection += 1
        self._outbox = deque(self._unanswered)
        call = self._open_call()
        writing = asyncio.create_task(self._write(call), name="record stream write")
        try:
            await self._read(call)
            return "the door closed the stream", 0.0
        except grpc.aio.AioRpcError as error:
            if not is_passing(error):
                raise ConfigurationError(f"the door refuses the stream: {told(error)}") from error
            return told(error), asked_delay_s(error)
        finally:
            writing.cancel()
            call.cancel()
            # A write on a broken call fails in its own way; why it broke is known from the read.
            with suppress(asyncio.CancelledError, grpc.aio.AioRpcError, asyncio.InvalidStateError):
                await writing

    async def _write(self, call: Any) -> None:
        while True:
            while self._outbox:
                sequence = self._outbox.popleft()
                if (message := self._unanswered.get(sequence)) is not None:
                    await call.write(StreamRequest(sequence=sequence, record=message))
            if self._fed_all and not self._unanswered:
                await call.done_writing()
                return
            self._work.clear()
            await self._work.wait()

    async def _read(self, call: Any) -> None:
        while True:
            reading = asyncio.ensure_future(call.read())
            while not (await asyncio.wait({reading}, timeout=self._answer_timeout_s))[0]:
                if self._unanswered:
                    reading.cancel()
                    self._check_patience("the door does not answer")
                    return
            response = reading.result()
            if response is grpc.aio.EOF:
                # Raises where the stream ended by an error.
                if (code := await call.code()) is not grpc.StatusCode.OK:
                    raise grpc.aio.AioRpcError(
                        code, await call.initial_metadata(), await call.trailing_metadata(), await call.details()
                    )
                return
            self._take(response.sequence, from_message(response.result))

    def _take(self, sequence: int, result: RecordResult) -> None:
        if sequence not in self._unanswered:
            return
        if result.status is RecordStatus.UNAVAILABLE:
            self._check_patience(result.detail)
            self._on_trouble(result.detail)
            asyncio.get_running_loop().call_later(self._patience.delay_s(1), self._again, sequence, self._connection)
            return
        del self._unanswered[sequence]
        self._answered[sequence] = result
        self._progress_s = time.monotonic()
        self._news.set()
        if not self._unanswered:
            self._work.set()

    def _again(self, sequence: int, connection: int) -> None:
        # A new connection has sent everything anew by itself.
        if connection == self._connection:
            self._outbox.append(sequence)
            self._work.set()

    def _check_patience(self, why: str) -> None:
        limit_s = self._patience.give_up_s
        if limit_s is not None and time.monotonic() - self._progress_s > limit_s:
            raise TransientError(f"the door took nothing for {limit_s:g} s: {why}")
