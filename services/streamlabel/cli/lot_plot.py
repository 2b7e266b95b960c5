"""A lot's certificate as a picture: how likely so good an audit is, were so many labels wrong. Drawn as SVG, without a library."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape

from streamlabel.gate.lot import LotCertificate, Stratum

# Room for letters as large as a phone needs them: there the picture is half as wide as it is here.
_WIDTH, _HEIGHT = 640, 344
_LEFT, _RIGHT, _TOP, _BOTTOM = 78, 36, 44, 80
_STEPS = 120
_AHEAD = 2.5
_MOST_TICKS = 5
LETTERS = "ABCD"
STYLE = """
svg { width: 100%; display: block } svg text { font: 13px system-ui, sans-serif; fill: var(--muted) }
svg .grid { stroke: var(--line) } svg .axis { stroke: var(--muted) } svg polyline { fill: none; stroke-width: 2.5 }
svg .bound { stroke-width: 1.5; stroke-dasharray: 7 4 } svg .delta { stroke-width: 1.5; stroke-dasharray: 2 4 }
.of-A { stroke: var(--A) } .of-B { stroke: var(--B) } .of-C { stroke: var(--C) } .of-D { stroke: var(--D) }
svg text.mark { font-weight: 700; stroke: none }
svg text.of-A { fill: var(--A) } svg text.of-B { fill: var(--B) } svg text.of-C { fill: var(--C) } svg text.of-D { fill: var(--D) }
.key-A { color: var(--A) } .key-B { color: var(--B) } .key-C { color: var(--C) } .key-D { color: var(--D) }
@media screen and (max-width: 520px) { svg text { font-size: 23px } }
"""


def lettered(strata: Sequence[Stratum], parts: Sequence[LotCertificate]) -> list[tuple[str, Stratum, LotCertificate]]:
    """The strata in their order; those of the most labels, four at most, have a letter, the others none."""
    order = sorted(range(len(strata)), key=lambda place: -strata[place].labels)[: len(LETTERS)]
    letters = dict(zip(sorted(order), LETTERS, strict=False))
    return [(letters.get(place, ""), strata[place], parts[place]) for place in range(len(strata))]


def plot(strata: Sequence[Stratum], parts: Sequence[LotCertificate]) -> str:
    """One curve for each stratum that has a letter; each falls below its part of delta right after its bound.

    One in which nobody looked has none: whatever is wrong there, so good an audit was certain.
    """
    shown = [(letter, of, part) for letter, of, part in lettered(strata, parts) if letter and part.audited]
    bounds = [part.wrong_at_most / of.labels for _, of, part in shown]
    ticks = list(_ticks(min(1.0, _AHEAD * max(bounds, default=0.0)) or 1.0))
    drawn = [*_frame(ticks)]
    for place, (letter, stratum, part) in enumerate(shown):
        drawn += _curve(stratum, part, ticks[-1], letter, place)
    title = (
        "The chance of an audit that finds as few wrong labels as this one did, by the share of labels that is wrong"
    )
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}" '
        f'xmlns="http://www.w3.org/2000/svg">{"".join(drawn)}</svg>'
    )


def _ticks(right: float) -> Iterator[float]:
    """Round shares from 0 on, the last one at `right` or beyond, but never beyond 1."""
    rough = right / _MOST_TICKS
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(each * unit for each in (1, 2, 2.5, 5, 10) if each * unit >= rough * (1 - 1e-9))
    for tick in range(_MOST_TICKS + 1):
        yield min(1.0, tick * step)
        if tick * step >= right * (1 - 1e-9):
            return


def _x(share: float, right: float) -> float:
    return _LEFT + (_WIDTH - _LEFT - _RIGHT) * share / right


def _y(chance: float) -> float:
    return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - chance)


def _frame(ticks: Sequence[float]) -> Iterator[str]:
    """Axes with their words."""
    right, bottom = ticks[-1], _HEIGHT - _BOTTOM
    for chance in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = _y(chance)
        yield f'<line class="{"grid" if chance else "axis"}" x1="{_LEFT}" y1="{y:.1f}" x2="{_WIDTH - _RIGHT}" y2="{y:.1f}"/>'
        yield f'<text x="{_LEFT - 8}" y="{y + 5:.1f}" text-anchor="end">{chance:.0%}</text>'
    for share in ticks:
        x = _x(share, right)
        yield f'<line class="axis" x1="{x:.1f}" y1="{bottom}" x2="{x:.1f}" y2="{bottom + 5}"/>'
        yield f'<text x="{x:.1f}" y="{bottom + 36}" text-anchor="middle">{share * 100:.3g}%</text>'
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    yield '<text x="8" y="22">chance of an audit as good as this one</text>'
    yield f'<text x="{middle:.0f}" y="{_HEIGHT - 10}" text-anchor="middle">share of these labels that is wrong</text>'


def _curve(stratum: Stratum, part: LotCertificate, right: float, letter: str, place: int) -> Iterator[str]:
    """The chance by the share that is wrong, its part of delta as a dotted line, and the bound where both meet, dashed."""
    shares = [right * step / _STEPS for step in range(_STEPS + 1)]
    points = [f"{_x(each, right):.1f},{_y(part.chance(round(each * stratum.labels))):.1f}" for each in shares]
    bound, floor = _x(part.wrong_at_most / stratum.labels, right), _y(part.delta)
    ink = f"of-{letter}"
    yield f'<polyline class="{ink}" points="{" ".join(points)}"/>'
    yield f'<line class="delta {ink}" x1="{_LEFT}" y1="{floor:.1f}" x2="{_WIDTH - _RIGHT}" y2="{floor:.1f}"/>'
    yield f'<line class="bound {ink}" x1="{bound:.1f}" y1="{_TOP}" x2="{bound:.1f}" y2="{_HEIGHT - _BOTTOM}"/>'
    yield f'<text class="mark {ink}" x="{bound + 6:.1f}" y="{_TOP + 20 + 26 * place}">{letter}</text>'
