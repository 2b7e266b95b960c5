"""Label on the wire."""

from __future__ import annotations

from streamlabel.core.identity import RecordKey
from streamlabel.core.label import Label, LabelSource, Vote
from streamlabel.v1 import label_pb2
from streamlabel.wire import decisions
from streamlabel.wire.codec import malformed_as_invalid, parse
from streamlabel.wire.enums import EnumCodec
from streamlabel.wire.timestamps import from_timestamp, to_timestamp

SOURCES = EnumCodec(LabelSource, label_pb2.LabelSource, "LABEL_SOURCE")


def to_message(label: Label) -> label_pb2.Label:
    """The label on the wire."""
    message = label_pb2.Label(
        project=label.key.project,
        record_id=label.key.record_id,
        class_name=label.class_name,
        source=SOURCES.number(label.source),
        revision=label.revision,
        supersedes_revision=label.supersedes_revision,
        decision=decisions.to_message(label.decision),
        model_name=label.model_name,
        model_version=label.model_version,
        annotators=label.annotators,
        project_version=label.project_version,
        taxonomy_version=label.taxonomy_version,
        content_hash=label.content_hash,
        labelled_at=to_timestamp(label.labelled_at),
        posterior=label.posterior or 0.0,
        adjudicator=label.adjudicator,
        votes=[label_pb2.Vote(annotator=vote.annotator, class_name=vote.class_name) for vote in label.votes],
    )
    if label.event_at is not None:
        message.event_at.CopyFrom(to_timestamp(label.event_at))
    if label.ingested_at is not None:
        message.ingested_at.CopyFrom(to_timestamp(label.ingested_at))
    return message


def from_message(message: label_pb2.Label) -> Label:
    """The label; raises ValueError where a part is missing or illegal."""
    return Label(
        key=RecordKey(project=message.project, record_id=message.record_id),
        class_name=message.class_name,
        source=SOURCES.member(message.source),
        revision=message.revision,
        supersedes_revision=message.supersedes_revision,
        decision=decisions.from_message(message.decision),
        model_name=message.model_name,
        model_version=message.model_version,
        annotators=tuple(message.annotators),
        votes=tuple(Vote(annotator=vote.annotator, class_name=vote.class_name) for vote in message.votes),
        posterior=message.posterior or None,
        adjudicator=message.adjudicator,
        project_version=message.project_version,
        taxonomy_version=message.taxonomy_version,
        content_hash=message.content_hash,
        event_at=from_timestamp(message.event_at) if message.HasField("event_at") else None,
        ingested_at=from_timestamp(message.ingested_at) if message.HasField("ingested_at") else None,
        labelled_at=from_timestamp(message.labelled_at),
    )


def encode(label: Label) -> bytes:
    """Bytes for topic `labels`."""
    return to_message(label).SerializeToString()


def decode(value: bytes) -> Label:
    """The label; raises InvalidMessageError MALFORMED."""
    message = parse(label_pb2.Label(), value)
    with malformed_as_invalid("label"):
        return from_message(message)
