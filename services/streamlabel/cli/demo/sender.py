"""The demo's producer: an open loop, that is, records come at their time whether or not the labels keep up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from streamlabel.cli.demo.ledger import Ledger
from streamlabel.cli.demo.play import DemoStream
from streamlabel.client import IngestClient, RecordStatus
from streamlabel.core.record import Record
from streamlabel.core.submission import Reason
from streamlabel.errors import StreamlabelError, TransientError
from streamlabel.runtime.clock import Clock

_PROJECT_KNOWN_TIMEOUT_S = 60.0
_PROJECT_KNOWN_POLL_S = 0.1
_WINDOW = 1_000
# The loop must breathe while records go out flat out.
_BREATH = 64


class Sender:
    """Sends `count` records of a stream (None: without end), `per_second` of them a second (0: as fast as the door takes them)."""

    def __init__(
        self,
        client: IngestClient,
        stream: DemoStream,
        ledger: Ledger,
        clock: Clock,
        *,
        count: int | None,
        per_second: float,
    ) -> None:
        self._client = client
        self._stream = stream
        self._ledger = ledger
        self._clock = clock
        self._count = count
        self._per_second = per_second
        self.done = False

    async def run(self) -> None:
        """Returns when every record has an answer of the door; restarts of the door are bridged by the client."""
        await self._until_project_is_known()
        # Results come in the order of the records, and the first record has its answer already.
        number = 1
        async for result in self._client.stream(self._paced(), window=_WINDOW):
            refusal = f"{result.reason}: {result.detail}" if result.status is RecordStatus.REJECTED else None
            self._ledger.answer(self._stream.record_id(number), self._clock.monotonic_s(), refused_because=refusal)
            number += 1
        self.done = True

    async def _until_project_is_known(self) -> None:
        """The first record, sent until the door has heard of the project that was applied a moment ago."""
        record_id = self._stream.record_id(0)
        deadline_s = self._clock.monotonic_s() + _PROJECT_KNOWN_TIMEOUT_S
        self._ledger.send(record_id, self._clock.monotonic_s())
        while True:
            (result,) = await self._client.ingest([self._stream.record(0)])
            if result.is_durable:
                self._ledger.answer(record_id, self._clock.monotonic_s(), refused_because=None)
                return
            if result.reason != Reason.UNKNOWN_PROJECT:
                raise StreamlabelError(f"ingest refuses the first record: {result.reason}: {result.detail}")
            if self._clock.monotonic_s() > deadline_s:
                raise TransientError(
                    f"ingest has not heard of project {self._stream.project} within {_PROJECT_KNOWN_TIMEOUT_S:.0f} s; "
                    "`streamlabel logs ingest` may say why"
                )
            await self._clock.sleep(_PROJECT_KNOWN_POLL_S)

    async def _paced(self) -> AsyncIterator[Record]:
        start_s = self._clock.monotonic_s()
        number = 1
        while self._count is None or number < self._count:
            if self._per_second:
                ahead_s = start_s + number / self._per_second - self._clock.monotonic_s()
                if ahead_s > 0:
                    await self._clock.sleep(ahead_s)
            elif number % _BREATH == 0:
                await asyncio.sleep(0)
            record = self._stream.record(number)
            self._ledger.send(record.key.record_id, self._clock.monotonic_s())
            yield record
            number += 1
