"""How gates stand, in Prometheus and in the log."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from operator import attrgetter

from streamlabel.core.control import GateState
from streamlabel.learning.rules.points import Point
from streamlabel.learning.rules.standing import Step
from streamlabel.learning.rules.subject import Subject
from streamlabel.runtime.clock import Clock
from streamlabel.runtime.health import Check
from streamlabel.runtime.metrics import Metrics

log = logging.getLogger(__name__)

_VALUES: Mapping[str, Callable[[Point], float]] = {
    "streamlabel_gate_threshold": attrgetter("threshold"),
    "streamlabel_gate_coverage_ratio": attrgetter("coverage"),
    "streamlabel_gate_lane_rate_ratio": attrgetter("lane_rate"),
    "streamlabel_gate_error_bound_ratio": attrgetter("bound"),
    "streamlabel_gate_evidence_records": attrgetter("evidence"),
    "streamlabel_gate_unanswered_records": attrgetter("unanswered"),
    "streamlabel_gate_guard_cap_ratio": attrgetter("guard_cap"),
    "streamlabel_gate_alarm_evidence": attrgetter("alarm"),
}


class GateMetrics:
    """Keeps the promises of `ports.Observer`."""

    def __init__(self, metrics: Metrics, clock: Clock) -> None:
        self._metrics = metrics
        self._clock = clock
        self._looked_ms: dict[str, int] = {}

    def changed(self, points: Mapping[str, Point]) -> None:
        """Sets all gauges of these projects."""
        for project, point in points.items():
            for state in GateState:
                gauge = self._metrics.gauge("streamlabel_gate_state", project=project, state=state.value)
                gauge.set(1.0 if point.state is state else 0.0)
            for name, value_of in _VALUES.items():
                self._metrics.gauge(name, project=project).set(value_of(point))
            self._looked_ms[project] = point.looked_at_ms
            since_look = self._metrics.gauge("streamlabel_gate_since_look_seconds", project=project)
            since_look.set_function(partial(self._since_look_s, project))

    def stepped(self, steps: Sequence[tuple[Subject, Step]]) -> None:
        """Counts transitions, and logs each with its evidence."""
        for subject, step in steps:
            transition = step.transition
            self._metrics.counter(
                "streamlabel_gate_transitions_total", project=subject.project, state=transition.state.value
            ).inc()
            log.warning(
                "gate is %s: %s",
                transition.state.value,
                transition.reason,
                extra={
                    "project": subject.project,
                    "model": f"{subject.model_name}:{subject.model_version}",
                    "place": transition.place,
                    "threshold": transition.threshold,
                    "evidence": transition.count,
                    "errors": transition.errors,
                    "suspect_from_ms": step.suspect_from_ms,
                },
            )

    def gone(self, projects: Iterable[str]) -> None:
        """Drops their gauges: what one process shows must not outlive its turn, or the gate. What happened stays counted."""
        for project in projects:
            for state in GateState:
                self._metrics.forget("streamlabel_gate_state", project=project, state=state.value)
            for name in (*_VALUES, "streamlabel_gate_since_look_seconds"):
                self._metrics.forget(name, project=project)
            self._looked_ms.pop(project, None)

    def _since_look_s(self, project: str) -> float:
        looked_ms = self._looked_ms.get(project, 0)
        return max(0.0, (self._clock.now_ms() - looked_ms) / 1000) if looked_ms else 0.0


class FaultReport:
    """Keeps the promises of `ports.FaultLog`: in Prometheus, in the log, and as a warning of /readyz."""

    def __init__(self, metrics: Metrics, check: Check) -> None:
        self._metrics = metrics
        self._check = check
        self._reasons: dict[str, str] = {}

    def stand(self, reasons: Mapping[str, str]) -> None:
        """Shows these, and logs what is new."""
        for project in self._reasons.keys() - reasons.keys():
            self._metrics.forget("streamlabel_gate_fault", project=project)
            log.warning("the book is tried anew, or wanted no more", extra={"project": project})
        for project, reason in reasons.items():
            self._metrics.gauge("streamlabel_gate_fault", project=project).set(1.0)
            if self._reasons.get(project) != reason:
                log.error("no gate is kept, until the project is applied anew: %s", reason, extra={"project": project})
        self._reasons = dict(reasons)
        told = "; ".join(f"{project}: {reason}" for project, reason in sorted(reasons.items()))
        self._check.ok(f"no gate is kept of {told}" if told else None)
