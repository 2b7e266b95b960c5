"""Rows of all lanes become few requests: whoever asks the same model meanwhile shares a request."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from streamlabel.errors import InvalidMessageError
from streamlabel.inference.adapters.isolation import ModelRpc, infer_isolating
from streamlabel.inference.ports import ModelAnswers
from streamlabel.inference.rules.signature import ModelTarget

_QueueKey = tuple[ModelTarget, tuple[int, ...], str]


@dataclass(slots=True, eq=False)
class _Question:
    """Rows that one caller waits for; `taken` of them are on their way, `answers` are back by first row."""

    rows: npt.NDArray[Any]
    answered: asyncio.Future[ModelAnswers]
    taken: int = 0
    missing: int = 0
    answers: dict[int, ModelAnswers] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Share:
    """Rows `start` to `stop` of a question, as part of one request."""

    question: _Question
    start: int
    stop: int


class Coalescer:
    """Asks a model server on behalf of many: requests of up to `max_rows`, at most `max_in_flight` of a model at once.

    Never waits for company: a request leaves as soon as one of the places in flight is free, with all rows that are
    there. So a quiet stream gets single rows answered at once, and a busy one full requests.
    """

    def __init__(self, rpc: ModelRpc, *, max_rows: int, max_in_flight: int) -> None:
        self._rpc = rpc
        self._max_rows = max_rows
        self._max_in_flight = max_in_flight
        self._queues: dict[_QueueKey, _Queue] = {}

    async def infer(self, target: ModelTarget, rows: npt.NDArray[Any]) -> ModelAnswers:
        """The answers to `rows`, whoever else's rows went with them."""
        key = (target, rows.shape[1:], rows.dtype.str)
        queue = self._queues.get(key)
        if queue is None:
            size = min(self._max_rows, target.max_batch_rows)
            queue = self._queues[key] = _Queue(self._rpc, target, size, self._max_in_flight, self._forget(key))
        return await queue.ask(rows)

    async def close(self) -> None:
        """Give up what is still asked; who waits for it is cancelled."""
        queues, self._queues = list(self._queues.values()), {}
        for queue in queues:
            await queue.close()

    def _forget(self, key: _QueueKey) -> Callable[[], None]:
        def idle() -> None:
            self._queues.pop(key, None)

        return idle


class _Queue:
    """The rows that wait for one model."""

    def __init__(
        self, rpc: ModelRpc, target: ModelTarget, max_rows: int, max_in_flight: int, idle: Callable[[], None]
    ) -> None:
        self._rpc = rpc
        self._target = target
        self._max_rows = max_rows
        self._max_in_flight = max_in_flight
        self._idle = idle
        self._waiting: deque[_Question] = deque()
        self._waiting_rows = 0
        self._requests: set[asyncio.Task[None]] = set()
        self._pump_is_due = False

    async def ask(self, rows: npt.NDArray[Any]) -> ModelAnswers:
        loop = asyncio.get_running_loop()
        question = _Question(rows, loop.create_future(), missing=len(rows))
        self._waiting.append(question)
        self._waiting_rows += len(rows)
        if not self._pump_is_due:
            # After everything that is ready to run now: lanes that were handed batches by one fetch go together.
            self._pump_is_due = True
            loop.call_soon(self._pump)
        return await question.answered

    async def close(self) -> None:
        requests = list(self._requests)
        for question in self._waiting:
            question.answered.cancel()
        self._waiting.clear()
        for request in requests:
            request.cancel()
        if requests:
            await asyncio.wait(requests)

    def _pump(self) -> None:
        self._pump_is_due = False
        self._drop_the_abandoned()
        while self._waiting and len(self._requests) < self._max_in_flight:
            # Even requests instead of full ones and a small rest: the last to return is back sooner.
            requests = -(-self._waiting_rows // self._max_rows)
            shares = self._take(-(-self._waiting_rows // requests))
            task = asyncio.create_task(self._request(shares), name=f"infer {self._target.name}")
            self._requests.add(task)
            task.add_done_callback(self._returned)

    def _drop_the_abandoned(self) -> None:
        """A caller that was cancelled (its lane closed) waits no more: its rows need not be asked."""
        abandoned = [question for question in self._waiting if question.answered.done()]
        for question in abandoned:
            self._waiting.remove(question)
            self._waiting_rows -= len(question.rows) - question.taken

    def _take(self, count: int) -> list[_Share]:
        shares = []
        while count and self._waiting:
            question = self._waiting[0]
            start = question.taken
            question.taken = min(len(question.rows), start + count)
            shares.append(_Share(question, start, question.taken))
            count -= question.taken - start
            self._waiting_rows -= question.taken - start
            if question.taken == len(question.rows):
                self._waiting.popleft()
        return shares

    async def _request(self, shares: list[_Share]) -> None:
        parts = [share.question.rows[share.start : share.stop] for share in shares]
        rows = parts[0] if len(parts) == 1 else np.concatenate(parts)
        try:
            answers = await infer_isolating(self._rpc, self._target, rows)
        except asyncio.CancelledError:
            for share in shares:
                share.question.answered.cancel()
            raise
        except Exception as error:  # noqa: BLE001 (it is not swallowed: it goes to everyone who waits for these rows)
            for share in shares:
                if not share.question.answered.done():
                    share.question.answered.set_exception(error)
            return
        first = 0
        for share in shares:
            count = share.stop - share.start
            _deliver(share, _cut(answers, first, first + count))
            first += count

    def _returned(self, task: asyncio.Task[None]) -> None:
        self._requests.discard(task)
        self._pump()
        if not (self._requests or self._waiting):
            self._idle()


def _cut(answers: ModelAnswers, first: int, last: int) -> ModelAnswers:
    """The answers to rows `first` to `last` of the request."""
    if not answers.refused:
        return ModelAnswers([output[first:last] for output in answers.outputs], {})
    refused: dict[int, InvalidMessageError] = {
        row - first: refusal for row, refusal in answers.refused.items() if first <= row < last
    }
    if len(refused) == last - first:
        return ModelAnswers([], refused)
    start = first - sum(row < first for row in answers.refused)
    stop = start + (last - first) - len(refused)
    return ModelAnswers([output[start:stop] for output in answers.outputs], refused)


def _deliver(share: _Share, answers: ModelAnswers) -> None:
    """Hands the answers over; the last part to arrive completes the question."""
    question = share.question
    question.answers[share.start] = answers
    question.missing -= share.stop - share.start
    if question.missing or question.answered.done():
        return
    ordered = sorted(question.answers.items())
    if len(ordered) == 1:
        question.answered.set_result(ordered[0][1])
        return
    refused = {start + row: refusal for start, part in ordered for row, refusal in part.refused.items()}
    outputs = [part.outputs for _, part in ordered if part.outputs]
    question.answered.set_result(
        ModelAnswers([np.concatenate(columns) for columns in zip(*outputs, strict=True)], refused)
    )
