"""Labels as rows for a file: one flat mapping a label, the same keys in JSON Lines and CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import Enum

import orjson

from streamlabel.cli.record_contents import Contents
from streamlabel.core.decision import Decision, DecisionReason
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
    "votes",
    "posterior",
    "adjudicator",
    "project_version",
    "taxonomy_version",
    "content_hash",
    "event_at",
    "ingested_at",
    "labelled_at",
)
CONTENT_COLUMNS = ("content", "attributes")
_OF_THE_THRESHOLD = (
    DecisionReason.SCORE_REACHED_THRESHOLD,
    DecisionReason.SCORE_BELOW_THRESHOLD,
    DecisionReason.GATE_PASSED,
    DecisionReason.BELOW_GATE,
    DecisionReason.CALIBRATION_LANE,
)


class Format(Enum):
    """What the export looks like."""

    JSONL = "jsonl"
    CSV = "csv"


def _threshold(decision: Decision) -> float | None:
    """What the score was compared with; None also where it is infinite, for which JSON has no word."""
    compared = decision.reason in _OF_THE_THRESHOLD and math.isfinite(decision.threshold)
    return decision.threshold if compared else None


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
        "score": decision.score if label.model_name else None,
        "threshold": _threshold(decision),
        "route": decision.route.value,
        "reason": decision.reason.value,
        "purpose": decision.purpose.value if decision.purpose else None,
        "gate_id": decision.gate_id or None,
        "model_name": label.model_name or None,
        "model_version": label.model_version or None,
        "annotators": list(label.annotators),
        "votes": [vote.class_name for vote in label.votes],
        "posterior": label.posterior,
        "adjudicator": label.adjudicator or None,
        "project_version": label.project_version,
        "taxonomy_version": label.taxonomy_version,
        "content_hash": label.content_hash.hex(),
        "event_at": _moment(label.event_at),
        "ingested_at": _moment(label.ingested_at),
        "labelled_at": _moment(label.labelled_at),
    }


def row_with_content(label: Label, contents: Contents) -> Mapping[str, object]:
    """`row`, and what was labelled; None where the record is no longer there, or its payload is no text."""
    content = contents.get((label.key, label.content_hash))
    return {
        **row(label),
        "content": content.text if content else None,
        "attributes": dict(content.attributes) if content else None,
    }


def header(form: Format, *, with_content: bool = False) -> str:
    """What stands before the first row."""
    columns = (*COLUMNS, *CONTENT_COLUMNS) if with_content else COLUMNS
    return _csv_line(columns) if form is Format.CSV else ""


def lines(labels: Iterable[Label], form: Format, contents: Contents | None = None) -> str:
    """The rows of `labels`, each ended by a newline; with the content columns where `contents` are given."""
    rows = (row(label) if contents is None else row_with_content(label, contents) for label in labels)
    if form is Format.JSONL:
        return "".join(orjson.dumps(each).decode() + "\n" for each in rows)
    return "".join(_csv_line(_csv_value(value) for value in each.values()) for each in rows)


def _moment(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z") if moment else None


def _csv_value(value: object) -> object:
    if isinstance(value, list):
        return ";".join(map(str, value))
    if isinstance(value, dict):
        return orjson.dumps(value).decode() if value else ""
    return "" if value is None else value


def _csv_line(values: Iterable[object]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(values)
    return buffer.getvalue()
