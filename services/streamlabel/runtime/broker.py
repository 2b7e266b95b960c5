"""The ports to Kafka: what a lane, a table or a publisher asks of a broker, and what it may rely on.

Two implementations keep these promises, `streamlabel.runtime.kafka` and the in-memory one of the tests; one contract
suite (`tests/contract`) holds both to them.

Every call has a deadline of its own inside the implementation: none waits forever. Failures come as the errors below or
as `ConfigurationError` (not authorised, wrong mechanism, too few partitions): nothing of the client library leaks out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from streamlabel.errors import TransientError
from streamlabel.runtime.messages import Message, RawRecord

# A few thousand records of the usual size, a few dozen of the largest.
TAIL_MAX_BYTES = 32 * 1024 * 1024


class BrokerUnavailableError(TransientError):
    """The broker, a coordinator or a topic does not answer now; what was asked may or may not have happened."""


class TransactionFailedError(TransientError):
    """This transaction cannot commit and its producer is spent: abort, stop it, start another."""


class FencedError(Exception):
    """Another producer has taken this transactional id: whoever holds this one has lost the partition."""


class MessageTooLargeError(Exception):
    """The broker refuses these bytes for their size.

    `index` is the place of the guilty record in what was sent, or None where several shared the refused batch
    (a producer with a smaller `batch_bytes` finds out which).
    """

    def __init__(self, topic: str, index: int | None) -> None:
        super().__init__(f"topic {topic} refuses the size of {'a batch' if index is None else f'record {index}'}")
        self.topic = topic
        self.index = index


class OffsetGoneError(Exception):
    """The position of a partition does not exist (any more): retention was faster, or the topic is another one."""

    def __init__(self, topic: str, partition: int, offset: int) -> None:
        super().__init__(f"offset {offset} does not exist in partition {partition} of {topic}")
        self.topic = topic
        self.partition = partition
        self.offset = offset


class AssignmentListener(Protocol):
    """Who is told of a change of partitions. The group waits while a call runs; neither call may raise."""

    async def assigned(self, partitions: Collection[int]) -> None:
        """These are now the partitions of this member, all of them; must return at once."""

    async def revoked(self, partitions: Collection[int]) -> None:
        """These partitions are lost when this returns; what is in flight must be committed or aborted before."""


class Source(Protocol):
    """One member of a consumer group, reading one topic as committed transactions left it.

    A partition that was just assigned is paused and has no position: it is read once `seek` and `resume` were called.
    """

    async def start(self, listener: AssignmentListener) -> None:
        """Join the group; assignments arrive at the listener from now on, perhaps before this returns."""

    async def poll(self, timeout_s: float) -> Mapping[int, Sequence[Message]]:
        """Everything fetched, by partition, each in offset order; waits at most `timeout_s` for the first of it.

        Records of a partition follow its position at the time of the call: nothing from before the latest `seek`,
        nothing of a paused or lost partition. Must be called again and again, or the group thinks this member dead.
        Raises OffsetGoneError where the position of a partition does not exist.
        """

    async def committed(self, partition: int) -> int | None:
        """The next offset that the group would read; None if it never committed. May be stale (see `LaneProducer.start`)."""

    async def bounds(self, partition: int) -> tuple[int, int]:
        """The first offset that still exists, and the one after the last that is readable."""

    def seek(self, partition: int, offset: int) -> None:
        """Read on from there. Silently nothing if the partition is not assigned."""

    def pause(self, partition: int) -> None:
        """Return nothing of this partition until `resume`; the position stays. Silently nothing if not assigned."""

    def resume(self, partition: int) -> None:
        """Undo `pause`."""

    async def lag(self, partition: int) -> int | None:
        """How many offsets lie between the position and the end, as of the latest fetch; None if not known."""

    async def position(self, partition: int) -> int | None:
        """The next offset that `poll` would return or pass over; None where the partition is not read now."""

    async def commit(self, offsets: Mapping[int, int]) -> None:
        """Tell lag monitors how far this member is; never the truth of a lane (that is in its transactions)."""

    async def stop(self) -> None:
        """Leave the group and close; `revoked` is not called. May be called in any state, twice too."""


class Appender(Protocol):
    """Writes records, each acknowledged by all in-sync replicas; a retry inside never doubles one."""

    async def start(self) -> None: ...

    async def send(self, topic: str, partition: int, records: Sequence[RawRecord]) -> None:
        """Return once every record is acknowledged. Calls may come at once; those for one partition keep their order.

        After any error the appender is spent: some records may be written, some not. Stop it and start another.
        """

    async def stop(self) -> None: ...


class LaneProducer(Protocol):
    """A transactional producer: everything between `begin` and `commit` becomes visible at once, or never.

    Any error but a clean return means: `abort` if you like, then `stop`; the producer is not to be used again.
    """

    async def start(self) -> None:
        """Take the transactional id. When this returns, the holder before is fenced and its transaction is complete
        (committed or aborted, markers written): offsets read from now on are not stale."""

    async def begin(self) -> None: ...

    async def send(self, topic: str, partition: int, records: Sequence[RawRecord]) -> None:
        """Write records in order; return only when the broker has acknowledged each: nothing is ever sent unawaited.

        Calls for several partitions may run at the same time.
        """

    async def send_offsets(self, group: str, offsets: Mapping[tuple[str, int], int]) -> None:
        """Commit, with the transaction, that `group` reads on from these offsets of (topic, partition)."""

    async def commit(self) -> None:
        """Make it visible. An error leaves the outcome open: the next `start` of this id settles it."""

    async def abort(self) -> None:
        """Make it never have been. Harmless where no transaction is open; an error may be ignored before `stop`."""

    async def stop(self) -> None: ...


class TopicReader(Protocol):
    """Reads all partitions of one topic from the beginning, committed records only, outside any group."""

    async def start(self) -> None: ...

    async def poll(self, timeout_s: float) -> Sequence[Message]: ...

    async def missing(self) -> int:
        """How many offsets lie between what `poll` returned and the end of the topic as it is now."""

    async def stop(self) -> None: ...


class Broker(Protocol):
    """Where all of the above come from; one per process."""

    def source(self, topic: str, group: str) -> Source: ...

    def producer(self, transactional_id: str, *, batch_bytes: int | None = None) -> LaneProducer:
        """`batch_bytes` bounds what shares a batch (a record larger than that travels alone)."""

    def appender(self) -> Appender: ...

    def reader(self, topic: str) -> TopicReader: ...

    async def read_tail(
        self, topic: str, partition: int, before_offset: int, count: int, *, max_bytes: int = TAIL_MAX_BYTES
    ) -> Sequence[Message]:
        """The last `count` committed messages below `before_offset`, in order; fewer where fewer exist.

        Fewer too where keys and values would pass `max_bytes`, but always the last one: what is kept in memory is bounded.
        """

    async def committed(self, group: str, topic: str, partition: int) -> int | None:
        """The group's committed offset, asked from outside the group."""
