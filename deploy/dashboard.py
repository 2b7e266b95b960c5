"""What the Grafana dashboard shows: rows of panels, each a title, a unit and its queries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from gate_panels import GATES
from panels import PROJECT, UNHURRIED, Panel, Query, quantile, rate

_WIDTH = 24
_HEIGHT = 8

ROWS: Sequence[tuple[str, Sequence[Panel]]] = (
    (
        "The product",
        (
            Panel(
                title="Records in",
                help="Records that came to the door, by what became of them.",
                unit="cps",
                queries=[
                    Query(
                        rate("streamlabel_records_received_total", "project, outcome", PROJECT),
                        "{{project}} {{outcome}}",
                    )
                ],
            ),
            Panel(
                title="Labels out",
                help="Labels produced, by source.",
                unit="cps",
                stacked=True,
                queries=[Query(rate("streamlabel_labels_total", "project, source", PROJECT), "{{project}} {{source}}")],
            ),
            Panel(
                title="From ingest to commit",
                help="Age of the oldest record of a batch when the stage committed it.",
                unit="s",
                queries=[
                    Query(quantile(0.5, "streamlabel_end_to_end_seconds", "stage", UNHURRIED), "{{stage}} p50"),
                    Query(quantile(0.99, "streamlabel_end_to_end_seconds", "stage", UNHURRIED), "{{stage}} p99"),
                ],
            ),
        ),
    ),
    (
        "People",
        (
            Panel(
                title="Label queue",
                help="Tasks that wait for a person.",
                unit="short",
                stacked=True,
                queries=[
                    Query(
                        f"max by (project, purpose) (streamlabel_label_queue_depth{{{PROJECT}}})",
                        "{{project}} {{purpose}}",
                    )
                ],
            ),
            Panel(
                title="Oldest task",
                help="Age of the task that has waited longest.",
                unit="s",
                queries=[
                    Query(f"max by (project) (streamlabel_label_queue_oldest_seconds{{{PROJECT}}})", "{{project}}")
                ],
            ),
            Panel(
                title="Answers",
                help="Answers by what they were asked for and what became of them.",
                unit="cpm",
                queries=[
                    Query(
                        "60 * " + rate("streamlabel_answers_total", "project, purpose, outcome", PROJECT),
                        "{{project}} {{purpose}} {{outcome}}",
                    )
                ],
            ),
            Panel(
                title="Leases",
                help="Tasks in people's hands, how many an hour ran out unanswered or were given back, and tasks with a vote "
                "that want another's. Calibration that is given back again and again is chosen by people, not by the coin.",
                unit="short",
                queries=[
                    Query(f"max by (project) (streamlabel_leases_active{{{PROJECT}}})", "{{project}} active"),
                    Query(
                        f"sum by (project) (increase(streamlabel_leases_expired_total{{{PROJECT}}}[1h]))",
                        "{{project}} expired in 1 h",
                    ),
                    Query(
                        f"sum by (project, purpose) (increase(streamlabel_leases_released_total{{{PROJECT}}}[1h]))",
                        "{{project}} {{purpose}} given back in 1 h",
                    ),
                    Query(
                        f"max by (project) (streamlabel_label_queue_begun{{{PROJECT}}})",
                        "{{project}} wait for another person",
                    ),
                ],
            ),
            Panel(
                title="Not answered",
                help="Tasks set aside, which only who asks for such tasks gets, and how many an hour people skipped or set aside, and "
                "why. `streamlabel review requeue` puts them back, but not what is contested: a reviewer decides.",
                unit="short",
                queries=[
                    Query(
                        f"max by (project) (streamlabel_label_queue_escalated{{{PROJECT}}})", "{{project}} set aside"
                    ),
                    Query(
                        f"max by (project) (streamlabel_label_queue_contested{{{PROJECT}}})",
                        "{{project}} of them contested",
                    ),
                    Query(
                        f"sum by (project, reason) (increase(streamlabel_tasks_skipped_total{{{PROJECT}}}[1h]))",
                        "{{project}} skipped in 1 h: {{reason}}",
                    ),
                    Query(
                        f"sum by (project, reason) (increase(streamlabel_tasks_escalated_total{{{PROJECT}}}[1h]))",
                        "{{project}} set aside in 1 h: {{reason}}",
                    ),
                ],
            ),
            Panel(
                title="Time for one task",
                help="From lease to answer.",
                unit="s",
                queries=[
                    Query(quantile(0.5, "streamlabel_review_task_seconds", "project", PROJECT), "{{project}} p50"),
                    Query(quantile(0.9, "streamlabel_review_task_seconds", "project", PROJECT), "{{project}} p90"),
                ],
            ),
            Panel(
                title="Outbox",
                help="Answers in the database that are not yet in Kafka.",
                unit="short",
                queries=[Query("max(streamlabel_outbox_pending_rows)", "pending")],
            ),
        ),
    ),
    (
        "Model",
        (
            Panel(
                title="Decisions",
                help="Where routing sent records, and why.",
                unit="cps",
                stacked=True,
                queries=[Query(rate("streamlabel_decisions_total", "route, reason", PROJECT), "{{route}} {{reason}}")],
            ),
            Panel(
                title="Request to a model",
                help="One request, with its rows.",
                unit="s",
                queries=[
                    Query(quantile(0.5, "streamlabel_inference_seconds", "model"), "{{model}} p50"),
                    Query(quantile(0.99, "streamlabel_inference_seconds", "model"), "{{model}} p99"),
                ],
            ),
            Panel(
                title="Rows in a request",
                help="Rows per request decide the throughput.",
                unit="short",
                queries=[
                    Query(quantile(0.5, "streamlabel_inference_batch_rows", "model"), "{{model}} p50"),
                    Query("sum by (model) (streamlabel_inference_in_flight)", "{{model}} in flight"),
                ],
            ),
            Panel(
                title="Failed requests and missing versions",
                help="Both mean that records wait.",
                unit="short",
                queries=[
                    Query(rate("streamlabel_inference_failures_total", "model, code"), "{{model}} {{code}}"),
                    Query("1 - max by (model, version) (streamlabel_model_ready)", "{{model}} {{version}} missing"),
                ],
            ),
            Panel(
                title="Records seen before",
                help="Dropped: the same content again. Conflicting: other content under the same id.",
                unit="cps",
                queries=[Query(rate("streamlabel_records_duplicate_total", "outcome"), "{{outcome}}")],
            ),
        ),
    ),
    ("Gates", GATES),
    (
        "Flow",
        (
            Panel(
                title="Consumer lag",
                help="Messages between the committed position and the end; transaction markers count one each.",
                unit="short",
                queries=[Query("sum by (stage) (streamlabel_consumer_lag_records)", "{{stage}}")],
            ),
            Panel(
                title="Transactions",
                help="Kafka transactions by outcome.",
                unit="cps",
                queries=[Query(rate("streamlabel_transactions_total", "stage, outcome"), "{{stage}} {{outcome}}")],
            ),
            Panel(
                title="Time in a stage",
                help="From fetch to commit, and the transaction within it.",
                unit="s",
                queries=[
                    Query(quantile(0.99, "streamlabel_stage_seconds", "stage"), "{{stage}} p99"),
                    Query(quantile(0.99, "streamlabel_transaction_seconds", "stage"), "{{stage}} transaction p99"),
                ],
            ),
            Panel(
                title="Batches",
                help="Messages in a batch, and batches in hand.",
                unit="short",
                queries=[
                    Query(quantile(0.5, "streamlabel_batch_rows", "stage"), "{{stage}} rows p50"),
                    Query("sum by (stage) (streamlabel_in_flight_batches)", "{{stage}} in flight"),
                ],
            ),
            Panel(
                title="Trouble",
                help="Rebalances, lanes opened anew, batches tried again.",
                unit="short",
                queries=[
                    Query(
                        "sum by (stage) (increase(streamlabel_rebalances_total[$__rate_interval]))",
                        "{{stage}} rebalances",
                    ),
                    Query(
                        "sum by (stage, reason) (increase(streamlabel_lane_rebuilds_total[$__rate_interval]))",
                        "{{stage}} lane: {{reason}}",
                    ),
                    Query(
                        "sum by (stage) (increase(streamlabel_retries_total[$__rate_interval]))", "{{stage}} retries"
                    ),
                ],
            ),
            Panel(
                title="Dead letters",
                help="Messages set aside in an hour, by reason.",
                unit="short",
                queries=[
                    Query(
                        "sum by (stage, reason) (increase(streamlabel_dead_letters_total[1h]))", "{{stage}} {{reason}}"
                    )
                ],
            ),
        ),
    ),
    (
        "Door and processes",
        (
            Panel(
                title="Acknowledged after",
                help="From a request's arrival to the brokers' word for it.",
                unit="s",
                queries=[
                    Query(quantile(0.5, "streamlabel_ingest_acknowledge_seconds", "service"), "p50"),
                    Query(quantile(0.99, "streamlabel_ingest_acknowledge_seconds", "service"), "p99"),
                ],
            ),
            Panel(
                title="Rejected at the door",
                help="Records by reason code, and calls of review by people and programs that are unknown, have no right or call "
                "too often.",
                unit="cps",
                queries=[
                    Query(rate("streamlabel_records_rejected_total", "reason"), "{{reason}}"),
                    Query(rate("streamlabel_calls_denied_total", "reason"), "review: {{reason}}"),
                ],
            ),
            Panel(
                title="Bytes in flight at the door",
                help="Past the limit callers get RESOURCE_EXHAUSTED or 429.",
                unit="bytes",
                queries=[Query("sum(streamlabel_ingest_in_flight_bytes)", "in flight")],
            ),
            Panel(
                title="Ready",
                help="1 while /readyz says yes.",
                unit="short",
                queries=[Query("min by (service) (streamlabel_ready)", "{{service}}")],
            ),
            Panel(
                title="Event loop lag",
                help="How late timers woke.",
                unit="s",
                queries=[Query(quantile(0.99, "streamlabel_loop_lag_seconds", "service"), "{{service}} p99")],
            ),
            Panel(
                title="Versions",
                help="Processes by version.",
                unit="short",
                queries=[Query("count by (service, version) (streamlabel_build_info)", "{{service}} {{version}}")],
            ),
        ),
    ),
)


def dashboard() -> dict[str, Any]:
    """The dashboard as Grafana reads it."""
    return {
        "uid": "streamlabel",
        "title": "Streamlabel",
        "tags": ["streamlabel"],
        "timezone": "browser",
        "schemaVersion": 39,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {
            "list": [
                {
                    "name": "project",
                    "label": "Project",
                    "type": "query",
                    "datasource": _DATASOURCE,
                    "query": "label_values(streamlabel_labels_total, project)",
                    "refresh": 2,
                    "multi": True,
                    "includeAll": True,
                    "allValue": ".*",
                    "current": {"text": "All", "value": "$__all"},
                }
            ]
        },
        "panels": list(_panels()),
    }


_DATASOURCE = {"type": "prometheus", "uid": "prometheus"}


def _panels() -> Iterator[dict[str, Any]]:
    number, top = 1, 0
    for title, panels in ROWS:
        yield {
            "id": number,
            "type": "row",
            "title": title,
            "collapsed": False,
            "panels": [],
            "gridPos": {"x": 0, "y": top, "w": _WIDTH, "h": 1},
        }
        number, top = number + 1, top + 1
        width = _WIDTH // 3
        for index, panel in enumerate(panels):
            place = {"x": index % 3 * width, "y": top + index // 3 * _HEIGHT, "w": width, "h": _HEIGHT}
            yield _chart(panel, number, place)
            number += 1
        top += -(-len(panels) // 3) * _HEIGHT


def _chart(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    return {
        "id": number,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.help,
        "datasource": _DATASOURCE,
        "gridPos": place,
        "fieldConfig": {
            "defaults": {
                "unit": panel.unit,
                "min": 0,
                "custom": {
                    "fillOpacity": 20 if panel.stacked else 0,
                    "stacking": {"mode": "normal" if panel.stacked else "none"},
                },
            },
            "overrides": [],
        },
        "options": {"tooltip": {"mode": "multi", "sort": "desc"}, "legend": {"displayMode": "list"}},
        "targets": [
            {
                "refId": chr(ord("A") + index),
                "expr": query.expr,
                "legendFormat": query.legend,
                "datasource": _DATASOURCE,
            }
            for index, query in enumerate(panel.queries)
        ],
    }
