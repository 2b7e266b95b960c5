"""Release on the wire: the value of a compacted control table."""

from __future__ import annotations

from streamlabel.core.control import Release, ReleaseState
from streamlabel.v1 import control_pb2
from streamlabel.wire.codec import malformed_as_invalid, parse
from streamlabel.wire.enums import EnumCodec
from streamlabel.wire.timestamps import from_timestamp, to_timestamp

RELEASE_STATES = EnumCodec(ReleaseState, control_pb2.ReleaseState, "RELEASE_STATE")


def release_key(project: str, model_version: int) -> bytes:
    """Key on topic `releases`."""
    return f"{project}/{model_version}".encode()


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
