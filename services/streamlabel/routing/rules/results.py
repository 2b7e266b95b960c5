"""What a decision makes of a prediction: a label of the model, or a task for people."""

from __future__ import annotations

from datetime import datetime

from streamlabel.core.decision import Decision, DecisionReason, Purpose
from streamlabel.core.label import Label, LabelSource
from streamlabel.core.prediction import Prediction
from streamlabel.core.project import Project
from streamlabel.core.review import ReviewTask, Suggestion

_CALIBRATION_PRIORITY = 0.5


def model_label(
    prediction: Prediction, decision: Decision, project: Project, ingested_at: datetime | None, now: datetime
) -> Label:
    """The model's answer as the record's first label; raises ValueError where there is no answer."""
    if prediction.top is None:
        raise ValueError("a label needs a prediction")
    return Label(
        key=prediction.record.key,
        class_name=prediction.top.class_name,
        source=LabelSource.MODEL,
        decision=decision,
        model_name=prediction.model_name,
        model_version=prediction.model_version,
        project_version=project.version,
        taxonomy_version=project.taxonomy.version,
        content_hash=prediction.record.content_hash,
        event_at=prediction.record.event_at,
        ingested_at=ingested_at,
        labelled_at=now,
    )


def review_task(prediction: Prediction, decision: Decision, project: Project) -> ReviewTask:
    """The record as a task; the least certain is the most urgent.

    Calibration is blind: it carries no suggestion, and all of it is equally urgent, so that its order tells nothing either.
    """
    blind = decision.purpose is Purpose.CALIBRATE
    suggestion = None
    if prediction.top and not blind and decision.reason is not DecisionReason.CLASS_NOT_IN_TAXONOMY:
        suggestion = Suggestion(class_name=prediction.top.class_name, probability=prediction.top.probability)
    return ReviewTask(
        record=prediction.record,
        decision=decision,
        suggestion=suggestion,
        priority=_CALIBRATION_PRIORITY if blind else 1.0 - decision.score,
        needed_votes=max(decision.needed_votes, project.review.votes_for(decision.purpose)) if decision.purpose else 1,
        blind=blind,
        model_name=prediction.model_name,
        model_version=prediction.model_version,
        project_version=project.version,
    )
