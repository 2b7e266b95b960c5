"""Reads the labels topic as any consumer would (committed transactions only) and tells the ledger."""

from __future__ import annotations

from collections.abc import Callable

from streamlabel.cli.demo.ledger import Ledger
from streamlabel.errors import TransientError
from streamlabel.runtime.backoff import Backoff
from streamlabel.runtime.broker import Broker
from streamlabel.runtime.clock import Clock
from streamlabel.wire import labels

_POLL_S = 0.2


class Follower:
    """Follows labels whose key begins with `key_prefix` for as long as `run` is not cancelled."""

    def __init__(
        self,
        broker: Broker,
        topic: str,
        key_prefix: bytes,
        ledger: Ledger,
        truth: Callable[[str], str | None],
        clock: Clock,
        backoff: Backoff,
    ) -> None:
        self._broker = broker
        self._topic = topic
        self._key_prefix = key_prefix
        self._ledger = ledger
        self._truth = truth
        self._clock = clock
        self._backoff = backoff

    async def run(self) -> None:
        """A broker that goes away is waited for; then the topic is read anew, which the ledger bears."""
        attempt = 0
        while True:
            reader = self._broker.reader(self._topic)
            try:
                await reader.start()
                while True:
                    messages = await reader.poll(_POLL_S)
                    now_s = self._clock.monotonic_s()
                    attempt = 0
                    for message in messages:
                        if message.key.startswith(self._key_prefix) and not message.tombstone:
                            label = labels.decode(message.value)
                            self._ledger.label(label, self._truth(label.key.record_id), now_s)
            except TransientError:
                attempt += 1
                await self._clock.sleep(self._backoff.delay_s(attempt))
            finally:
                await reader.stop()
