"""What a producer hands in at the door, and what it is told of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, StrEnum
from types import MappingProxyType

from streamlabel.core.identity import check_project_name, check_record_id
from streamlabel.core.record import Payload, PayloadKind, check_attributes


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRecord:
    """A record as its producer knows it; without `record_id` the door derives one from the content, the same each time."""

    project: str
    payload: Payload
    record_id: str = ""
    event_at: datetime | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_project_name(self.project)
        if self.record_id:
            check_record_id(self.record_id)
        if self.event_at is not None and self.event_at.tzinfo is None:
            raise ValueError("event_at needs a time zone")
        check_attributes(self.attributes)


class Reason(StrEnum):
    """Why the door turns a record away, or a stage sets its message aside: stable codes; the detail beside them is for people."""

    MALFORMED = "MALFORMED"
    UNKNOWN_FIELD = "UNKNOWN_FIELD"
    UNKNOWN_PROJECT = "UNKNOWN_PROJECT"
    INVALID_RECORD_ID = "INVALID_RECORD_ID"
    PAYLOAD_MISSING = "PAYLOAD_MISSING"
    PAYLOAD_KIND_MISMATCH = "PAYLOAD_KIND_MISMATCH"
    PAYLOAD_TOO_LARGE = "PAYLOAD_TOO_LARGE"
    INVALID_TEXT = "INVALID_TEXT"
    INVALID_IMAGE = "INVALID_IMAGE"
    INVALID_FEATURES = "INVALID_FEATURES"
    INVALID_JSON = "INVALID_JSON"
    INVALID_URI = "INVALID_URI"
    INVALID_EVENT_AT = "INVALID_EVENT_AT"
    INVALID_ATTRIBUTES = "INVALID_ATTRIBUTES"
    CONFLICTING_RECORD = "CONFLICTING_RECORD"
    # The one reason that passes: with RecordStatus.UNAVAILABLE.
    BROKER_UNAVAILABLE = "BROKER_UNAVAILABLE"


# What is wrong with a record whose payload is of this kind, and illegal.
INVALID_PAYLOAD: Mapping[PayloadKind, Reason] = MappingProxyType(
    {
        PayloadKind.TEXT: Reason.INVALID_TEXT,
        PayloadKind.IMAGE: Reason.INVALID_IMAGE,
        PayloadKind.FEATURES: Reason.INVALID_FEATURES,
        PayloadKind.JSON: Reason.INVALID_JSON,
        PayloadKind.URI: Reason.INVALID_URI,
    }
)


class RecordStatus(Enum):
    """What became of a record at the door."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordResult:
    """The door's word for one record. ACCEPTED and DUPLICATE: it is durable. REJECTED: never as it is. UNAVAILABLE: send it again."""

    record_id: str
    status: RecordStatus
    reason: str = ""
    detail: str = ""

    @property
    def is_durable(self) -> bool:
        """Whether the record lies on the topic, acknowledged by all in-sync replicas."""
        return self.status in (RecordStatus.ACCEPTED, RecordStatus.DUPLICATE)
