"""Labels as rows for a file: one flat mapping a label, the same keys in JSON Lines and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import Enum

import orjson

from streamlabel.core.label import Label

COLUMNS = (
    "project",
    "record_id",
    "class_name",
    "source",
    "revision",
    "supersedes_revision",
    "score",
    "threshold",
    "route",
    "reason",
    "purpose",
    "gate_id",
    "model_name",
    "model_version",
    "annotators",
    "project_version",
    "taxonomy_version",
    "content_hash",
    "event_at",
    "ingested_at",
    "labelled_at",
)


class Format(Enum):
    """What the export looks like."""

    JSONL = "jsonl"
    CSV = "csv"


def row(label: Label) -> Mapping[str, object]:
    """The label, flat; None where there is nothing to say."""
    decision = label.decision
    return {
        "project": label.key.project,
        "record_id": label.key.record_id,
        "class_name": label.class_name,
        "source": label.source.value,
        "revision": label.revision,
        "supersedes_revision": label.supersedes_revision or None,
        "score": decision.score,
        "threshold": decision.threshold,
        "route": decision.route.value,
        "reason": decision.reason.value,
        "purpose": decision.purpose.value if decision.purpose else None,
        "gate_id": decision.gate_id or None,
        "model_name": label.model_name or None,
        "model_version": label.model_version or None,
        "annotators": list(label.annotators),
        "project_version": label.project_version,
        "taxonomy_version": label.taxonomy_version,
        "content_hash": label.content_hash.hex(),
        "event_at": _moment(label.event_at),
        "ingested_at": _moment(label.ingested_at),
        "labelled_at": _moment(label.labelled_at),
    }


def header(form: Format) -> str:
    """What stands before the first row."""
    return _csv_line(COLUMNS) if form is Format.CSV else ""


def lines(labels: Iterable[Label], form: Format) -> str:
    """The rows of `labels`, each ended by a newline."""
    if form is Format.JSONL:
        return "".join(orjson.dumps(row(label)).decode() + "\n" for label in labels)
    return "".join(_csv_line(_csv_value(value) for value in row(label).values()) for label in labels)


def _moment(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z") if moment else None


def _csv_value(value: object) -> object:
    if isinstance(value, list):
        return ";".join(map(str, value))
    return "" if value is None else value


def _csv_line(values: Iterable[object]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(values)
    return buffer.getvalue()
