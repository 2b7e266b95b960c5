"""A lot's certificate as one page to be printed: whole in itself, without a script."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from streamlabel.cli.lot_certificate import Certificate
from streamlabel.cli.lot_plot import plot
from streamlabel.cli.moments import told

_STYLE = """
@page { size: A4; margin: 12mm 16mm }
body { font: 10pt/1.35 system-ui, sans-serif; color: #111827; max-width: 178mm; margin: 0 auto; padding: 4mm }
@media print { body { padding: 0; font-size: 9.5pt } svg { max-height: 55mm } }
p { margin: 1.5mm 0 }
h1 { font-size: 15pt; margin: 0 0 2mm } h2 { font-size: 11pt; margin: 4mm 0 1mm }
.promise { font-size: 13pt; border-left: 1.2mm solid #1d4ed8; padding: 1mm 0 1mm 4mm; margin: 3mm 0 }
table { border-collapse: collapse; width: 100% } td, th { text-align: right; padding: .6mm 2mm; border-bottom: .2mm solid #d1d5db }
td:first-child, th:first-child { text-align: left; padding-left: 0 }
ul { margin: 1mm 0; padding-left: 5mm } svg { width: 100% } svg text { font: 11px system-ui, sans-serif }
code { font-size: 8.5pt; overflow-wrap: anywhere } .warning { color: #b45309 }
"""
_PROMISED = (
    "The bound holds with the stated confidence over the draws of the calibration coin alone. No assumption is made about the model, "
    "nor that records are independent of each other or alike.",
    "Wrong means: other than what people say who label the record without seeing the model's answer. A drawn record that nobody "
    "answered in time counts as wrong.",
)
_NOT_PROMISED = (
    "Which labels are wrong; the error within one class or any other part of the lot: the bound is about all of them together.",
    "Anything, where people of the calibration lane saw what the model said, where they chose among its tasks, or where a producer "
    "of records knew the coin's key.",
    "Records decided within the seconds around an end of the stretch, or around a change of the lane's rate: they may be counted on "
    "one side only.",
    "Many certificates together: each may be wrong with probability delta. Nor one whose stretch was chosen after looking at its "
    "answers.",
)


def page(made: Certificate, sha256: str) -> str:
    """The certificate as HTML; `sha256` is that of its JSON, by which both belong together."""
    lot = made.lot
    uncovered = "".join(
        f'<p class="warning">Not covered: {count:,} labels {escape(why)}.</p>' for why, count in lot.not_covered.items()
    )
    superseded = (
        f"<p>{lot.superseded:,} more were corrected, replaced or deleted later; they are in the counts below, not in the promise.</p>"
        if lot.superseded
        else ""
    )
    transition = "none" if made.transition is None else f"{made.transition['number']} {made.transition['digest']}"
    body = [
        "<h1>Certificate of a lot</h1>",
        f'<p class="promise">{escape(made.statement)}</p>',
        uncovered,
        superseded,
        "<h2>The audit</h2>",
        _table(
            ("share drawn", "labels", "drawn", "wrong", "delta", "wrong at most"),
            (
                (
                    f"{stratum.lane_rate:.1%}",
                    f"{stratum.labels:,}",
                    f"{part.audited:,}",
                    f"{part.found:,}",
                    f"{part.delta:.4g}",
                    f"{part.wrong_at_most:,}",
                )
                for stratum, part in zip(lot.strata, made.parts, strict=True)
            ),
        ),
        f"<p>{lot.unanswered:,} of the {made.audited:,} drawn records were not answered in time and count as wrong. "
        "What was found wrong has been mended.</p>",
        "<h2>How likely is so good an audit?</h2>",
        plot(lot.strata, made.parts),
        "<h2>What is promised</h2>",
        _list(_PROMISED),
        "<h2>What is not</h2>",
        _list(_NOT_PROMISED),
        "<h2>What it rests on</h2>",
        f"<p>{len(lot.audits):,} audited records and {len(lot.gate_ids):,} gates, named in the certificate's JSON. "
        f"Issued {told(made.issued_at)}.<br>"
        f"Latest transition of the gate: <code>{escape(transition)}</code><br>SHA-256 of the JSON: <code>{escape(sha256)}</code></p>",
    ]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Lot of {escape(made.project)}</title>'
        f"<style>{_STYLE}</style></head><body>{''.join(body)}</body></html>\n"
    )


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(each)}</th>" for each in headings)
    lines = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>"


def _list(points: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(each)}</li>' for each in points)}</ul>"
