"""Labels that a gate let pass, and those of its calibration lane."""

from __future__ import annotations

from datetime import datetime

from streamlabel.core.decision import Decision, DecisionReason, Purpose, Route
from streamlabel.core.identity import RecordKey
from streamlabel.core.label import Label, LabelSource


def passed(
    record_id: str, at: datetime, *, gate_id: str = "mail/1", model_version: int = 1, project: str = "mail"
) -> Label:
    """A label that model `m` set alone."""
    decision = Decision(
        route=Route.AUTO_LABEL, reason=DecisionReason.GATE_PASSED, threshold=0.5, score=0.9, gate_id=gate_id
    )
    return Label(
        key=RecordKey(project=project, record_id=record_id),
        class_name="spam",
        source=LabelSource.MODEL,
        decision=decision,
        model_name="m",
        model_version=model_version,
        project_version=1,
        taxonomy_version=1,
        content_hash=bytes(16),
        labelled_at=at,
    )


def calibrated(record_id: str, at: datetime, *, gate_id: str = "mail/1", project: str = "mail") -> Label:
    """The answer of a person to a calibration task."""
    decision = Decision(
        route=Route.REVIEW,
        purpose=Purpose.CALIBRATE,
        reason=DecisionReason.CALIBRATION_LANE,
        threshold=0.5,
        score=0.9,
        gate_id=gate_id,
    )
    return Label(
        key=RecordKey(project=project, record_id=record_id),
        class_name="spam",
        source=LabelSource.HUMAN,
        decision=decision,
        model_name="m",
        model_version=1,
        project_version=1,
        taxonomy_version=1,
        content_hash=bytes(16),
        labelled_at=at,
        annotators=("ann",),
    )
