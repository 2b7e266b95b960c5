"""What became of a task, on the wire."""

from __future__ import annotations

from streamlabel.core.history import (
    CurrentLease,
    EscalationReason,
    SkipReason,
    TaskEvent,
    TaskEventKind,
    TaskHistory,
    TaskPage,
    TaskState,
    TaskSummary,
)
from streamlabel.core.identity import RecordKey
from streamlabel.core.review import Suggestion
from streamlabel.v1 import review_history_pb2, review_pb2, review_service_pb2
from streamlabel.wire import decisions
from streamlabel.wire.enums import EnumCodec
from streamlabel.wire.timestamps import from_timestamp, to_timestamp

STATES = EnumCodec(TaskState, review_history_pb2.TaskState, "TASK_STATE")
SKIP_REASONS = EnumCodec(SkipReason, review_history_pb2.SkipReason, "SKIP_REASON")
ESCALATIONS = EnumCodec(EscalationReason, review_history_pb2.EscalationReason, "ESCALATION_REASON")
EVENT_KINDS = EnumCodec(TaskEventKind, review_history_pb2.TaskEventKind, "TASK_EVENT_KIND")


def summary_to_message(task: TaskSummary) -> review_history_pb2.TaskSummary:
    """Where a task stands, on the wire."""
    return review_history_pb2.TaskSummary(
        project=task.key.project,
        record_id=task.key.record_id,
        ticket=task.ticket,
        state=STATES.number(task.state),
        purpose=decisions.PURPOSES.number(task.purpose),
        arrived_at=to_timestamp(task.arrived_at),
        needed_votes=task.needed_votes,
        votes=task.votes,
        revision=task.revision,
        attempts=task.attempts,
        escalation=ESCALATIONS.number(task.escalation) if task.escalation else None,
        blind=task.blind,
    )


def summary_from_message(message: review_history_pb2.TaskSummary) -> TaskSummary:
    """Where a task stands; raises ValueError where a part is illegal or of a later release."""
    return TaskSummary(
        key=RecordKey(project=message.project, record_id=message.record_id),
        ticket=message.ticket,
        state=STATES.member(message.state),
        purpose=decisions.PURPOSES.member(message.purpose),
        arrived_at=from_timestamp(message.arrived_at),
        needed_votes=message.needed_votes,
        votes=message.votes,
        revision=message.revision,
        attempts=message.attempts,
        escalation=ESCALATIONS.member(message.escalation) if message.escalation else None,
    )


def history_to_message(history: TaskHistory) -> review_history_pb2.TaskHistory:
    """The whole history on the wire."""
    message = review_history_pb2.TaskHistory(
        task=summary_to_message(history.task),
        decision=decisions.to_message(history.decision),
        model_name=history.model_name,
        model_version=history.model_version,
        events=map(_event_to_message, history.events),
    )
    if history.suggestion is not None:
        suggestion = history.suggestion
        message.suggestion.CopyFrom(
            review_pb2.Suggestion(class_name=suggestion.class_name, probability=suggestion.probability)
        )
    if history.lease is not None:
        lease = history.lease
        message.lease.CopyFrom(
            review_history_pb2.CurrentLease(
                annotator=lease.annotator,
                leased_at=to_timestamp(lease.leased_at),
                expires_at=to_timestamp(lease.expires_at),
                fencing_token=lease.fencing_token,
            )
        )
    return message


def history_from_message(message: review_history_pb2.TaskHistory) -> TaskHistory:
    """The whole history; raises ValueError where a part is illegal or of a later release."""
    suggestion = lease = None
    if message.HasField("suggestion"):
        suggestion = Suggestion(class_name=message.suggestion.class_name, probability=message.suggestion.probability)
    if message.HasField("lease"):
        lease = CurrentLease(
            annotator=message.lease.annotator,
            leased_at=from_timestamp(message.lease.leased_at),
            expires_at=from_timestamp(message.lease.expires_at),
            fencing_token=message.lease.fencing_token,
        )
    return TaskHistory(
        task=summary_from_message(message.task),
        decision=decisions.from_message(message.decision),
        suggestion=suggestion,
        model_name=message.model_name,
        model_version=message.model_version,
        lease=lease,
        events=tuple(map(_event_from_message, message.events)),
    )


def page_to_message(page: TaskPage) -> review_service_pb2.ListTasksResponse:
    """A page of tasks on the wire."""
    return review_service_pb2.ListTasksResponse(
        tasks=map(summary_to_message, page.tasks), next_page_token=page.next_token
    )


def page_from_message(message: review_service_pb2.ListTasksResponse) -> TaskPage:
    """A page of tasks; raises ValueError where a part is illegal or of a later release."""
    return TaskPage(tasks=tuple(map(summary_from_message, message.tasks)), next_token=message.next_page_token)


def _event_to_message(event: TaskEvent) -> review_history_pb2.TaskEvent:
    return review_history_pb2.TaskEvent(
        at=to_timestamp(event.at),
        kind=EVENT_KINDS.number(event.kind),
        annotator=event.annotator,
        class_name=event.class_name,
        fencing_token=event.fencing_token,
        revision=event.revision,
        skip_reason=SKIP_REASONS.number(event.skip_reason) if event.skip_reason else None,
        escalation=ESCALATIONS.number(event.escalation) if event.escalation else None,
        note=event.note,
        think_time_ms=event.think_time_ms,
    )


def _event_from_message(message: review_history_pb2.TaskEvent) -> TaskEvent:
    return TaskEvent(
        at=from_timestamp(message.at),
        kind=EVENT_KINDS.member(message.kind),
        annotator=message.annotator,
        class_name=message.class_name,
        fencing_token=message.fencing_token,
        revision=message.revision,
        skip_reason=SKIP_REASONS.member(message.skip_reason) if message.skip_reason else None,
        escalation=ESCALATIONS.member(message.escalation) if message.escalation else None,
        note=message.note,
        think_time_ms=message.think_time_ms,
    )
