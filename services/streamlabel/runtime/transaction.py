"""What one transaction of a lane writes: the outputs of finished batches in order, and the dead letters among them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from streamlabel.errors import InvalidMessageError
from streamlabel.runtime.dead_letter import dead_letter
from streamlabel.runtime.inlet import Batch
from streamlabel.runtime.messages import Message, Outcome, RawRecord

OUTPUT_TOO_LARGE = "OUTPUT_TOO_LARGE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A batch that the handler has answered, and at which attempt."""

    batch: Batch
    outcomes: Sequence[Outcome]
    attempt: int


@dataclass(slots=True, kw_only=True)
class Refusals:
    """What the broker would not take for its size, by input offset; outlives the transaction that found it out."""

    outputs: dict[int, InvalidMessageError] = field(default_factory=dict)
    dead_letters: set[int] = field(default_factory=set)

    def forget_below(self, offset: int) -> None:
        """Everything below is committed."""
        for known in [known for known in self.outputs if known < offset]:
            del self.outputs[known]
        self.dead_letters = {known for known in self.dead_letters if known >= offset}


Destination = tuple[str, int]
"""A topic and a partition of it."""


class Transaction:
    """The plan of one transaction: records by topic and partition, in the order of their inputs."""

    def __init__(self, finished: Sequence[Finished], *, stage: str, group: str, refusals: Refusals) -> None:
        self._finished = finished
        self._stage = stage
        self._group = group
        self._refusals = refusals
        self.next_offset = finished[-1].batch.messages[-1].offset + 1
        self.read_at_s = finished[0].batch.read_at_s
        self.first = finished[0].batch.messages[0]
        self.dead: Counter[str] = Counter()
        self.records: dict[Destination, list[RawRecord]] = {}
        for to, record, _, error in self._outputs():
            self.records.setdefault(to, []).append(record)
            if error is not None:
                self.dead[error.reason] += 1

    def blame(self, to: Destination, index: int) -> None:
        """Record `index` of those for `to` is too large: its input becomes a dead letter, or a shorter one."""
        own = [(message, error) for destination, _, message, error in self._outputs() if destination == to]
        message, error = own[index]
        if error is None:
            _, value, _ = self.records[to][index]
            self._refusals.outputs[message.offset] = InvalidMessageError(
                OUTPUT_TOO_LARGE, f"an output of {len(value or b'')} bytes is more than topic {to[0]} takes"
            )
        else:
            self._refusals.dead_letters.add(message.offset)

    def _outputs(self) -> Iterator[tuple[Destination, RawRecord, Message, InvalidMessageError | None]]:
        refused: Mapping[int, InvalidMessageError] = self._refusals.outputs
        shortened: Collection[int] = self._refusals.dead_letters
        for finished in self._finished:
            for message, outcome in zip(finished.batch.messages, finished.outcomes, strict=True):
                if refused and message.offset in refused:
                    outcome = refused[message.offset]
                if isinstance(outcome, InvalidMessageError):
                    dead = dead_letter(
                        message,
                        outcome,
                        stage=self._stage,
                        group=self._group,
                        attempt=finished.attempt,
                        with_value=message.offset not in shortened,
                    )
                    yield (dead.topic, dead.partition), (dead.key, dead.value, dead.headers), message, outcome
                else:
                    for emit in outcome:
                        partition = message.partition if emit.partition is None else emit.partition
                        yield (emit.topic, partition), (emit.key, emit.value, emit.headers), message, None
