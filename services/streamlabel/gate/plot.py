"""Pictures of certificates and simulations. Needs matplotlib, which the extra `plot` brings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from streamlabel.core.control import GateState
from streamlabel.errors import ConfigurationError
from streamlabel.gate.answers_wanted import in_words
from streamlabel.gate.binomial import p_value, upper_bound

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from streamlabel.gate.certify import Certified
    from streamlabel.gate.runs import Run, Simulation

Numbers = npt.NDArray[np.float64]

_INK, _MODEL, _ERROR, _BOUND = "#1b2028", "#2f7d5b", "#c0392b", "#5d6b80"
_CLOSED = "#f3dcd8"
_OTHERS_SHOWN = 19
_ROOM = 1.1
# So much higher than the rest a point may be before it is only pointed at, so that the rest can be read.
_PEAK = 1.6


def plot_certified(found: Certified, name: str = "") -> Figure:
    """Error rate against coverage: seen, certain, allowed. `name` is that of the answers."""
    figure, (axes,) = _canvas(1)
    shares, tally = found.grid.shares * 100, found.tally
    seen = np.where(tally.counts > 0, tally.errors / np.maximum(tally.counts, 1), np.nan) * 100
    levels, words = _levels(found)
    tested = levels > 0
    bound = np.full(len(shares), np.nan)
    bound[tested] = [
        upper_bound(errors, count, level) * 100
        for errors, count, level in zip(tally.errors[tested], tally.counts[tested], levels[tested], strict=True)
    ]
    if found.certificate is not None:
        axes.axvspan(0, found.certificate.share * 100, color=_MODEL, alpha=0.12, linewidth=0, label="may pass")
    axes.plot(shares, seen, color=_ERROR, linewidth=1.8, label=f"wrong among {found.answers:,} answers")
    if tested.any():
        axes.plot(
            shares, bound, color=_BOUND, linestyle="--", label=f"upper bound where it was tested, at level {words}"
        )
    axes.axhline(found.alpha * 100, color=_INK, linewidth=1, label=f"allowed: α = {_percent(found.alpha)}")
    broad = shares >= 20
    top = _ROOM * float(np.nanmax([2 * found.alpha * 100, *seen[broad], *bound[broad]]))
    axes.set_ylim(0, min(top, 100))
    _point_at([(shares, np.where(np.isnan(bound), seen, bound))], axes, _BOUND)
    look = "" if found.look is None else f", look {found.look} at {found.level:.4g}"
    _entitle(figure, f"{_named(name)}α = {_percent(found.alpha)}, δ = {found.delta:g}{look}", _outcome(found))
    axes.set_xlabel("the surest part of the stream, %")
    axes.set_ylabel("error in that part, %")
    axes.set_xlim(0, 100)
    _explain(figure, columns=2)
    return figure


def _levels(found: Certified) -> tuple[Numbers, str]:
    """The chance of error that each region was tested at, 0 where it was not, and the same in words.

    The second chain begins with half of it, and has all from the moment that the first one reaches it.
    """
    shares, half = found.grid.shares, found.level / 2
    starts = found.starts
    levels = np.zeros(len(shares))
    if not starts:
        return levels, ""
    if len(starts) == 1:
        levels[starts[0] :] = found.level
        return levels, f"{found.level:.3g}"
    first, second = starts
    levels[first:] = half
    p_values = p_value(found.tally.errors, found.tally.counts, found.alpha)
    if (p_values[first:second] <= half).all():
        levels[second:] = found.level
        return levels, f"{half:.3g}, from {shares[second]:.0%} on {found.level:.3g}"
    return levels, f"{half:.3g}"


def _outcome(found: Certified) -> str:
    if found.certificate is not None:
        return f"score ≥ {found.threshold_told(4)}: {found.coverage:.1%} pass, at most {found.certificate.bound:.2%} of them wrong"
    if found.more_labels_needed is None and found.is_good_somewhere:
        return "not certified: what looks good enough does so only just, or is not the surest part"
    if found.more_labels_needed is None:
        return "not certified: nowhere do the answers look good enough"
    # Without counted looks there is no next one.
    likely = "would have made it likely" if found.look is None else f"make it likely at look {found.look + 1}"
    return f"not certified: {in_words(found.more_labels_needed)} more answers {likely}"


def plot_simulation(found: Simulation, name: str = "") -> Figure:
    """Coverage and error over the stream, and when the gate was closed. `name` is that of the stream.

    The first run is drawn thick; shading is about that one. Thin lines are other runs.
    """
    figure, (above, below) = _canvas(2)
    first, others = found.runs[0], found.runs[1 : 1 + _OTHERS_SHOWN]
    courses = [_courses(run) for run in (*others, first)]
    for middle, passed, wrong in courses[:-1]:
        above.plot(middle, passed, color=_MODEL, linewidth=0.6, alpha=0.35)
        below.plot(middle, wrong, color=_ERROR, linewidth=0.6, alpha=0.35)
    middle, passed, wrong = courses[-1]
    which = " in run 1" if others else ""
    above.plot(middle, passed, color=_MODEL, linewidth=1.8, label=f"labelled by the model{which}")
    below.plot(middle, wrong, color=_ERROR, linewidth=1.8, marker=".")
    if not np.isnan(wrong).all():
        below.lines[-1].set_label(f"wrong among those{which}")
    if others:
        count = len(found.runs) - 1
        shown = f"{len(others)} of {count} other runs" if count > len(others) else _count(count, "other run")
        below.plot([], [], color=_BOUND, linewidth=0.6, label=f"{shown}, in thin lines")
    below.axhline(found.alpha * 100, color=_INK, linewidth=1, label=f"allowed: α = {_percent(found.alpha)}")
    _shade_closed(above, below, first, found.records, f"gate closed{which}")
    if found.change_at is not None:
        above.axvline(found.change_at, color=_INK, linestyle=":", label=f"the stream changes, at {found.change_at:,}")
        below.axvline(found.change_at, color=_INK, linestyle=":")
    _fit(above, below, courses, found.alpha)
    _point_at([(places, wrong) for places, _, wrong in courses], below, _ERROR)
    above.set_ylabel("labelled by the model, %")
    below.set_ylabel("wrong among those, %")
    below.set_xlabel("records")
    above.set_xlim(0, found.records)
    _entitle(figure, f"{_named(name)}α = {_percent(found.alpha)}, δ = {found.delta:g}", _summary(found))
    _explain(figure, columns=3)
    return figure


def _courses(run: Run) -> tuple[Numbers, Numbers, Numbers]:
    """Middles of the windows, and in percent what passed and how much of that was wrong; NaN where nothing passed."""
    middle = np.array([(window.begin + window.end) / 2 for window in run.windows])
    passed = np.array([window.coverage for window in run.windows]) * 100
    wrong = np.array([np.nan if window.error is None else window.error for window in run.windows]) * 100
    return middle, passed, wrong


def _summary(found: Simulation) -> str:
    several = len(found.runs) > 1
    if not found.coverage:
        return "nothing labelled by the model" + (f" in any of {len(found.runs)} runs" if several else "")
    wrong = "" if found.error is None else f", {found.error:.2%} of them wrong"
    mean = f"mean of {len(found.runs)} runs: " if several else ""
    above = f"; {found.violations} of {len(found.runs)} runs above α" if several else ""
    return f"{mean}{found.coverage:.1%} labelled by the model{wrong}{above}"


def _fit(above: Axes, below: Axes, courses: list[tuple[Numbers, Numbers, Numbers]], alpha: float) -> None:
    """Both axes as high as their curves; that of the errors not for the sake of a few peaks."""
    highest = max(float(passed.max()) for _, passed, _ in courses)
    above.set_ylim(0, min(100.0, max(1.0, _ROOM * highest)))
    known = np.concatenate([wrong[~np.isnan(wrong)] for _, _, wrong in courses])
    usual = max(2 * alpha * 100, float(np.quantile(known, 0.95)) if len(known) else 0.0)
    peak = float(known.max()) if len(known) else 0.0
    below.set_ylim(0, _ROOM * (usual if peak > _PEAK * usual else max(usual, peak)))
    if not highest:
        for axes, words in ((above, "the model labelled nothing"), (below, "nothing that could be wrong")):
            axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center", color=_INK)


def _point_at(curves: list[tuple[Numbers, Numbers]], axes: Axes, color: str) -> None:
    """A mark on the upper edge for each point that lies beyond it, the highest in figures; the last curve is the thick one."""
    top = axes.get_ylim()[1]
    beyond = [(places[values > top], values[values > top]) for places, values in curves]
    if not any(len(values) for _, values in beyond):
        return
    places, values = (np.concatenate(parts) for parts in zip(*beyond, strict=True))
    highest = int(np.argmax(values))
    axes.scatter(
        places, np.full(len(places), top), marker="^", s=22, color=color, alpha=0.7, linewidth=0, clip_on=False, zorder=5,
        label=f"beyond this axis: up to {values[highest]:.0f}%",
    )  # fmt: skip


def _shade_closed(above: Axes, below: Axes, run: Run, end: int, label: str) -> None:
    begin: int | None = 0
    for transition in (*run.transitions, None):
        is_open = transition is not None and transition.state is GateState.CERTIFIED
        if begin is not None and (transition is None or is_open):
            for axes in (above, below):
                axes.axvspan(
                    begin, end if transition is None else transition.place, color=_CLOSED, linewidth=0, zorder=0
                )
            if len(above.patches) == 1:
                above.patches[0].set_label(label)
            begin = None
        elif begin is None and transition is not None and not is_open:
            begin = transition.place


def _explain(figure: Figure, *, columns: int) -> None:
    """One legend for all axes, below them."""
    figure.legend(loc="outside lower left", ncols=columns, frameon=False, fontsize="small", columnspacing=1.5)


def _percent(share: float) -> str:
    return f"{share * 100:.4g}%"


def _named(name: str) -> str:
    return f"{name}: " if name else ""


def _count(number: int, noun: str) -> str:
    return f"{number} {noun if number == 1 else noun + 's'}"


def _entitle(figure: Figure, *lines: str) -> None:
    figure.suptitle("\n".join(lines), x=0.01, ha="left", color=_INK, fontsize="large")


def _canvas(rows: int) -> tuple[Figure, list[Axes]]:
    try:
        from matplotlib.figure import Figure as Canvas
    except ImportError as error:
        raise ConfigurationError("plots need matplotlib: pip install 'streamlabel[plot]'") from error
    figure = Canvas(figsize=(8, 2.6 + 2.2 * rows), dpi=120, layout="constrained")
    axes = [figure.add_subplot(rows, 1, 1)]
    axes += [figure.add_subplot(rows, 1, row + 1, sharex=axes[0]) for row in range(1, rows)]
    for each in axes:
        each.spines[["top", "right"]].set_visible(False)
        each.tick_params(colors=_INK)
    return figure, axes
