"""Whether a record may enter: what its project asks of it, what the limits allow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from streamlabel.core.identity import PROJECT_NAME, check_record_id
from streamlabel.core.nearest import did_you_mean
from streamlabel.core.project import FeaturesEncoder, Project
from streamlabel.core.record import FeaturesPayload, ImagePayload, Payload, check_attributes, kind_of
from streamlabel.core.submission import Reason
from streamlabel.ingest.rules.pictures import picture_fault

# Headers and book-keeping of a record; the producer counts as much, so that its own limit is never the first to be met.
OVERHEAD_BYTES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A record that could be read, and not yet judged.

    `key` and `value` are its bytes on the topic, should it be admitted: nothing is encoded a second time.
    """

    project: str
    record_id: str
    payload: Payload
    attributes: Mapping[str, str]
    content_hash: bytes
    key: bytes
    value: bytes

    @property
    def size_bytes(self) -> int:
        """What the record weighs while it is in flight."""
        return len(self.key) + len(self.value) + OVERHEAD_BYTES


@dataclass(frozen=True, slots=True)
class Refusal:
    """A record that can never be taken as it is, and why."""

    record_id: str
    reason: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much is too much. `in_flight_max_bytes` bounds what is taken and not yet acknowledged, over all callers."""

    record_max_bytes: int = 1024 * 1024
    batch_max_records: int = 1_000
    batch_max_bytes: int = 16 * 1024 * 1024
    in_flight_max_bytes: int = 64 * 1024 * 1024
    image_max_pixels: int = 25_000_000

    def __post_init__(self) -> None:
        if not 0 < self.record_max_bytes <= self.batch_max_bytes <= self.in_flight_max_bytes:
            raise ValueError(
                f"limits must grow: record {self.record_max_bytes} <= batch {self.batch_max_bytes} "
                f"<= in flight {self.in_flight_max_bytes} bytes"
            )
        if self.batch_max_records < 1:
            raise ValueError("a batch has at least one record")


def refusal(offer: Offer, project: Project, limits: Limits) -> Refusal | None:
    """Why this record may not enter the project; None where it may."""
    if len(offer.value) > limits.record_max_bytes:
        return Refusal(
            offer.record_id,
            Reason.PAYLOAD_TOO_LARGE,
            f"the record has {len(offer.value)} bytes; at most {limits.record_max_bytes}",
        )
    kind = kind_of(offer.payload)
    if kind is not project.payload_kind:
        return Refusal(
            offer.record_id,
            Reason.PAYLOAD_KIND_MISMATCH,
            f"project {project.name!r} takes {project.payload_kind.value}, this record holds {kind.value}",
        )
    if isinstance(offer.payload, ImagePayload):
        fault = picture_fault(offer.payload.data, offer.payload.media_type, limits.image_max_pixels)
        if fault:
            return Refusal(offer.record_id, Reason.INVALID_IMAGE, fault)
    if isinstance(offer.payload, FeaturesPayload) and project.model is not None:
        encoder = project.model.encoder
        found = len(offer.payload.values)
        if isinstance(encoder, FeaturesEncoder) and found != encoder.length:
            return Refusal(
                offer.record_id,
                Reason.INVALID_FEATURES,
                f"{found} features; the model of project {project.name!r} takes {encoder.length}",
            )
    try:
        check_record_id(offer.record_id)
    except ValueError as error:
        return Refusal(offer.record_id[:80], Reason.INVALID_RECORD_ID, str(error))
    if offer.attributes:
        try:
            check_attributes(offer.attributes)
        except ValueError as error:
            return Refusal(offer.record_id, Reason.INVALID_ATTRIBUTES, str(error))
    return None


def unknown_project(name: str, record_id: str, known: Sequence[str]) -> Refusal:
    """The refusal of a record for a project that does not exist, naming the nearest that does."""
    if not PROJECT_NAME.fullmatch(name):
        detail = f"{name[:80]!r} is no name of a project" if name else "the record names no project"
        return Refusal(record_id, Reason.UNKNOWN_PROJECT, detail)
    hint = did_you_mean(name, known) or "`streamlabel project list` shows what there is"
    return Refusal(record_id, Reason.UNKNOWN_PROJECT, f"there is no project {name!r}; {hint}")


def unclear_project(name: str, why: Exception) -> str:
    """What to say of a project that is not known here, while nobody can tell whether it is elsewhere."""
    return f"project {name!r} is not known here, and whether it was applied cannot be told now: {why}"


def conflict(record_id: str) -> Refusal:
    """The refusal of a second content under one id."""
    return Refusal(
        record_id,
        Reason.CONFLICTING_RECORD,
        f"record {record_id!r} was taken before with other content; a record never changes: give the new one its own id",
    )
