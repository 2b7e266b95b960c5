"""Writes what is made from something else: the dashboard's JSON, and the PrometheusRule from the rules of Prometheus.

python deploy/generate.py           writes the files
python deploy/generate.py --check   ends with 1 if one of them is stale
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "deploy"))

from dashboard import dashboard  # noqa: E402

RULES = ROOT / "docker/prometheus/rules.yaml"
MONITORING = ROOT / "deploy/k8s/components/monitoring"
_HEADER = "# Made by deploy/generate.py from docker/prometheus/rules.yaml: change that, then run `python deploy/generate.py`.\n"


def generated() -> Mapping[Path, str]:
    """Every generated file with what it must contain."""
    rules: dict[str, Any] = yaml.safe_load(RULES.read_text())
    resource = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "streamlabel"},
        "spec": {"groups": rules["groups"]},
    }
    return {
        MONITORING / "prometheus-rule.yaml": _HEADER + yaml.safe_dump(resource, sort_keys=False, width=1000),
        MONITORING / "dashboards/streamlabel.json": json.dumps(dashboard(), indent=1) + "\n",
    }


def main(arguments: list[str]) -> int:
    """Write, or check."""
    stale = [path for path, text in generated().items() if not path.exists() or path.read_text() != text]
    if arguments == ["--check"]:
        for path in stale:
            sys.stderr.write(f"stale: {path.relative_to(ROOT)}; run `python deploy/generate.py`\n")
        return 1 if stale else 0
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(generated()[path])
        sys.stdout.write(f"wrote {path.relative_to(ROOT)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
