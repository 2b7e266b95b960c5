"""ReviewTask on the wire."""

from __future__ import annotations

from streamlabel.core.review import ReviewTask, Suggestion
from streamlabel.v1 import review_pb2
from streamlabel.wire import decisions, records
from streamlabel.wire.codec import malformed_as_invalid, parse


def to_message(task: ReviewTask) -> review_pb2.ReviewTask:
    """The task on the wire, its record inside."""
    message = review_pb2.ReviewTask(
        record=records.to_message(task.record),
        decision=decisions.to_message(task.decision),
        priority=task.priority,
        needed_votes=task.needed_votes,
        blind=task.blind,
        model_name=task.model_name,
        model_version=task.model_version,
        project_version=task.project_version,
    )
    if task.suggestion is not None:
        message.suggestion.class_name = task.suggestion.class_name
        message.suggestion.probability = task.suggestion.probability
    return message


def from_message(message: review_pb2.ReviewTask) -> ReviewTask:
    """The task; raises ValueError where a part is missing or illegal."""
    suggestion = None
    if message.HasField("suggestion"):
        suggestion = Suggestion(class_name=message.suggestion.class_name, probability=message.suggestion.probability)
    return ReviewTask(
        record=records.from_message(message.record),
        decision=decisions.from_message(message.decision),
        suggestion=suggestion,
        priority=message.priority,
        needed_votes=message.needed_votes,
        blind=message.blind,
        model_name=message.model_name,
        model_version=message.model_version,
        project_version=message.project_version,
    )


def encode(task: ReviewTask) -> bytes:
    """Bytes for topic `review-tasks`."""
    return to_message(task).SerializeToString()


def decode(value: bytes) -> ReviewTask:
    """The task; raises InvalidMessageError MALFORMED."""
    message = parse(review_pb2.ReviewTask(), value)
    with malformed_as_invalid("review task"):
        return from_message(message)
