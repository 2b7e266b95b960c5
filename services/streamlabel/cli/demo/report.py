"""The report of a demo: counts as the labels topic gives them back, latencies as a reader of that topic saw them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from streamlabel.cli.demo.checker import Findings
from streamlabel.cli.demo.ledger import Ledger
from streamlabel.core.label import LabelSource
from streamlabel.errors import ConfigurationError
from streamlabel.runtime.version import installed_version

_SHOWN_IDS = 20
_SHARES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}


def report(
    run: str, findings: Findings, ledger: Ledger, *, began_s: float, dead_letters: int, parts: Mapping[str, str]
) -> dict[str, Any]:
    """The report as plain values; `lost`, `duplicates` and `labels_*` are what the checker found.

    `first_label_after_s` counts from `began_s`, when the command began: the start of the stack is in it. `duration_s`
    counts from the first record sent to the last label read: the stream alone.
    """
    first_s, last_s = ledger.first_sent_s, ledger.last_labelled_s
    duration_s = last_s - first_s if first_s is not None and last_s is not None else 0.0
    by_source = findings.by_source
    return {
        "run": run,
        "records_sent": findings.records,
        "records_rejected": sum(ledger.rejected.values()),
        "labels_total": findings.labelled,
        "labels_model": by_source.get(LabelSource.MODEL, 0),
        "labels_human": by_source.get(LabelSource.HUMAN, 0),
        "lost": len(findings.lost),
        "duplicates": len(findings.duplicated),
        "dead_letters": dead_letters,
        "model_error": findings.error_rate(LabelSource.MODEL),
        "human_error": findings.error_rate(LabelSource.HUMAN),
        "first_label_after_s": round(ledger.first_labelled_s - began_s, 1) if ledger.first_labelled_s else None,
        "duration_s": round(duration_s, 3),
        "records_per_s": round(findings.labelled / duration_s, 1) if duration_s else None,
        "latency_ms": _latency(ledger, *LabelSource),
        "latency_model_ms": _latency(ledger, LabelSource.MODEL),
        "latency_human_ms": _latency(ledger, LabelSource.HUMAN),
        "parts": dict(parts),
        "streamlabel": installed_version(),
        "lost_ids": findings.lost[:_SHOWN_IDS],
        "duplicate_ids": findings.duplicated[:_SHOWN_IDS],
        "wrong_class_ids": findings.wrong_class[:_SHOWN_IDS],
    }


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Writes the report; raises ConfigurationError where the file cannot be written."""
    try:
        path.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    except OSError as error:
        raise ConfigurationError(f"cannot write the report {path}: {error.strerror}") from error


def _latency(ledger: Ledger, *sources: LabelSource) -> dict[str, float | None]:
    values = {name: ledger.overall_ms(share, sources) for name, share in _SHARES.items()}
    return {name: None if value is None else round(value, 1) for name, value in values.items()}
