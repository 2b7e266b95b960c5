"""The ports through which a service gives its work to the runtime, one per way of keeping track of what is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from streamlabel.runtime.messages import Headers, Message, Outcome


class LaneHandler(Protocol):
    """The work of one input partition."""

    async def handle(self, batch: Sequence[Message]) -> Sequence[Outcome]:
        """What became of each message: one outcome per message, in the same order.

        Calls start in order of offset; up to `LaneLimits.max_in_flight` run at once, and their outcomes are committed in
        order. Raise TransientError, and after a pause the same batch is handed in again, perhaps while later batches
        are under way and with the same messages seen before: state kept between calls has to bear that. Anything else
        that escapes stops the process before the batch is committed.
        """
        ...


class LaneHandlerFactory(Protocol):
    """Makes the handler of a partition each time its lane opens: after an assignment and after every abort."""

    async def open(self, partition: int, history: Sequence[Message]) -> LaneHandler:
        """`history`: up to the stage's `history_messages` last messages before the first one to handle, in order.

        May raise TransientError: the lane stays closed and is opened again after a pause.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneLimits:
    """How much a lane takes at once.

    While no call of the handler runs, what is there is handed over without waiting; beside running calls, at most
    `max_in_flight` of them, a batch gathers up to `max_rows` or `max_bytes` (keys and values; one message may exceed it
    alone), for at most `max_wait_s`. Handled and not yet committed is at most `max_in_flight` full batches.
    """

    max_rows: int = 500
    max_bytes: int = 4 * 1024 * 1024
    max_wait_s: float = 0.005
    max_in_flight: int = 4

    def __post_init__(self) -> None:
        if min(self.max_rows, self.max_bytes, self.max_in_flight) < 1 or self.max_wait_s < 0:
            raise ValueError(f"need max_rows, max_bytes, max_in_flight >= 1 and max_wait_s >= 0, got {self}")


class StaleOffsetError(Exception):
    """The sink's offset is not the expected one: another consumer was there meanwhile. Nothing was applied."""


@dataclass(frozen=True, slots=True)
class StoredOffset:
    """The next offset to apply, and the mark of the message before it (`log_mark.mark_of`); empty where none was kept."""

    next_offset: int
    mark: str = ""


class Cause(Enum):
    """Why a stored offset is worth nothing any more."""

    RETENTION = "retention"
    ANOTHER_LOG = "another_log"


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """Messages of a partition that were never applied and are gone: what lay at `stored_offset` and behind it, up to `goes_on_at`,
    where retention deleted it; nobody knows how much, where the topic is another one, which is read from `goes_on_at` on."""

    topic: str
    partition: int
    cause: Cause
    stored_offset: int
    goes_on_at: int

    def __str__(self) -> str:
        place = f"{self.topic}[{self.partition}]"
        if self.cause is Cause.RETENTION:
            last = self.goes_on_at - 1
            return f"{place}: offsets {self.stored_offset}-{last} were deleted by retention before they were read"
        return (
            f"{place} is not the log that was read up to offset {self.stored_offset}: the topic was made anew; it is read from its "
            f"beginning, and what was unread of the one before is lost"
        )


class OffsetSink(Protocol):
    """A store that keeps effects and input offsets in one transaction of its own (a database)."""

    async def offsets(self, partitions: Sequence[int]) -> Mapping[int, StoredOffset]:
        """What is stored per partition; a partition that was never applied is left out."""
        ...

    async def apply(
        self, partition: int, batch: Sequence[Message], expected_offset: int | None, next_offset: int
    ) -> None:
        """In ONE transaction: apply the batch and move the partition's offset from `expected_offset` to `next_offset`, with the mark
        of the batch's last message.

        `expected_offset` is None where nothing was stored before: insert. If the stored offset is another
        (`UPDATE … WHERE next_offset = expected` touches no row, or the insert conflicts), roll back and raise
        StaleOffsetError: that is the fence against a consumer that lost the partition and does not know yet.

        An invalid message must not fail the batch: make its dead letter with `dead_letter.dead_letter(…)`
        and store that as an outbox row in the same transaction. So it is published exactly once, like everything that
        leaves a database; a dead letter written straight to Kafka would be doubled or lost when the process dies
        between the two systems. Raise TransientError when the store is away.
        """
        ...

    async def lost(self, loss: Loss) -> str:
        """In ONE transaction: move the offset from `stored_offset` to `goes_on_at`, without a mark, with all that has to follow from
        it. Raises like `apply`. Returns what that is, and what a person can do, for `/readyz`.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxRow:
    """One record that waits for publication; `seq` is its place in the one order of publication.

    A `value` of None is a tombstone.
    """

    seq: int
    topic: str
    partition: int
    key: bytes
    value: bytes | None
    headers: Headers = ()


class Outbox(Protocol):
    """The committed rows of a database that must reach Kafka, each exactly once."""

    async def pending(self, after: int, limit: int) -> Sequence[OutboxRow]:
        """Up to `limit` rows with `seq > after`, ascending, without a hole that could fill later.

        So `seq` must be given to rows that are committed (the publisher is the only one who asks: number the unnumbered
        rows in a short transaction here), not drawn from a sequence on insert: transactions commit in another order
        than they insert, and a row that appears below `after` would never be published.
        """
        ...

    async def published(self, up_to: int) -> None:
        """Rows with `seq <= up_to` are in Kafka: remember the number, the rows may go."""
        ...

    async def last_published(self) -> int:
        """The number given to the latest `published`; 0 if there was none."""
        ...
