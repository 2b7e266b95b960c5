"""Which labels an export shows, in which order."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import dataclass, field

from streamlabel.cli.topic_reading import follow, open_reader, until_end
from streamlabel.core.control import Gate
from streamlabel.core.decision import Purpose
from streamlabel.core.label import Label
from streamlabel.core.trust import Trust, trust
from streamlabel.errors import InvalidMessageError
from streamlabel.runtime.broker import Broker
from streamlabel.runtime.messages import Message
from streamlabel.wire import labels

log = logging.getLogger(__name__)

_CHUNK = 1000


class FinalLabels:
    """The latest revision of each record, in the order they were set; a deleted one is none."""

    def __init__(self) -> None:
        self._latest: dict[bytes, Message] = {}

    def take(self, messages: Iterable[Message]) -> None:
        for message in messages:
            if message.tombstone:
                self._latest.pop(message.key, None)
            else:
                self._latest[message.key] = message

    def chunks(self) -> Iterable[Sequence[Label]]:
        """The labels, in pieces small enough to decode between two breaths of the event loop."""
        # Not as the partitions happened to be read: two exports of the same labels are the same file.
        messages = sorted(self._latest.values(), key=lambda each: (each.timestamp_ms, each.partition, each.offset))
        for start in range(0, len(messages), _CHUNK):
            yield _decode(messages[start : start + _CHUNK])


@dataclass(slots=True)
class Choice:
    """Which labels are let through: all, unless `confirmed` wants what `gate` has confirmed, or `training` what is no evidence.

    Of those that are let through, `suspects` counts the ones that the gate casts doubt on, where there is a gate to ask.
    """

    gate: Gate | None = None
    confirmed: bool = False
    training: bool = False
    left_out: Counter[str] = field(default_factory=Counter)
    suspects: int = 0

    def of(self, labels: Iterable[Label]) -> list[Label]:
        """Those of `labels` that are let through; counts the others by the reason."""
        chosen = []
        for label in labels:
            known = None if self.gate is None else trust(self.gate, label)
            why = self._why_not(label, known)
            if why is None:
                chosen.append(label)
                self.suspects += known is Trust.SUSPECT
            else:
                self.left_out[why] += 1
        return chosen

    def _why_not(self, label: Label, known: Trust | None) -> str | None:
        if self.training and label.decision.purpose is Purpose.CALIBRATE:
            return "of the calibration lane"
        if not self.confirmed or known is None or known in (Trust.HUMAN, Trust.CONFIRMED):
            return None
        return str(known.value)


async def export(
    broker: Broker, topic: str, project: str, *, all_revisions: bool, following: bool
) -> AsyncGenerator[Sequence[Label], None]:
    """The labels of `project`, in batches: of each record the final one, or every revision in the order it was set.

    Ends at the end of the topic as it is now, unless `following`: then every later revision comes as it is set, for ever.
    A message that is no label hides nothing but itself: it is left out, and a warning names its place.
    """
    prefix = f"{project}/".encode()
    async with open_reader(broker, topic) as reader:
        final = FinalLabels()
        async for batch in until_end(reader):
            ours = [message for message in batch if message.key.startswith(prefix)]
            if all_revisions:
                yield _decode(ours)
            else:
                final.take(ours)
        for chunk in final.chunks():
            yield chunk
        if following:
            async for batch in follow(reader):
                yield _decode(message for message in batch if message.key.startswith(prefix))


async def all_revisions(
    broker: Broker, topic: str, project: str
) -> AsyncGenerator[Sequence[tuple[str, Label | None]], None]:
    """Every revision of the project's labels, in batches, each record's in the order they were set, by record id; None where a label
    was deleted. Ends, and leaves out, as `export` does."""
    prefix = f"{project}/".encode()
    async with open_reader(broker, topic) as reader:
        async for batch in until_end(reader):
            found: list[tuple[str, Label | None]] = []
            for message in batch:
                if not message.key.startswith(prefix):
                    continue
                if message.tombstone:
                    found.append((message.key[len(prefix) :].decode(errors="replace"), None))
                elif (label := _decode_one(message)) is not None:
                    found.append((label.key.record_id, label))
            yield found


def _decode(messages: Iterable[Message]) -> list[Label]:
    found = (_decode_one(message) for message in messages if not message.tombstone)
    return [label for label in found if label is not None]


def _decode_one(message: Message) -> Label | None:
    try:
        label = labels.decode(message.value)
    except InvalidMessageError as error:
        reason = error.detail
    else:
        if label.key.encode() == message.key:
            return label
        reason = f"the label of {label.key} lies under key {message.key[:300]!r}"
    log.warning("left out: %s[%d] at offset %d: %s", message.topic, message.partition, message.offset, reason)
    return None
