"""Small whole labels for tests."""

from __future__ import annotations

from datetime import UTC, datetime

from streamlabel.core.decision import Decision, DecisionReason, Purpose, Route
from streamlabel.core.identity import RecordKey
from streamlabel.core.label import Label, LabelSource

MOMENT = datetime(2026, 3, 1, 12, 30, 15, 250_000, tzinfo=UTC)


def model_label(record_id: str, class_name: str = "3", *, project: str = "digits") -> Label:
    """A first label that the model set alone."""
    return Label(
        key=RecordKey(project=project, record_id=record_id),
        class_name=class_name,
        source=LabelSource.MODEL,
        decision=Decision(
            route=Route.AUTO_LABEL, reason=DecisionReason.SCORE_REACHED_THRESHOLD, threshold=0.9, score=0.97
        ),
        project_version=2,
        taxonomy_version=1,
        content_hash=bytes(16),
        labelled_at=MOMENT,
        ingested_at=MOMENT,
        model_name="digits",
        model_version=1,
    )


def human_label(record_id: str, class_name: str = "3", *, project: str = "digits", revision: int = 1) -> Label:
    """A label that Ada gave."""
    return Label(
        key=RecordKey(project=project, record_id=record_id),
        class_name=class_name,
        source=LabelSource.HUMAN,
        decision=Decision(
            route=Route.REVIEW,
            reason=DecisionReason.SCORE_BELOW_THRESHOLD,
            purpose=Purpose.RULE,
            threshold=0.9,
            score=0.5,
        ),
        project_version=2,
        taxonomy_version=1,
        content_hash=bytes(16),
        labelled_at=MOMENT,
        annotators=("ada", "bob; junior"),
        revision=revision,
        supersedes_revision=revision - 1,
    )
