"""Pictures of certificates and simulations. Needs matplotlib, which the extra `plot` brings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from streamlabel.core.control import GateState
from streamlabel.errors import ConfigurationError
from streamlabel.gate.binomial import upper_bound

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from streamlabel.gate.certify import Certified
    from streamlabel.gate.simulate import Simulation

_INK, _MODEL, _ERROR, _BOUND = "#1b2028", "#2f7d5b", "#c0392b", "#8a94a3"
_CLOSED = "#f3dcd8"


def plot_certified(found: Certified, name: str = "") -> Figure:  # noqa: ARG001
    """Error rate against coverage: seen, certain, allowed."""
    figure, axes = _canvas(1)
    shares, tally = found.grid.shares * 100, found.tally
    seen = tally.errors / np.maximum(tally.counts, 1) * 100
    bound = upper_bound(tally.errors, tally.counts, found.delta / 2) * 100
    axes[0].plot(shares, seen, color=_ERROR, label="wrong among the answers")
    axes[0].plot(
        shares, bound, color=_BOUND, linestyle="--", label=f"upper bound, one at a time (δ/2 = {found.delta / 2:g})"
    )
    axes[0].axhline(found.alpha * 100, color=_INK, linewidth=1, label=f"allowed: α = {found.alpha:.1%}")
    if found.certificate is not None:
        axes[0].axvspan(0, found.certificate.share * 100, color=_MODEL, alpha=0.12, label="may pass")
        title = f"score ≥ {found.threshold:.4g}: {found.coverage:.1%} pass, at most {found.certificate.bound:.2%} of them wrong"
    else:
        title = "nothing can be certified yet"
    axes[0].set_title(title, loc="left")
    axes[0].set_xlabel("share of the stream that passes, %")
    axes[0].set_ylabel("error, %")
    axes[0].set_ylim(0, max(4 * found.alpha * 100, float(np.max(seen[-1:])) * 1.1))
    axes[0].set_xlim(0, 100)
    axes[0].legend(frameon=False)
    return figure


def plot_simulation(found: Simulation) -> Figure:
    """The first run over the stream: coverage, error, and when the gate was closed; thin lines are the other runs."""
    figure, (above, below) = _canvas(2)
    for place, run in enumerate(found.runs[:20]):
        middle = [(window.begin + window.end) / 2 for window in run.windows]
        width, opacity = (1.8, 1.0) if place == 0 else (0.6, 0.35)
        passed = np.array([window.coverage for window in run.windows])
        errors = np.array([window.error for window in run.windows])
        above.plot(middle, passed * 100, color=_MODEL, linewidth=width, alpha=opacity)
        below.plot(middle, np.where(passed > 0, errors * 100, np.nan), color=_ERROR, linewidth=width, alpha=opacity)
    run = found.runs[0]
    end = run.windows[-1].end
    _mark_closed(above, below, found, end)
    above.set_ylabel("labelled by the model, %")
    above.set_ylim(0, 100)
    below.axhline(found.alpha * 100, color=_INK, linewidth=1)
    below.text(end, found.alpha * 100, f" α = {found.alpha:.1%}", va="bottom", ha="right", color=_INK)
    below.set_ylabel("wrong among those, %")
    below.set_ylim(0, max(3 * found.alpha * 100, 1))
    below.set_xlabel("records")
    above.set_title(
        f"{run.coverage:.1%} labelled by the model, {run.error:.2%} of them wrong"
        + (f"; {found.violation_rate:.1%} of {len(found.runs)} runs above α" if len(found.runs) > 1 else ""),
        loc="left",
    )
    return figure


def _mark_closed(above: Axes, below: Axes, found: Simulation, end: int) -> None:
    begin: int | None = 0
    for transition in (*found.runs[0].transitions, None):
        is_open = transition is not None and transition.state is GateState.CERTIFIED
        if begin is not None and (transition is None or is_open):
            for axes in (above, below):
                axes.axvspan(
                    begin, end if transition is None else transition.place, color=_CLOSED, linewidth=0, zorder=0
                )
            begin = None
        elif begin is None and transition is not None and not is_open:
            begin = transition.place
    if found.change_at is not None:
        for axes in (above, below):
            axes.axvline(found.change_at, color=_INK, linestyle=":", linewidth=1)


def _canvas(rows: int) -> tuple[Figure, list[Axes]]:
    try:
        from matplotlib.figure import Figure as Canvas
    except ImportError as error:
        raise ConfigurationError("plots need matplotlib: pip install 'streamlabel[plot]'") from error
    figure = Canvas(figsize=(8, 2 + 2.2 * rows), dpi=120, layout="constrained")
    axes = [figure.add_subplot(rows, 1, 1)]
    axes += [figure.add_subplot(rows, 1, row + 1, sharex=axes[0]) for row in range(1, rows)]
    for each in axes:
        each.spines[["top", "right"]].set_visible(False)
        each.tick_params(colors=_INK)
    return figure, axes
