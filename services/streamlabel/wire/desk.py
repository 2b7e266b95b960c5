"""What passes over the review desk, on the wire: the parts of ReviewService's requests and responses."""

from __future__ import annotations

from streamlabel.core.desk import (
    AnnotationResult,
    AnnotationStatus,
    AnnotatorStats,
    ExtendedLeases,
    LeasedTask,
    LostLease,
    LostReason,
    QueueStats,
    UndoneAnnotation,
)
from streamlabel.core.identity import RecordKey
from streamlabel.core.review import Annotation, Lease
from streamlabel.v1 import review_pb2, review_service_pb2
from streamlabel.wire import review_tasks
from streamlabel.wire.enums import EnumCodec
from streamlabel.wire.timestamps import from_timestamp, to_timestamp

STATUSES = EnumCodec(AnnotationStatus, review_service_pb2.AnnotationStatus, "ANNOTATION_STATUS")
LOST_REASONS = EnumCodec(LostReason, review_service_pb2.LostReason, "LOST_REASON")


def lease_to_message(lease: Lease) -> review_pb2.Lease:
    """The lease on the wire."""
    return review_pb2.Lease(
        task_id=str(lease.task),
        lease_token=lease.lease_token,
        fencing_token=lease.fencing_token,
        expires_at=to_timestamp(lease.expires_at),
        lasts_ms=round(lease.lasts_s * 1000),
    )


def lease_from_message(message: review_pb2.Lease) -> Lease:
    """The lease; raises ValueError where a part is illegal."""
    return Lease(
        task=RecordKey.parse(message.task_id),
        lease_token=message.lease_token,
        fencing_token=message.fencing_token,
        expires_at=from_timestamp(message.expires_at),
        lasts_s=message.lasts_ms / 1000,
    )


def leased_task_to_message(leased: LeasedTask) -> review_service_pb2.LeasedTask:
    """The lease and its task on the wire."""
    return review_service_pb2.LeasedTask(
        lease=lease_to_message(leased.lease),
        task=review_tasks.to_message(leased.task),
        voted_classes=leased.voted_classes,
    )


def leased_task_from_message(message: review_service_pb2.LeasedTask) -> LeasedTask:
    """The lease and its task; raises ValueError where a part is missing or illegal."""
    return LeasedTask(
        lease=lease_from_message(message.lease),
        task=review_tasks.from_message(message.task),
        voted_classes=tuple(message.voted_classes),
    )


def extended_to_message(extended: ExtendedLeases) -> review_service_pb2.ExtendLeasesResponse:
    """What a heartbeat found, on the wire."""
    return review_service_pb2.ExtendLeasesResponse(
        leases=[lease_to_message(lease) for lease in extended.leases],
        lost_lease_tokens=extended.lost_lease_tokens,
        lost=[
            review_service_pb2.LostLease(lease_token=each.lease_token, reason=LOST_REASONS.number(each.reason))
            for each in extended.lost
        ],
    )


def extended_from_message(message: review_service_pb2.ExtendLeasesResponse) -> ExtendedLeases:
    """What a heartbeat found; raises ValueError where a part is illegal."""
    return ExtendedLeases(
        leases=tuple(lease_from_message(lease) for lease in message.leases),
        lost_lease_tokens=tuple(message.lost_lease_tokens),
        lost=tuple(
            LostLease(lease_token=each.lease_token, reason=LOST_REASONS.member(each.reason)) for each in message.lost
        ),
    )


def annotation_to_message(annotation: Annotation) -> review_pb2.Annotation:
    """The answer on the wire."""
    return review_pb2.Annotation(
        annotation_id=annotation.annotation_id,
        lease_token=annotation.lease_token,
        class_name=annotation.class_name,
        think_time_ms=annotation.think_time_ms,
    )


def annotation_from_message(message: review_pb2.Annotation) -> Annotation:
    """The answer; raises ValueError where a part is illegal."""
    return Annotation(
        annotation_id=message.annotation_id,
        lease_token=message.lease_token,
        class_name=message.class_name,
        think_time_ms=message.think_time_ms,
    )


def result_to_message(result: AnnotationResult) -> review_service_pb2.AnnotationResult:
    """What became of an answer, on the wire."""
    message = review_service_pb2.AnnotationResult(
        annotation_id=result.annotation_id, status=STATUSES.number(result.status), detail=result.detail
    )
    if result.won_at is not None:
        message.winning_annotation.answered_at.CopyFrom(to_timestamp(result.won_at))
    return message


def result_from_message(message: review_service_pb2.AnnotationResult) -> AnnotationResult:
    """What became of an answer; raises ValueError for a status of a later release."""
    won = message.HasField("winning_annotation")
    return AnnotationResult(
        annotation_id=message.annotation_id,
        status=STATUSES.member(message.status),
        detail=message.detail,
        won_at=from_timestamp(message.winning_annotation.answered_at) if won else None,
    )


def undone_to_message(undone: UndoneAnnotation) -> review_service_pb2.UndoAnnotationResponse:
    """An answer taken back, on the wire."""
    return review_service_pb2.UndoAnnotationResponse(
        task=leased_task_to_message(undone.leased), class_name=undone.class_name
    )


def undone_from_message(message: review_service_pb2.UndoAnnotationResponse) -> UndoneAnnotation:
    """An answer taken back; raises ValueError where a part is missing or illegal."""
    return UndoneAnnotation(leased=leased_task_from_message(message.task), class_name=message.class_name)


def queue_to_message(queue: QueueStats) -> review_service_pb2.QueueStats:
    """A queue's state on the wire."""
    message = review_service_pb2.QueueStats(
        project=queue.project,
        open_tasks=queue.open_tasks,
        begun_tasks=queue.begun_tasks,
        leased_tasks=queue.leased_tasks,
        answered_tasks=queue.answered_tasks,
        answers_per_minute=queue.answers_per_minute,
        escalated_tasks=queue.escalated_tasks,
        contested_tasks=queue.contested_tasks,
    )
    if queue.oldest_at is not None:
        message.oldest_at.CopyFrom(to_timestamp(queue.oldest_at))
    return message


def queue_from_message(message: review_service_pb2.QueueStats) -> QueueStats:
    """A queue's state."""
    return QueueStats(
        project=message.project,
        open_tasks=message.open_tasks,
        begun_tasks=message.begun_tasks,
        leased_tasks=message.leased_tasks,
        answered_tasks=message.answered_tasks,
        oldest_at=from_timestamp(message.oldest_at) if message.HasField("oldest_at") else None,
        answers_per_minute=message.answers_per_minute,
        escalated_tasks=message.escalated_tasks,
        contested_tasks=message.contested_tasks,
    )


def annotator_to_message(stats: AnnotatorStats) -> review_service_pb2.AnnotatorStats:
    """A person's figures on the wire."""
    return review_service_pb2.AnnotatorStats(
        annotator=stats.annotator,
        answers=stats.answers,
        shared_votes=stats.shared_votes,
        agreeing_votes=stats.agreeing_votes,
        skill=stats.skill,
        median_s=stats.median_s,
    )


def annotator_from_message(message: review_service_pb2.AnnotatorStats) -> AnnotatorStats:
    """A person's figures."""
    return AnnotatorStats(
        annotator=message.annotator,
        answers=message.answers,
        shared_votes=message.shared_votes,
        agreeing_votes=message.agreeing_votes,
        skill=message.skill if message.HasField("skill") else None,
        median_s=message.median_s if message.HasField("median_s") else None,
    )
