"""The door's figures, for Prometheus: touched once a batch."""

from __future__ import annotations

from collections.abc import Mapping

from streamlabel.core.submission import RecordStatus
from streamlabel.ingest.ports import Arrival
from streamlabel.runtime.metrics import Metrics

_OUTCOME = {
    RecordStatus.ACCEPTED: "accepted",
    RecordStatus.DUPLICATE: "duplicate",
    RecordStatus.REJECTED: "rejected",
    RecordStatus.UNAVAILABLE: "failed",
}


class PrometheusTally:
    """A `Tally`."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._records = metrics.histogram("streamlabel_ingest_batch_records")
        self._seconds = metrics.histogram("streamlabel_ingest_acknowledge_seconds")

    def answered(self, arrival: Arrival, outcomes: Mapping[tuple[str, RecordStatus], int], seconds: float) -> None:
        self._records.observe(sum(outcomes.values()))
        self._seconds.observe(seconds)
        for (project, status), count in outcomes.items():
            self._metrics.counter(
                "streamlabel_records_received_total",
                project=project,
                transport=arrival.transport,
                outcome=_OUTCOME[status],
            ).inc(count)

    def refused(self, reasons: Mapping[str, int]) -> None:
        for reason, count in reasons.items():
            self._metrics.counter("streamlabel_records_rejected_total", reason=reason).inc(count)
