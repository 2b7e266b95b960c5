"""The demo on a terminal, redrawn as it goes; elsewhere the same facts in one line every few seconds."""

from __future__ import annotations

from collections.abc import Mapping

from rich.align import Align
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from streamlabel.cli.demo.gate_words import in_short, standing, wanted
from streamlabel.cli.demo.situation import Situation, SourceView

_MIDDLING, _WIDE = 100, 170


def line(moment: Situation) -> str:
    """The moment in one line; of what is not well the names alone: `news` tells the reasons."""
    queue = (
        "queue unknown" if moment.queue is None else f"waiting {moment.queue.open_tasks:,} ({span(moment.queue_age_s)})"
    )
    parts = [
        f"{span(moment.elapsed_s):>6}",
        f"sent {moment.sent:,} ({moment.sent_per_s:,.0f}/s)",
        f"labelled {moment.labelled:,} ({moment.labelled_per_s:,.0f}/s)",
        f"by model {share(moment.model_share)}",
        f"gate {in_short(moment.gate)}",
        queue,
        f"wrong: model {share(moment.model.error, 2)} people {share(moment.human.error, 2)}",
        f"latency p50 {span_ms(moment.model.p50_ms)} p99 {span_ms(moment.model.p99_ms)}",
    ]
    if moment.ailing:
        parts.append(f"not ready: {', '.join(moment.ailing)}")
    return "  ".join(parts)


def news(told: Mapping[str, str], moment: Situation) -> list[str]:
    """Why something is not well, a line each, where the last one who heard of it (`told`) heard another reason or none."""
    return [f"{name}: {why}" for name, why in moment.ailing.items() if told.get(name) != why]


def screen(moment: Situation, *, headline: str, page_url: str, gate_url: str, hint: str, width: int) -> RenderableType:
    """The moment as a picture of the whole flow."""
    panels = [_stream(moment), _labels(moment), _gate(moment), _truth(moment), _queue(moment)]
    columns = 2 if width < _MIDDLING else 3 if width < _WIDE else 5
    grid = Table.grid(expand=True)
    for _ in range(columns):
        grid.add_column(ratio=1)
    for first in range(0, len(panels), columns):
        row = panels[first : first + columns]
        grid.add_row(*row, *[""] * (columns - len(row)))
    title = Text("Streamlabel", style="bold") + Text(f"  {headline}", style="dim")
    where = [
        Text(f"{name} ", style="bold") + Text(url, style=f"underline link {url}")
        for name, url in (("Label yourself:", page_url), ("Why the gate stands so:", gate_url))
    ]
    return Group(title, grid, _health(moment), *where, Text(hint, style="dim"))


def _stream(moment: Situation) -> Panel:
    rows = [
        ("sent", f"{moment.sent:,}" + (f" of {moment.wanted:,}" if moment.wanted else "")),
        ("", f"{moment.sent_per_s:,.0f} a second"),
        ("no label yet", f"{moment.outstanding:,}"),
        ("running for", span(moment.elapsed_s)),
    ]
    return _panel("Stream", _facts(rows), "cyan")


def _labels(moment: Situation) -> Panel:
    rows = [
        ("labelled", f"{moment.labelled:,}"),
        ("", f"{moment.labelled_per_s:,.0f} a second"),
        ("by the model", share(moment.model_share)),
    ]
    bar = ProgressBar(total=1.0, completed=moment.model_share or 0.0, complete_style="green", finished_style="green")
    return _panel("Labels", Group(_facts(rows), bar), "green")


def _gate(moment: Situation) -> Panel:
    gate = moment.gate
    if gate is None:
        return _panel("Gate", Align.center(Text("the learning service does not answer", style="red")), "blue")
    passes = "nothing" if gate.threshold is None else f"from {gate.threshold:.3f} on"
    evidence = f"{gate.errors:,} wrong of {gate.count:,}" if gate.count else f"{gate.evidence:,}"
    rows = [
        ("now", standing(gate.state)),
        ("passes", passes),
        ("answers", evidence),
        ("error ≤", share(gate.bound, 1)) if gate.count else ("to open", wanted(gate)),
    ]
    return _panel("Gate", _facts(rows), "blue")


def _truth(moment: Situation) -> Panel:
    table = Table.grid(padding=(0, 1), expand=True)
    table.add_column(style="dim")
    table.add_column(justify="right")
    table.add_column(justify="right")
    table.add_row("", Text("model", style="dim"), Text("people", style="dim"))
    table.add_row("wrong", _wrong(moment.model), _wrong(moment.human))
    table.add_row("p50", span_ms(moment.model.p50_ms), span_ms(moment.human.p50_ms))
    table.add_row("p99", span_ms(moment.model.p99_ms), span_ms(moment.human.p99_ms))
    return _panel("True error, latency", table, "magenta")


def _queue(moment: Situation) -> Panel:
    if moment.queue is None:
        return _panel("People", Align.center(Text("the review service does not answer", style="red")), "yellow")
    rows = [
        ("wait for a person", f"{moment.queue.open_tasks:,}"),
        ("the longest for", span(moment.queue_age_s) if moment.queue.open_tasks else "–"),
        ("being looked at", f"{moment.queue.leased_tasks:,}"),
        ("answers a minute", f"{moment.queue.answers_per_minute:,.0f}"),
    ]
    return _panel("People", _facts(rows), "yellow")


def _health(moment: Situation) -> Text:
    text = Text()
    if moment.ailing:
        for name, why in moment.ailing.items():
            text += Text(f"● {name}: {why}  ", style="red")
    else:
        text += Text("● Kafka, Triton, PostgreSQL and five services are well  ", style="green")
    if moment.restarts:
        text += Text(f"{moment.restarts} restarts  ", style="yellow")
    if moment.rejected:
        text += Text(f"{moment.rejected:,} records turned away at the door", style="red")
    return text


def _panel(title: str, content: RenderableType, colour: str) -> Panel:
    return Panel(content, title=title, title_align="left", border_style=colour, height=6)


def _facts(rows: list[tuple[str, str]]) -> Table:
    table = Table.grid(padding=(0, 1), expand=True)
    table.add_column(style="dim")
    table.add_column(justify="right")
    for row in rows:
        table.add_row(*row)
    return table


def _wrong(view: SourceView) -> str:
    return "–" if view.error is None else f"{share(view.error, 2)} ({view.wrong:,})"


def share(value: float | None, digits: int = 0) -> str:
    """A share as a percentage."""
    return "–" if value is None else f"{value * 100:.{digits}f} %"


def span_ms(value_ms: float | None) -> str:
    """Milliseconds as a person reads them."""
    if value_ms is None:
        return "–"
    return f"{value_ms:.0f} ms" if value_ms < 1000 else span(value_ms / 1000)


def span(value_s: float) -> str:
    """Seconds as a person reads them."""
    if value_s < 10:
        return f"{value_s:.1f} s"
    if value_s < 120:
        return f"{value_s:.0f} s"
    minutes, seconds = divmod(round(value_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {seconds:02} s"
