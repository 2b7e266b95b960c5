"""A lot's certificate as a picture: how likely so good an audit is, were so many labels wrong. Drawn as SVG, without a library."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from streamlabel.gate.lot import LotCertificate, Stratum

_WIDTH, _HEIGHT = 640, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 24, 12, 40
_STEPS = 80
_INKS = ("#1d4ed8", "#b45309", "#15803d", "#7e22ce")
_AHEAD = 2.5
_TICKS = 5


def plot(strata: Sequence[Stratum], parts: Sequence[LotCertificate]) -> str:
    """One curve a stratum, four at most (those of the most labels); each ends being likely where its bound stands.

    One in which nobody looked has none: whatever is wrong there, so good an audit was certain.
    """
    shown = sorted(zip(strata, parts, strict=True), key=lambda each: -each[0].labels)[: len(_INKS)]
    bounds = [_share(part.wrong_at_most, stratum) for stratum, part in shown if part.audited]
    right = min(1.0, _AHEAD * max(bounds, default=0.0)) or 1.0
    drawn = [_frame(right)]
    for place, (stratum, part) in enumerate(shown):
        drawn.append(_curve(stratum, part, right, _INKS[place], place))
    title = "The chance that the audit finds as few wrong labels as it did, by the share of labels that are wrong"
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}" '
        f'xmlns="http://www.w3.org/2000/svg" fill="#374151">{"".join(drawn)}</svg>'
    )


def _share(wrong: int, stratum: Stratum) -> float:
    return wrong / stratum.labels


def _x(share: float, right: float) -> float:
    return _LEFT + (_WIDTH - _LEFT - _RIGHT) * share / right


def _y(chance: float) -> float:
    return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - chance)


def _frame(right: float) -> str:
    """Axes with their words."""
    parts = []
    for tick in range(_TICKS + 1):
        share, chance = right * tick / _TICKS, tick / _TICKS
        x, y = _x(share, right), _y(chance)
        parts.append(f'<line x1="{_LEFT}" y1="{y:.1f}" x2="{_WIDTH - _RIGHT}" y2="{y:.1f}" stroke="#e5e7eb"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{chance:.0%}</text>')
        parts.append(f'<text x="{x:.1f}" y="{_HEIGHT - _BOTTOM + 16}" text-anchor="middle">{share:.2%}</text>')
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    parts.append(
        f'<text x="{middle:.0f}" y="{_HEIGHT - 6}" text-anchor="middle">share of these labels that is wrong</text>'
    )
    return "".join(parts)


def _curve(stratum: Stratum, part: LotCertificate, right: float, ink: str, place: int) -> str:
    """The chance by the share that is wrong, delta as a dashed line, and the bound where both meet."""
    words = f"lane rate {stratum.lane_rate:.1%}: {part.wrong_at_most:,} of {stratum.labels:,} at most"
    legend = f'<text x="{_WIDTH - _RIGHT - 4}" y="{_TOP + 16 + 16 * place}" text-anchor="end" fill="{ink}">{escape(words)}</text>'
    if not part.audited:
        return legend
    shares = [right * step / _STEPS for step in range(_STEPS + 1)]
    points = [f"{_x(each, right):.1f},{_y(part.chance(round(each * stratum.labels))):.1f}" for each in shares]
    bound, floor = _x(_share(part.wrong_at_most, stratum), right), _y(part.delta)
    return (
        f'<polyline points="{" ".join(points)}" fill="none" stroke="{ink}" stroke-width="2"/>'
        f'<line x1="{_LEFT}" y1="{floor:.1f}" x2="{_WIDTH - _RIGHT}" y2="{floor:.1f}" stroke="{ink}" stroke-dasharray="2 4"/>'
        f'<line x1="{bound:.1f}" y1="{_TOP}" x2="{bound:.1f}" y2="{_HEIGHT - _BOTTOM}" stroke="{ink}" stroke-dasharray="6 3"/>'
        f"{legend}"
    )
