"""What happens at the desk, in counters."""

from __future__ import annotations

from streamlabel.core.decision import Purpose
from streamlabel.core.desk import AnnotationStatus
from streamlabel.core.history import EscalationReason, SkipReason
from streamlabel.core.label import LabelSource
from streamlabel.runtime.metrics import Metrics


class DeskMetrics:
    """Keeps the promises of `ports.Observer` and `aside_ports.AsideObserver`."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def leased(self, project: str, count: int) -> None:
        """Tasks went into a person's hands."""
        self._metrics.counter("streamlabel_leases_granted_total", project=project).inc(count)

    def given_back(self, project: str, purpose: Purpose, count: int) -> None:
        """Tasks came back unanswered: people passed them over, or went home with some in hand."""
        self._metrics.counter("streamlabel_leases_released_total", project=project, purpose=purpose.value).inc(count)

    def skipped(self, project: str, purpose: Purpose, reason: SkipReason) -> None:
        """Somebody looked, and did not answer."""
        labels = {"project": project, "purpose": purpose.value, "reason": reason.value}
        self._metrics.counter("streamlabel_tasks_skipped_total", **labels).inc()

    def escalated(self, project: str, purpose: Purpose, reason: EscalationReason, count: int = 1) -> None:
        """Tasks were set aside."""
        labels = {"project": project, "purpose": purpose.value, "reason": reason.value}
        self._metrics.counter("streamlabel_tasks_escalated_total", **labels).inc(count)

    def answered(self, project: str, purpose: Purpose, status: AnnotationStatus, took_s: float) -> None:
        """An answer came in; only an accepted one says how long people take."""
        labels = {"project": project, "purpose": purpose.value, "outcome": status.value}
        self._metrics.counter("streamlabel_answers_total", **labels).inc()
        if status is AnnotationStatus.ACCEPTED:
            self._metrics.histogram("streamlabel_review_task_seconds", project=project).observe(took_s)

    def labelled(self, project: str) -> None:
        """An answer made a label."""
        self._metrics.counter("streamlabel_labels_total", project=project, source=LabelSource.HUMAN.value).inc()
