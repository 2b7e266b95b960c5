"""Metrics: only what the catalogue promises, bounded in number, cheap, in the format that was asked for."""

from __future__ import annotations

import itertools

import pytest
from prometheus_client.parser import text_string_to_metric_families

from streamlabel.runtime.catalogue import CATALOGUE, EVERYWHERE, SECONDS, Kind, MetricSpec
from streamlabel.runtime.metrics import Metrics


def series(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    text, _ = metrics.expose("")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
        if sample.name.startswith("streamlabel_")
    }


@pytest.mark.parametrize("service", EVERYWHERE)
def test_a_scrape_shows_the_metrics_of_the_service_and_no_others(service: str) -> None:
    text, _ = Metrics(service).expose("")
    shown = {line.split()[2] for line in text.decode().splitlines() if line.startswith("# TYPE streamlabel_")}
    assert shown == {name for name, spec in CATALOGUE.items() if service in spec.services}


def test_values_arrive_under_their_labels() -> None:
    metrics = Metrics("ingest")
    metrics.know_projects(["digits"])
    for _ in range(2):
        metrics.counter(
            "streamlabel_records_received_total", project="digits", transport="grpc", outcome="accepted"
        ).inc(5)
    metrics.histogram("streamlabel_ingest_acknowledge_seconds").observe(0.003)
    metrics.gauge("streamlabel_ingest_in_flight_bytes").set(7)
    found = series(metrics)
    labels = (("outcome", "accepted"), ("project", "digits"), ("transport", "grpc"))
    assert found["streamlabel_records_received_total", labels] == 10
    assert found["streamlabel_ingest_acknowledge_seconds_bucket", (("le", "0.004"),)] == 1
    assert found["streamlabel_ingest_acknowledge_seconds_bucket", (("le", "0.002"),)] == 0
    assert found["streamlabel_ingest_in_flight_bytes", ()] == 7


def test_projects_that_nobody_applied_share_one_series() -> None:
    metrics = Metrics("routing")
    metrics.know_projects(["a"])
    for project in ("a", *(f"stranger-{number}" for number in range(100))):
        metrics.counter("streamlabel_labels_total", project=project, source="model").inc()
    found = {labels: value for (name, labels), value in series(metrics).items() if name == "streamlabel_labels_total"}
    assert found == {(("project", "-"), ("source", "model")): 100, (("project", "a"), ("source", "model")): 1}


def test_the_series_of_a_vanished_project_go_and_may_come_back() -> None:
    metrics = Metrics("review")
    metrics.know_projects(["a", "b"])
    for project in ("a", "b"):
        metrics.gauge("streamlabel_leases_active", project=project).set(3)
    metrics.know_projects(["b"])
    assert [labels for name, labels in series(metrics) if name == "streamlabel_leases_active"] == [(("project", "b"),)]
    metrics.know_projects(["a", "b"])
    metrics.gauge("streamlabel_leases_active", project="a").set(4)
    assert series(metrics)["streamlabel_leases_active", (("project", "a"),)] == 4


def test_one_series_can_be_dropped() -> None:
    metrics = Metrics("inference")
    for partition in ("0", "1"):
        metrics.gauge("streamlabel_consumer_lag_records", stage="inference", partition=partition).set(9)
    metrics.forget("streamlabel_consumer_lag_records", stage="inference", partition="0")
    metrics.forget("streamlabel_consumer_lag_records", stage="inference", partition="7")
    left = [labels for name, labels in series(metrics) if name == "streamlabel_consumer_lag_records"]
    assert left == [(("partition", "1"), ("stage", "inference"))]


def test_misuse_is_named() -> None:
    metrics = Metrics("ingest")
    with pytest.raises(KeyError, match="none of ingest's"):
        metrics.counter("streamlabel_decisions_total")
    with pytest.raises(KeyError, match="not in the catalogue"):
        metrics.counter("streamlabel_nonsense_total")
    with pytest.raises(ValueError, match="takes the labels"):
        metrics.counter("streamlabel_records_received_total", project="x")
    with pytest.raises(AssertionError, match="is a gauge"):
        metrics.counter("streamlabel_ready")
    with pytest.raises(ValueError, match="no metric"):
        Metrics("nobody")


def test_openmetrics_is_spoken_where_it_is_asked_for() -> None:
    metrics = Metrics("ingest")
    text, kind = metrics.expose("application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5")
    assert kind.startswith("application/openmetrics-text; version=1.0.0")
    assert text.endswith(b"# EOF\n")
    text, kind = metrics.expose("*/*")
    assert kind.startswith("text/plain; version=")
    assert b"_created" not in text


def test_the_catalogue_keeps_its_own_rules() -> None:
    assert SECONDS[0] == 0.001
    assert 60 < SECONDS[-1] < 120
    assert all(later == 2 * earlier for earlier, later in itertools.pairwise(SECONDS))
    for spec in CATALOGUE.values():
        assert spec.help.endswith("."), spec.name
        assert set(spec.services) <= set(EVERYWHERE), spec.name
        assert len(spec.labels) <= 3, spec.name
        if spec.name.endswith("_seconds"):
            assert spec.kind is not Kind.COUNTER
    for wrong in (
        {"name": "other_total", "kind": Kind.COUNTER},
        {"name": "streamlabel_x", "kind": Kind.COUNTER},
        {"name": "streamlabel_x", "kind": Kind.HISTOGRAM},
    ):
        with pytest.raises(ValueError, match=r"metrics are named|_total|have buckets"):
            MetricSpec(help="x", services=("ingest",), **wrong)  # type: ignore[arg-type]
