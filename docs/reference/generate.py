"""Writes settings.md and metrics.md beside it from the settings classes and the catalogue.

python docs/reference/generate.py           writes them
python docs/reference/generate.py --check   ends with 1 if one is stale
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from streamlabel.runtime.catalogue import CATALOGUE
from streamlabel.runtime.settings import GrpcSettings, ServiceSettings, SettingRow, describe_settings

FOLDER = Path(__file__).resolve().parent
SERVICES = ("ingest", "inference", "routing", "review", "learning")
_MADE = "<!-- Made by docs/reference/generate.py; change the code, not this page. -->\n"


def settings_of(module_name: str) -> type[ServiceSettings]:
    """The settings class that a module defines."""
    module = importlib.import_module(module_name)
    return next(
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, ServiceSettings) and value.__module__ == module_name
    )


def settings_page() -> str:
    """Every key of every service."""
    shared = describe_settings(ServiceSettings)
    shared_keys = {row.key for row in shared}
    grpc = [row for row in describe_settings(GrpcSettings) if row.key not in shared_keys]
    common = shared_keys | {row.key for row in grpc}
    parts = [
        _MADE,
        "# Settings\n",
        "Everything is set by environment variables. An unknown or bad one stops the process before any work is done, with all "
        "problems at once and exit code 78. A service ignores the keys of the others, so one environment file may serve the whole "
        "house. `python -m streamlabel.<service> --print-settings` shows the values in force, secrets masked.\n",
        "## Shared by all services\n",
        *_table(shared),
        "## gRPC servers: ingest, review\n",
        *_table(grpc),
    ]
    for service in SERVICES:
        rows = [
            row for row in describe_settings(settings_of(f"streamlabel.{service}.settings")) if row.key not in common
        ]
        parts += [f"## {service}\n", *_table(rows)]
    rows = [row for row in describe_settings(settings_of("streamlabel.cli.settings")) if row.key not in common]
    parts += ["## The command line\n", *_table(rows)]
    return "\n".join(parts)


def metrics_page() -> str:
    """Every metric of the catalogue."""
    parts = [
        _MADE,
        "# Metrics\n",
        "`GET /metrics` of each service, as Prometheus text or OpenMetrics. Projects that nobody applied share the label `-`. Alerts: "
        "`docker/prometheus/rules.yaml`; dashboard: `deploy/k8s/components/monitoring/dashboards/streamlabel.json`.\n",
        "| name | kind | labels | services | meaning |\n|---|---|---|---|---|",
    ]
    for spec in CATALOGUE.values():
        labels = ", ".join(f"`{label}`" for label in spec.labels) or "–"
        services = ", ".join(spec.services)
        parts.append(f"| `{spec.name}` | {spec.kind.value} | {labels} | {services} | {spec.help} |")
    return "\n".join(parts) + "\n"


def _table(rows: list[SettingRow] | tuple[SettingRow, ...]) -> Iterator[str]:
    yield "| key | what it sets | type | default |\n|---|---|---|---|"
    for row in rows:
        kind = row.values.replace("|", "\\|")
        default = "**required**" if row.required else f"`{row.default}`" if row.default else "–"
        yield f"| `{row.key}` | {row.help.replace('|', chr(92) + '|')} | {kind} | {default} |"
    yield ""


def pages() -> Mapping[Path, str]:
    """Every page with what it must contain."""
    return {FOLDER / "settings.md": settings_page(), FOLDER / "metrics.md": metrics_page()}


def main(arguments: list[str]) -> int:
    """Write, or check."""
    stale = [path for path, text in pages().items() if not path.exists() or path.read_text() != text]
    if arguments == ["--check"]:
        for path in stale:
            sys.stderr.write(f"stale: docs/reference/{path.name}; run `python docs/reference/generate.py`\n")
        return 1 if stale else 0
    for path in stale:
        path.write_text(pages()[path])
        sys.stdout.write(f"wrote docs/reference/{path.name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
