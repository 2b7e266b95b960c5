"""Dashboard and rules speak only of metrics and labels that the catalogue promises, and say what their tests say."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml

from streamlabel.runtime.catalogue import CATALOGUE
from support.manifests import ROOT, render
from support.promql import selections
from support.promtool import run_promtool

RULES = ROOT / "docker/prometheus/rules.yaml"
RULE_TESTS = ROOT / "docker/prometheus/rules_test.yaml"
DASHBOARD = ROOT / "deploy/k8s/components/monitoring/dashboards/streamlabel.json"
PROMETHEUS = ROOT / "docker/prometheus/prometheus.yaml"

# What Prometheus adds to every series of ours when it scrapes.
TARGET_LABELS = {"service", "instance", "job", "namespace", "pod", "le"}
FOREIGN = {"up": frozenset[str]()}


def rules() -> list[Mapping[str, Any]]:
    content = yaml.safe_load(RULES.read_text())
    return [rule for group in content["groups"] for rule in group["rules"]]


def promised() -> dict[str, frozenset[str]]:
    """Every name that a query may use, with the labels its series have."""
    names = {sample: frozenset(spec.labels) for spec in CATALOGUE.values() for sample in spec.sample_names()}
    recorded = {rule["record"]: _labels_of(rule["expr"]) for rule in rules() if "record" in rule}
    return names | recorded | FOREIGN


def _labels_of(expression: str) -> frozenset[str]:
    return frozenset().union(*(selection.grouped for selection in selections(expression))) - {"le"}


def panels() -> Iterator[tuple[str, str, str]]:
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"], target["legendFormat"]


def unknown(expression: str) -> list[str]:
    known = promised()
    problems = []
    for selection in selections(expression):
        if selection.metric not in known:
            problems.append(f"no metric {selection.metric}")
            continue
        wrong = (selection.matched | selection.grouped) - known[selection.metric] - TARGET_LABELS
        problems += [f"{selection.metric} has no label {label}" for label in sorted(wrong)]
    return problems


def test_the_rules_use_only_names_of_the_catalogue() -> None:
    found = {rule.get("alert", rule.get("record")): unknown(rule["expr"]) for rule in rules()}
    assert {name: problems for name, problems in found.items() if problems} == {}


def test_the_dashboard_uses_only_names_of_the_catalogue() -> None:
    found = {title: unknown(expression) for title, expression, _ in panels()}
    assert len(found) > 20
    assert {title: problems for title, problems in found.items() if problems} == {}


def test_legends_show_labels_that_their_queries_keep() -> None:
    for title, expression, legend in panels():
        shown = set(re.findall(r"{{(\w+)}}", legend))
        assert shown <= _labels_of(expression), f"{title}: {legend}"


def test_the_check_itself_finds_what_is_wrong() -> None:
    assert unknown("rate(streamlabel_no_such_total[1m])") == ["no metric streamlabel_no_such_total"]
    assert unknown("streamlabel_stage_seconds") == ["no metric streamlabel_stage_seconds"], "a histogram has _bucket"
    assert unknown("sum by (projet) (streamlabel_leases_active)") == ["streamlabel_leases_active has no label projet"]
    assert unknown('streamlabel_leases_active{purpose="x"}') == ["streamlabel_leases_active has no label purpose"]
    with pytest.raises(ValueError, match="unclosed left parenthesis"):
        unknown("sum by (")


def test_every_metric_is_shown_or_alerted_on() -> None:
    used = {selection.metric for _, expression, _ in panels() for selection in selections(expression)}
    used |= {selection.metric for rule in rules() for selection in selections(rule["expr"])}
    unseen = {name for name, spec in CATALOGUE.items() if not used & set(spec.sample_names())}
    # How full requests are matters to whoever writes a producer, the size of a table to whoever looks for a leak.
    assert unseen == {"streamlabel_ingest_batch_records", "streamlabel_table_entries"}


def test_somebody_measures_every_metric_and_nobody_invents_one() -> None:
    sources = {path: path.read_text() for path in (ROOT / "services/streamlabel").rglob("*.py")}
    del sources[ROOT / "services/streamlabel/runtime/catalogue.py"]
    named = {name for text in sources.values() for name in re.findall(r'"(streamlabel_[a-z_]+)"', text)}
    assert CATALOGUE.keys() - named == set()
    assert {name for name in named - CATALOGUE.keys() if name.endswith(("_total", "_seconds", "_rows"))} == set()


def test_the_rules_are_what_prometheus_understands() -> None:
    code, words = run_promtool("check", "rules", RULES)
    assert code == 0, words
    assert f"{len(rules())} rules found" in words
    code, words = run_promtool("check", "config", "--syntax-only", PROMETHEUS)
    assert code == 0, words


def test_the_alerts_fire_when_they_should_and_only_then() -> None:
    code, words = run_promtool("test", "rules", RULE_TESTS)
    assert code == 0, words
    content = yaml.safe_load(RULE_TESTS.read_text())
    fired = {
        case["alertname"] for test in content["tests"] for case in test.get("alert_rule_test", ()) if case["exp_alerts"]
    }
    assert fired == {rule["alert"] for rule in rules() if "alert" in rule}, (
        "an alert without a history in which it fires"
    )


def test_an_alert_says_what_is_wrong_and_what_to_do() -> None:
    for rule in rules():
        if "alert" in rule:
            assert rule["annotations"].keys() == {"summary", "description"}, rule["alert"]
            assert rule["labels"]["severity"] in {"critical", "warning", "info"}, rule["alert"]


@pytest.mark.parametrize("generator", ["deploy/generate.py", "docs/reference/generate.py"])
def test_what_is_generated_is_not_stale(generator: str) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / generator, "--check"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_kubernetes_gets_the_same_rules_and_the_same_dashboard() -> None:
    manifests = render("overlays/gpu")
    rule = next(manifest for manifest in manifests if manifest["kind"] == "PrometheusRule")
    assert rule["spec"]["groups"] == yaml.safe_load(RULES.read_text())["groups"]
    maps = [manifest for manifest in manifests if "streamlabel.json" in manifest.get("data", {})]
    assert [json.loads(manifest["data"]["streamlabel.json"]) for manifest in maps] == [
        json.loads(DASHBOARD.read_text())
    ]


def test_autoscaling_asks_for_names_of_the_catalogue() -> None:
    queries = [
        trigger["metadata"]["query"]
        for manifest in render("overlays/gpu")
        if manifest["kind"] == "ScaledObject"
        for trigger in manifest["spec"]["triggers"]
        if trigger["type"] == "prometheus"
    ]
    assert queries
    assert [unknown(query) for query in queries] == [[]] * len(queries)
