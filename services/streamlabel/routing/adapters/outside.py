"""Gates from their table, the time of day, and the count of decisions in Prometheus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from streamlabel.core.decision import Decision, Route
from streamlabel.gate.published import PublishedGate
from streamlabel.runtime.clock import Clock
from streamlabel.runtime.metrics import Metrics
from streamlabel.runtime.table import CompactedTable
from streamlabel.wire.gates import gate_key
from streamlabel.wire.timestamps import from_milliseconds


@dataclass(frozen=True, slots=True)
class GateTable:
    """The latest gate of each project, as its topic says."""

    table: CompactedTable[PublishedGate]

    def latest(self, project: str) -> PublishedGate | None:
        """The project's latest gate; None if it never had one."""
        return self.table.get(gate_key(project))


@dataclass(frozen=True, slots=True)
class WallClock:
    """The time of day in UTC, to the millisecond."""

    clock: Clock

    def now(self) -> datetime:
        """Now."""
        return from_milliseconds(self.clock.now_ms()).astimezone(UTC)


@dataclass(frozen=True, slots=True)
class DecisionMetrics:
    """Counts decisions, once a batch."""

    metrics: Metrics

    def decided(self, decisions: Sequence[tuple[str, Decision]]) -> None:
        """Adds a batch to `streamlabel_decisions_total` and `streamlabel_labels_total`."""
        counts = Counter((project, each.route, each.reason) for project, each in decisions)
        for (project, route, reason), count in counts.items():
            decided = self.metrics.counter(
                "streamlabel_decisions_total", project=project, route=route.value, reason=reason.value
            )
            decided.inc(count)
            if route is Route.AUTO_LABEL:
                self.metrics.counter("streamlabel_labels_total", project=project, source="model").inc(count)
