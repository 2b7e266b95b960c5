"""Gates on the wire and as a table. A room of its own: whoever reads gates needs the statistics, and nobody else."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from streamlabel.core.control import Confirmed, Gate, GateState, Suspects
from streamlabel.gate.published import PublishedGate
from streamlabel.runtime.broker import Broker
from streamlabel.runtime.health import Health
from streamlabel.runtime.messages import Message
from streamlabel.runtime.table import CompactedTable
from streamlabel.v1 import control_pb2
from streamlabel.wire.codec import malformed_as_invalid, parse
from streamlabel.wire.enums import EnumCodec
from streamlabel.wire.flow import GATES, Names
from streamlabel.wire.scorers import scorer_from_message, scorer_to_message
from streamlabel.wire.tables import under
from streamlabel.wire.timestamps import from_timestamp, to_timestamp

GATE_STATES = EnumCodec(GateState, control_pb2.GateState, "GATE_STATE")
# Brokers take messages of 1 MiB by default, and every routing process holds the gates of all projects.
MAX_GATE_BYTES = 512 * 1024
_MOMENTS = ("certified_at", "expires_at", "suspect_from", "confirmed_until")


def gate_key(project: str) -> bytes:
    """Key on topic `gates`."""
    return project.encode()


def encode_gate(published: PublishedGate) -> bytes:
    """Bytes for topic `gates`; raises ValueError where they would be more than MAX_GATE_BYTES."""
    gate = published.gate
    message = control_pb2.Gate(
        gate_id=gate.gate_id,
        project=gate.project,
        model_name=gate.model_name,
        model_version=gate.model_version,
        state=GATE_STATES.number(gate.state),
        threshold=gate.threshold,
        alpha=gate.alpha,
        delta=gate.delta,
        lane_rate=gate.lane_rate,
        evidence_count=gate.evidence_count,
        evidence_errors=gate.evidence_errors,
        scorer=scorer_to_message(published.scorer),
        taxonomy_version=gate.taxonomy_version,
        class_count=gate.class_count,
        coin_key_id=gate.coin_key_id,
        guard_threshold=gate.guard_threshold,
        epoch=gate.epoch,
        reason=gate.reason,
        double_blind_share=gate.double_blind_share,
        first_gate=gate.first_gate,
        embedding_length=gate.embedding_length,
        binding=gate.binding,
        lifetime_s=gate.lifetime_s,
    )
    for name in _MOMENTS:
        moment = getattr(gate, name)
        if moment is not None:
            getattr(message, name).CopyFrom(to_timestamp(moment))
    for stretch in gate.suspects:
        suspects = message.suspects.add()
        suspects.begin_at.CopyFrom(to_timestamp(stretch.begin))
        if stretch.end is not None:
            suspects.end_at.CopyFrom(to_timestamp(stretch.end))
    for each in gate.earlier:
        confirmed = message.earlier.add(first_gate=each.first_gate)
        if each.until is not None:
            confirmed.until_at.CopyFrom(to_timestamp(each.until))
    value = message.SerializeToString()
    if len(value) > MAX_GATE_BYTES:
        raise ValueError(f"a gate of {len(value):,} bytes; it must not have more than {MAX_GATE_BYTES:,}")
    return value


def split_gate(value: bytes) -> tuple[bytes, bytes]:
    """The gate's bytes without its scorer, and the scorer's: many gates have the same one."""
    message = control_pb2.Gate.FromString(value)
    scorer = message.scorer.SerializeToString(deterministic=True)
    message.ClearField("scorer")
    return message.SerializeToString(), scorer


def join_gate(message: bytes, scorer: bytes) -> bytes:
    """The bytes that `split_gate` was given, or others that say the same."""
    whole = control_pb2.Gate.FromString(message)
    whole.scorer.ParseFromString(scorer)
    return whole.SerializeToString()


def decode_gate(value: bytes) -> PublishedGate:
    """The gate with its scorer; raises InvalidMessageError MALFORMED, also where the scorer is missing or cannot score."""
    message = parse(control_pb2.Gate(), value)
    with malformed_as_invalid("gate"):
        if not message.HasField("scorer"):
            raise ValueError("it has no scorer")
        moments = {name: _moment(message, name) for name in _MOMENTS}
        gate = Gate(
            gate_id=message.gate_id,
            project=message.project,
            model_name=message.model_name,
            model_version=message.model_version,
            state=GATE_STATES.member(message.state),
            threshold=message.threshold,
            alpha=message.alpha,
            delta=message.delta,
            lane_rate=message.lane_rate,
            evidence_count=message.evidence_count,
            evidence_errors=message.evidence_errors,
            taxonomy_version=message.taxonomy_version,
            class_count=message.class_count,
            coin_key_id=message.coin_key_id,
            guard_threshold=message.guard_threshold,
            epoch=message.epoch,
            reason=message.reason,
            double_blind_share=message.double_blind_share,
            suspects=tuple(
                Suspects(from_timestamp(each.begin_at), _moment(each, "end_at")) for each in message.suspects
            ),
            first_gate=message.first_gate,
            embedding_length=message.embedding_length if message.HasField("embedding_length") else None,
            binding=message.binding,
            lifetime_s=message.lifetime_s,
            earlier=tuple(Confirmed(each.first_gate, _moment(each, "until_at")) for each in message.earlier),
            **moments,
        )
        return PublishedGate(gate=gate, scorer=scorer_from_message(message.scorer, gate.class_count))


def _moment(message: Any, name: str) -> datetime | None:
    return from_timestamp(getattr(message, name)) if message.HasField(name) else None


def gate_table(
    broker: Broker,
    names: Names,
    health: Health,
    on_change: Callable[[bytes, PublishedGate | None], None] | None = None,
) -> CompactedTable[PublishedGate]:
    """The latest gate by project. One that cannot be read closes: what it replaced may be what it was to revoke."""
    return CompactedTable(
        topic=names.topic(GATES),
        decode=_decode,
        broker=broker,
        health=health,
        on_change=on_change,
        unreadable_is_gone=True,
    )


def _decode(message: Message) -> PublishedGate:
    published = decode_gate(message.value)
    return under(gate_key(published.gate.project), message, published)
