"""Gate and Release on the wire: values of the compacted control tables."""

from __future__ import annotations

from streamlabel.core.control import Gate, GateState, Release, ReleaseState
from streamlabel.v1 import control_pb2
from streamlabel.wire.codec import malformed_as_invalid, parse
from streamlabel.wire.enums import EnumCodec
from streamlabel.wire.timestamps import from_timestamp, to_timestamp

GATE_STATES = EnumCodec(GateState, control_pb2.GateState, "GATE_STATE")
RELEASE_STATES = EnumCodec(ReleaseState, control_pb2.ReleaseState, "RELEASE_STATE")


def gate_key(project: str) -> bytes:
    """Key on topic `gates`."""
    return project.encode()


def release_key(project: str, model_version: int) -> bytes:
    """Key on topic `releases`."""
    return f"{project}/{model_version}".encode()


def encode_gate(gate: Gate) -> bytes:
    """Bytes for topic `gates`."""
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
    )
    if gate.certified_at is not None:
        message.certified_at.CopyFrom(to_timestamp(gate.certified_at))
    if gate.expires_at is not None:
        message.expires_at.CopyFrom(to_timestamp(gate.expires_at))
    return message.SerializeToString()


def decode_gate(value: bytes) -> Gate:
    """The gate; raises InvalidMessageError MALFORMED."""
    message = parse(control_pb2.Gate(), value)
    with malformed_as_invalid("gate"):
        return Gate(
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
            certified_at=from_timestamp(message.certified_at) if message.HasField("certified_at") else None,
            expires_at=from_timestamp(message.expires_at) if message.HasField("expires_at") else None,
        )


def encode_release(release: Release) -> bytes:
    """Bytes for topic `releases`."""
    return control_pb2.Release(
        project=release.project,
        model_name=release.model_name,
        model_version=release.model_version,
        state=RELEASE_STATES.number(release.state),
        released_at=to_timestamp(release.released_at),
    ).SerializeToString()


def decode_release(value: bytes) -> Release:
    """The release; raises InvalidMessageError MALFORMED."""
    message = parse(control_pb2.Release(), value)
    with malformed_as_invalid("release"):
        return Release(
            project=message.project,
            model_name=message.model_name,
            model_version=message.model_version,
            state=RELEASE_STATES.member(message.state),
            released_at=from_timestamp(message.released_at),
        )
