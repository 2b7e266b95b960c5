"""Who may speak to whom on Kubernetes: the flow, and nothing beside it."""

from __future__ import annotations

import pytest

from support.manifests import containers_of, of_kind, render, workloads
from support.network_policies import Pod, may_speak

INTERNET = Pod(labels={}, namespace_labels={"kubernetes.io/metadata.name": "elsewhere"})
PROMETHEUS = Pod(
    labels={"app.kubernetes.io/name": "prometheus"}, namespace_labels={"kubernetes.io/metadata.name": "monitoring"}
)
DNS = Pod(labels={"k8s-app": "kube-dns"}, namespace_labels={"kubernetes.io/metadata.name": "kube-system"})
STRIMZI = Pod(labels={"strimzi.io/kind": "Kafka"}, namespace_labels={"kubernetes.io/metadata.name": "kafka"})
DATABASE = Pod(labels={}, namespace_labels={"kubernetes.io/metadata.name": "postgres"})
PRODUCER = Pod(labels={"streamlabel.io/producer": "true", "app.kubernetes.io/name": "producer"})
INGRESS = Pod(labels={}, namespace_labels={"streamlabel.io/reviewers": "true"})


def pods(build: str) -> dict[str, Pod]:
    return {
        workload["metadata"]["name"]: Pod(
            labels=workload["spec"]["template"]["metadata"]["labels"],
            ports={
                port["name"]: port["containerPort"]
                for container in containers_of(workload)
                for port in container.get("ports", ())
            },
        )
        for workload in workloads(render(build))
    }


def reach(build: str, port: int) -> set[tuple[str, str]]:
    """Every pair of pods of the build where the first may open the port of the second."""
    policies = list(of_kind(render(build), "NetworkPolicy"))
    known = pods(build)
    return {
        (source_name, target_name)
        for source_name, source in known.items()
        for target_name, target in known.items()
        if source_name != target_name and may_speak(policies, source, target, port)
    }


def test_in_the_overlay_for_a_try_the_flow_is_open_and_nothing_else() -> None:
    build = "overlays/dev"
    clients = {"ingest", "inference", "routing", "review", "learning", "topics"}
    assert reach(build, 9092) == {(client, "kafka") for client in clients}
    assert reach(build, 8001) == {("inference", "triton")}
    assert reach(build, 5432) == {("review", "postgres"), ("learning", "postgres")}
    assert reach(build, 8080) == set()
    assert reach(build, 50051) == set()
    assert reach(build, 8000) == set()


@pytest.mark.parametrize("build", ["overlays/dev", "overlays/gpu"])
def test_everybody_may_ask_for_names_and_nobody_may_speak_to_the_world(build: str) -> None:
    policies = list(of_kind(render(build), "NetworkPolicy"))
    for name, pod in pods(build).items():
        assert may_speak(policies, pod, DNS, 53), name
        assert not may_speak(policies, pod, INTERNET, 443), name
        assert not may_speak(policies, INTERNET, pod, 8080), name


def test_producers_and_people_come_in_by_their_own_doors() -> None:
    build = "overlays/gpu"
    policies, ours = list(of_kind(render(build), "NetworkPolicy")), pods(build)
    may_enter = {
        (name, port)
        for name, pod in ours.items()
        for port in (8080, 50051, 8001)
        for visitor in (PRODUCER, INGRESS)
        if may_speak([*policies, *_open(visitor)], visitor, pod, port)
    }
    assert may_enter == {("ingest", 8080), ("ingest", 50051), ("review", 8080), ("review", 50051), ("learning", 8080)}
    assert not may_speak([*policies, *_open(PRODUCER)], PRODUCER, ours["learning"], 8080)
    assert not may_speak([*policies, *_open(PRODUCER)], PRODUCER, ours["review"], 8080)
    assert not may_speak(policies, INGRESS, ours["ingest"], 8080)


def test_in_production_brokers_and_database_are_reached_where_they_are() -> None:
    build = "overlays/gpu"
    policies, ours = list(of_kind(render(build), "NetworkPolicy")), pods(build)
    to_kafka = {name for name, pod in ours.items() if may_speak(policies, pod, STRIMZI, 9093)}
    assert to_kafka == {"ingest", "inference", "routing", "review", "learning", "topics"}
    assert {name for name, pod in ours.items() if may_speak(policies, pod, DATABASE, 5432)} == {"review", "learning"}
    scraped = {name for name, pod in ours.items() if may_speak(policies, PROMETHEUS, pod, 8080)}
    assert scraped >= {"ingest", "inference", "routing", "review", "learning"}
    assert may_speak(policies, PROMETHEUS, ours["triton"], 8002)
    assert not may_speak(policies, PROMETHEUS, ours["triton"], 8001)


def _open(visitor: Pod) -> list[dict[str, object]]:
    """What a visitor from our own namespace brings along: leave to go out; others are not bound by our policies."""
    if visitor.namespace_labels is not None:
        return []
    everywhere = [
        {"podSelector": {"matchLabels": {"app.kubernetes.io/name": name}}}
        for name in ("ingest", "review", "learning", "triton")
    ]
    ports = [{"port": port} for port in (8080, 50051, 8001)]
    spec = {
        "podSelector": {"matchLabels": dict(visitor.labels)},
        "policyTypes": ["Egress"],
        "egress": [{"to": everywhere, "ports": ports}],
    }
    return [{"spec": spec}]
