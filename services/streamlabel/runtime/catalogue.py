"""Every metric there is: name, kind, labels, meaning, and which services expose it.

Dashboards, alert rules, the documentation and the tests are checked against this table; a metric that is not
here does not exist. Labels are few and bounded: a project, a stage, a reason code; never a record or a person.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType


class Kind(Enum):
    """What a metric is to Prometheus."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


# 1 ms … 66 s, each bound twice the one before.
SECONDS = tuple(0.001 * 2**step for step in range(17))
# 1 … 4096 rows, each bound twice the one before.
ROWS = tuple(float(2**step) for step in range(13))
# A person needs longer than a machine: 0.25 s … 34 min.
PATIENCE = tuple(0.25 * 2**step for step in range(14))

INGEST = ("ingest",)
INFERENCE = ("inference",)
ROUTING = ("routing",)
REVIEW = ("review",)
LEARNING = ("learning",)
STAGES = ("ingest", "inference", "routing", "review", "learning")
EVERYWHERE = ("ingest", "inference", "routing", "review", "learning")


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSpec:
    """One metric as it is promised to dashboards."""

    name: str
    kind: Kind
    help: str
    services: tuple[str, ...]
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not self.name.startswith("streamlabel_"):
            raise ValueError(f"{self.name}: metrics are named streamlabel_<what>_<unit>")
        if (self.kind is Kind.COUNTER) != self.name.endswith("_total"):
            raise ValueError(f"{self.name}: counters, and only they, end in _total")
        if (self.kind is Kind.HISTOGRAM) != bool(self.buckets):
            raise ValueError(f"{self.name}: histograms, and only they, have buckets")

    def sample_names(self) -> tuple[str, ...]:
        """The names under which a query finds the values of this metric."""
        if self.kind is Kind.HISTOGRAM:
            return (f"{self.name}_bucket", f"{self.name}_sum", f"{self.name}_count")
        return (self.name,)


def _counter(name: str, help_: str, services: tuple[str, ...], *labels: str) -> MetricSpec:
    return MetricSpec(name=name, kind=Kind.COUNTER, help=help_, services=services, labels=labels)


def _gauge(name: str, help_: str, services: tuple[str, ...], *labels: str) -> MetricSpec:
    return MetricSpec(name=name, kind=Kind.GAUGE, help=help_, services=services, labels=labels)


def _histogram(
    name: str, help_: str, services: tuple[str, ...], *labels: str, buckets: tuple[float, ...] = SECONDS
) -> MetricSpec:
    return MetricSpec(name=name, kind=Kind.HISTOGRAM, help=help_, services=services, labels=labels, buckets=buckets)


_PROCESS: Sequence[MetricSpec] = (
    _gauge("streamlabel_build_info", "Always 1; the version is the label.", EVERYWHERE, "version"),
    _gauge("streamlabel_ready", "1 while /readyz says yes, else 0.", EVERYWHERE),
    _histogram("streamlabel_loop_lag_seconds", "How late the event loop woke a timer.", EVERYWHERE),
)

_DOOR: Sequence[MetricSpec] = (
    _counter(
        "streamlabel_records_received_total",
        "Records that came to the door, by what became of them: accepted, rejected, failed.",
        INGEST,
        "project",
        "transport",
        "outcome",
    ),
    _counter(
        "streamlabel_records_rejected_total", "Records turned away at the door, by reason code.", INGEST, "reason"
    ),
    _gauge("streamlabel_ingest_in_flight_bytes", "Bytes accepted and not yet acknowledged by the brokers.", INGEST),
    _histogram("streamlabel_ingest_batch_records", "Records in one request.", INGEST, buckets=ROWS),
    _histogram(
        "streamlabel_ingest_acknowledge_seconds", "From a request's arrival to the brokers' word for it.", INGEST
    ),
)

_STAGE: Sequence[MetricSpec] = (
    _histogram("streamlabel_stage_seconds", "A batch within one stage, from fetch to commit.", STAGES, "stage"),
    _histogram(
        "streamlabel_end_to_end_seconds",
        "From ingested-at to the commit in this stage, of the oldest record of a batch.",
        STAGES,
        "stage",
    ),
    _counter(
        "streamlabel_transactions_total",
        "Kafka transactions by outcome: committed, aborted.",
        STAGES,
        "stage",
        "outcome",
    ),
    _histogram("streamlabel_transaction_seconds", "A Kafka transaction from begin to commit.", STAGES, "stage"),
    _histogram("streamlabel_batch_rows", "Messages that a handler got at once.", STAGES, "stage", buckets=ROWS),
    _gauge("streamlabel_in_flight_batches", "Batches handed to handlers and not yet committed.", STAGES, "stage"),
    _counter("streamlabel_rebalances_total", "Times that this member's partitions were dealt anew.", STAGES, "stage"),
    _gauge(
        "streamlabel_consumer_lag_records",
        "Offsets between the committed position and the end of the partition, transaction markers included.",
        STAGES,
        "stage",
        "partition",
    ),
    _counter("streamlabel_dead_letters_total", "Messages set aside, by reason code.", STAGES, "stage", "reason"),
    _counter(
        "streamlabel_lane_rebuilds_total", "Lanes torn down and opened anew, by cause.", STAGES, "stage", "reason"
    ),
    _counter(
        "streamlabel_input_losses_total",
        "Times that messages were gone before they were read: deleted by retention, or with their topic, which was made anew.",
        ("review", "learning"),
        "stage",
        "cause",
    ),
    _counter("streamlabel_retries_total", "Batches tried again after a transient fault.", STAGES, "stage"),
    _gauge("streamlabel_table_entries", "Entries of a table kept from a compacted topic.", STAGES, "table"),
)

_MODEL: Sequence[MetricSpec] = (
    _histogram("streamlabel_inference_batch_rows", "Rows in one request to a model.", INFERENCE, "model", buckets=ROWS),
    _histogram("streamlabel_inference_seconds", "One request to a model.", INFERENCE, "model"),
    _gauge("streamlabel_inference_in_flight", "Requests that a model has not answered yet.", INFERENCE, "model"),
    _counter(
        "streamlabel_inference_failures_total", "Failed requests to a model, by code.", INFERENCE, "model", "code"
    ),
    _gauge(
        "streamlabel_model_ready",
        "1 while the model server serves this version, else 0.",
        INFERENCE,
        "model",
        "version",
    ),
    _counter(
        "streamlabel_records_duplicate_total",
        "Records seen before under the same id: dropped (same content) or conflicting (other content).",
        INFERENCE,
        "outcome",
    ),
)

_DECISION: Sequence[MetricSpec] = (
    _counter("streamlabel_decisions_total", "Where records went, and why.", ROUTING, "project", "route", "reason"),
)

_PEOPLE: Sequence[MetricSpec] = (
    _gauge("streamlabel_label_queue_depth", "Tasks that wait for a person.", REVIEW, "project", "purpose"),
    _gauge(
        "streamlabel_label_queue_begun",
        "Tasks with a vote that wait for another person.",
        REVIEW,
        "project",
    ),
    _gauge(
        "streamlabel_label_queue_escalated",
        "Tasks set aside: only who asks for such tasks gets them.",
        REVIEW,
        "project",
    ),
    _gauge(
        "streamlabel_label_queue_contested",
        "Of the tasks set aside, those that as many people as may be asked have left open: they wait for a reviewer to decide.",
        REVIEW,
        "project",
    ),
    _gauge("streamlabel_label_queue_oldest_seconds", "Age of the task that has waited longest.", REVIEW, "project"),
    _gauge("streamlabel_leases_active", "Tasks in a person's hands now.", REVIEW, "project"),
    _counter("streamlabel_leases_granted_total", "Tasks handed to people.", REVIEW, "project"),
    _counter("streamlabel_leases_expired_total", "Leases that ran out unanswered.", REVIEW, "project"),
    _counter(
        "streamlabel_leases_released_total",
        "Tasks that people gave back unanswered, calibration among them.",
        REVIEW,
        "project",
        "purpose",
    ),
    _counter(
        "streamlabel_tasks_skipped_total",
        "Tasks that people did not answer, by why: cannot_tell, broken_record, not_my_field, other.",
        REVIEW,
        "project",
        "purpose",
        "reason",
    ),
    _counter(
        "streamlabel_tasks_escalated_total",
        "Tasks set aside, by why: skipped, attempts, by_person, contested.",
        REVIEW,
        "project",
        "purpose",
        "reason",
    ),
    _counter(
        "streamlabel_answers_total",
        "Answers by what they were asked for and what became of them.",
        REVIEW,
        "project",
        "purpose",
        "outcome",
    ),
    _counter(
        "streamlabel_calls_denied_total",
        "Calls of review that were not made: whoever called was unknown, had no right, or called too often.",
        REVIEW,
        "reason",
    ),
    _histogram(
        "streamlabel_review_task_seconds",
        "From lease to answer, as the person took it.",
        REVIEW,
        "project",
        buckets=PATIENCE,
    ),
    _gauge("streamlabel_outbox_pending_rows", "Messages written to the database and not yet to Kafka.", REVIEW),
    _counter(
        "streamlabel_outbox_published_total", "Messages taken from the database to Kafka.", ("review", "learning")
    ),
)

_CERTIFICATE: Sequence[MetricSpec] = (
    _gauge(
        "streamlabel_gate_state",
        "1 for the state that the gate is in, 0 for the others: cold, certified, suspended, revoked.",
        LEARNING,
        "project",
        "state",
    ),
    _counter(
        "streamlabel_gate_transitions_total",
        "Changes of a gate, by the state it came to.",
        LEARNING,
        "project",
        "state",
    ),
    _gauge("streamlabel_gate_threshold", "Smallest score that passes; +Inf where none does.", LEARNING, "project"),
    _gauge(
        "streamlabel_gate_coverage_ratio", "Share of the latest records that the gate let pass.", LEARNING, "project"
    ),
    _gauge("streamlabel_gate_lane_rate_ratio", "Share of the stream that is calibration.", LEARNING, "project"),
    _gauge(
        "streamlabel_gate_error_bound_ratio",
        "Certified bound of the error among what passes; 1 without a certificate.",
        LEARNING,
        "project",
    ),
    _gauge("streamlabel_gate_evidence_records", "Calibration records in the evidence.", LEARNING, "project"),
    _gauge("streamlabel_gate_unanswered_records", "Calibration records that wait for people.", LEARNING, "project"),
    _gauge(
        "streamlabel_gate_guard_cap_ratio",
        "Share of the stream that the price guard lets pass at most.",
        LEARNING,
        "project",
    ),
    _gauge("streamlabel_gate_alarm_evidence", "Evidence for errors above alpha, to one.", LEARNING, "project"),
    _gauge("streamlabel_gate_since_look_seconds", "Time since the evidence was last tested.", LEARNING, "project"),
    _gauge(
        "streamlabel_gate_fault",
        "1 where no gate is kept of a project that asks for one, for what went wrong with its book.",
        LEARNING,
        "project",
    ),
)

_PRODUCT: Sequence[MetricSpec] = (
    _counter(
        "streamlabel_labels_total",
        "Labels produced, by source: model, human.",
        ("routing", "review"),
        "project",
        "source",
    ),
)

CATALOGUE = MappingProxyType(
    {
        spec.name: spec
        for group in (_PROCESS, _DOOR, _STAGE, _MODEL, _DECISION, _PEOPLE, _CERTIFICATE, _PRODUCT)
        for spec in group
    }
)
