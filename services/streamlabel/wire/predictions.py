"""Prediction on the wire."""

from __future__ import annotations

from streamlabel.core.prediction import Candidate, Prediction
from streamlabel.v1 import prediction_pb2
from streamlabel.wire import records
from streamlabel.wire.codec import malformed_as_invalid, parse


def to_message(prediction: Prediction) -> prediction_pb2.Prediction:
    """The prediction on the wire, its record inside."""
    return prediction_pb2.Prediction(
        record=records.to_message(prediction.record),
        candidates=[
            prediction_pb2.Candidate(class_name=candidate.class_name, probability=candidate.probability)
            for candidate in prediction.candidates
        ],
        score=prediction.score,
        embedding=prediction.embedding,
        model_name=prediction.model_name,
        model_version=prediction.model_version,
        project_version=prediction.project_version,
    )


def from_message(message: prediction_pb2.Prediction) -> Prediction:
    """The prediction; raises ValueError where a part is missing or illegal."""
    return Prediction(
        record=records.from_message(message.record),
        candidates=tuple(Candidate(each.class_name, each.probability) for each in message.candidates),
        score=message.score,
        embedding=tuple(message.embedding),
        model_name=message.model_name,
        model_version=message.model_version,
        project_version=message.project_version,
    )


def encode(prediction: Prediction) -> bytes:
    """Bytes for topic `predictions`."""
    return to_message(prediction).SerializeToString()


def decode(value: bytes) -> Prediction:
    """The prediction; raises InvalidMessageError MALFORMED."""
    message = parse(prediction_pb2.Prediction(), value)
    with malformed_as_invalid("prediction"):
        return from_message(message)
