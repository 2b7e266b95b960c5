"""A lot's certificate as one page, to be read on any screen and to be printed: whole in itself, without a script."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape

from streamlabel.cli.lot_certificate import Certificate
from streamlabel.cli.lot_plot import STYLE as PLOT_STYLE
from streamlabel.cli.lot_plot import lettered, plot
from streamlabel.cli.moments import told

# Each ink stands out from its ground by 4.5 to 1 at least, lines of the grid apart.
_LIGHT = (
    "--ground: #ffffff; --ink: #111827; --muted: #4b5563; --line: #d1d5db; --accent: #1d4ed8; --warning: #92400e; --code: #f3f4f6; "
    "--A: #1d4ed8; --B: #a34207; --C: #15703a; --D: #7e22ce"
)
_DARK = (
    "--ground: #111827; --ink: #f3f4f6; --muted: #c3c9d4; --line: #374151; --accent: #93c5fd; --warning: #fcd34d; --code: #1f2937; "
    "--A: #93c5fd; --B: #fdba74; --C: #86efac; --D: #d8b4fe"
)
_STYLE = f"""
@page {{ size: A4; margin: 12mm 16mm }}
:root {{ color-scheme: light dark; {_LIGHT} }}
@media screen and (prefers-color-scheme: dark) {{ :root {{ {_DARK} }} }}
body {{ font: 16px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--ground) }}
body {{ max-width: 720px; margin: 0 auto; padding: 16px }}
p {{ margin: 8px 0 }} .note {{ color: var(--muted); font-size: .9em }}
h1 {{ font-size: 1.6em; margin: 0 0 8px }} h2 {{ font-size: 1.15em; margin: 20px 0 6px; break-after: avoid }}
.promise {{ font-size: 1.25em; border-left: 5px solid var(--accent); padding: 2px 0 2px 14px; margin: 12px 0 }}
.wide {{ overflow-x: auto }}
table {{ border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }}
td, th {{ text-align: right; vertical-align: bottom; padding: 4px 0 4px 14px; border-bottom: 1px solid var(--line) }}
td:first-child, th:first-child {{ text-align: left; padding-left: 0 }}
ul {{ margin: 6px 0; padding-left: 22px }} li {{ margin: 3px 0 }}
code {{ font-size: .85em; overflow-wrap: anywhere }}
pre {{ background: var(--code); padding: 10px 12px; margin: 8px 0; white-space: pre-wrap; overflow-wrap: anywhere; font-size: .85em }}
.warning {{ color: var(--warning) }}
{PLOT_STYLE}
@media print {{
  :root {{ color-scheme: light }} body {{ padding: 0; font-size: 9.5pt; max-width: none }} p, ul {{ margin: 5px 0 }}
  svg {{ max-height: 66mm }} svg, pre, tr, li {{ break-inside: avoid }}
}}
"""
_PROMISED = (
    "The bound holds with the stated confidence, whatever the model is and however records depend on each other: all chance is in the "
    "secret coin that drew the calibration records.",
    "Wrong means: other than what people say who label the record without seeing the model's answer. A drawn record that nobody "
    "answered in time counts as wrong.",
)
_NOT_PROMISED = (
    "Which labels are wrong; the error within one class or any other part of the lot: the bound is about all of them together.",
    "Anything, where people of the calibration lane saw what the model said, where they chose among its tasks, or where a producer "
    "of records knew the coin's key.",
    "Records decided within the seconds around an end of the stretch, or around a change of the share that is drawn: they may be "
    "counted on one side only.",
    "Many certificates together: each may be wrong with probability delta. Nor one whose stretch was chosen after looking at its "
    "answers.",
)
# What `canonical` does, for whoever would rather not trust this package.
LINES = """import hashlib, json

lot = json.load(open("lot.json", encoding="utf-8"))
rest = {key: value for key, value in lot.items() if key != "sha256"}
text = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
print(hashlib.sha256(text.encode()).hexdigest() == lot["sha256"])"""
_PLOT_NOTE = (
    "Solid: the chance that an audit finds no more wrong than this one did, if that share of the labels is wrong. Dotted: the part of "
    "delta. Dashed: the bound; with more wrong than that, so good an audit would be less likely than the part of delta."
)


def page(made: Certificate, sha256: str) -> str:
    """The certificate as HTML; `sha256` is that of its JSON, by which both belong together."""
    body = [
        "<main><h1>Certificate of a lot</h1>",
        f'<p class="promise">{escape(made.statement)}</p>',
        *_facts(made),
        "<h2>The audit</h2>",
        *_audit(made),
        "<h2>How likely is so good an audit?</h2>",
        plot(made.lot.strata, made.parts),
        f'<p class="note">{escape(_PLOT_NOTE)}</p>',
        "<h2>What is promised</h2>",
        _list(_PROMISED),
        "<h2>What is not</h2>",
        _list(_NOT_PROMISED),
        "<h2>What it rests on, and how to check it</h2>",
        *_checks(made, sha256),
        "</main>",
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Lot of {escape(made.project)}</title><style>{_STYLE}</style></head><body>{''.join(body)}</body></html>\n"
    )


def _facts(made: Certificate) -> Iterator[str]:
    """Who set the labels, what was amiss, and what is not covered."""
    yield _list(made.facts())
    for each in made.gaps():
        yield f'<p class="warning">{escape(each)}</p>'
    if superseded := made.lot.superseded:
        yield (
            f"<p>{superseded:,} more {'was' if superseded == 1 else 'were'} corrected, replaced or deleted later: they are in the "
            "counts below, for the coin passed them over too, and not in the promise.</p>"
        )


def _audit(made: Certificate) -> Iterator[str]:
    """The strata, and why the bound is no smaller."""
    yield _table(
        (
            "line",
            "share drawn",
            "labels",
            "wrong at most",
            "audited",
            "found wrong",
            "of them unanswered",
            "part of delta",
        ),
        (
            (
                f'<b class="key-{letter}">{letter}</b>' if letter else "",
                f"{stratum.lane_rate:.1%}",
                f"{stratum.labels:,}",
                f"{part.wrong_at_most:,}",
                f"{stratum.audited:,}",
                f"{stratum.found:,}",
                f"{stratum.unanswered:,}",
                f"{part.delta:.4g}" if stratum.audited else "–",
            )
            for letter, stratum, part in lettered(made.lot.strata, made.parts)
        ),
    )
    yield (
        '<p class="note">A line for each share of the stream that the coin drew under the same evidence. What was found wrong has '
        f"been mended. Delta, {made.delta:g}, is the chance that the statement does not hold.</p>"
    )
    yield f"<p>{escape(made.widened_by)}</p>"


def _checks(made: Certificate, sha256: str) -> Iterator[str]:
    lot, transition = made.lot, made.transition
    gates = f"{len(lot.gate_ids):,} {'gate' if len(lot.gate_ids) == 1 else 'gates'}"
    yield (
        f"<p>{len(lot.audits):,} audited records and {gates}, named in the certificate's JSON. Issued {told(made.issued_at)}. "
        f"The SHA-256 of the JSON is <code>{escape(sha256)}</code>. That the file is as it was written, and its bound follows from "
        "its counts, says</p>"
    )
    yield f"<pre>streamlabel certify check lot.json --sha256 {escape(sha256)}</pre>"
    yield "<p>and the first of both, without Streamlabel, these lines of Python:</p>"
    yield f"<pre>{escape(LINES)}</pre>"
    if transition is None:
        return
    yield (
        f"<p>When it was issued, transition {transition.number:,} was the gate's latest. That the history of the gate is still the "
        "one it rests on says, beside the stack,</p>"
    )
    yield f"<pre>streamlabel gate verify --contains {transition.digest.hex()}</pre>"


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Cells are HTML."""
    head = "".join(f"<th>{escape(each)}</th>" for each in headings)
    lines = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    frame = '<div class="wide" tabindex="0" role="region" aria-label="The audit, line by line">'
    return f"{frame}<table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table></div>"


def _list(points: Iterable[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(each)}</li>' for each in points)}</ul>"
