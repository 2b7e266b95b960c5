"""What a simulation came to, in words. Whatever is said of several runs says of which."""

from __future__ import annotations

from streamlabel.core.control import GateState
from streamlabel.gate import Run, Simulation
from streamlabel.gate.answers_wanted import in_words
from streamlabel.gate.runs import Spread

_FIRST_SHOWN, _LAST_SHOWN = 7, 5


def told(found: Simulation) -> str:
    """All of it, for a terminal."""
    lines = [_labelled(found), _asked(found)]
    if len(found.runs) > 1:
        low, high = found.violation_ci
        lines.append(
            f"Runs above alpha: {found.violations} of {len(found.runs)} (95 % interval of the rate {low:.1%}–{high:.1%})."
        )
    lines.append(_opened(found))
    lines += _noticed(found)
    first = found.runs[0]
    if first.transitions:
        lines.append(f"Run 1 of {len(found.runs)}, by record:" if len(found.runs) > 1 else "By record:")
        lines += _abridged(_events(first))
        if first.opened_at is not None and first.transitions[-1].state is not GateState.CERTIFIED:
            lines.append(f"  {'':>9}  closed to the end: {_why_closed(first, found.alpha)}")
    return "\n".join(lines)


def _labelled(found: Simulation) -> str:
    several = len(found.runs) > 1
    last = sum(run.coverage_last_quarter for run in found.runs) / len(found.runs)
    mean = f", in the mean of {len(found.runs)} runs" if several else ""
    return (
        f"Labelled by the model{mean}: {found.coverage:.1%} of {found.records:,} records ({last:.1%} of the last quarter); "
        f"wrong of those: {_error(found.error)} (allowed: {found.alpha:.2%})."
    )


def _error(rate: float | None) -> str:
    """A share of wrong labels; of no labels there is none."""
    return "–" if rate is None else f"{rate:.2%}"


def _asked(found: Simulation) -> str:
    count = len(found.runs)
    answers = sum(run.answers for run in found.runs) / count
    seconds = sum(run.second_answers for run in found.runs) / count
    twice = f", {seconds:,.0f} of them a second time about the same record" if seconds else ""
    return f"People were asked {answers:,.0f} times{twice}{' (mean)' if count > 1 else ''}."


def _opened(found: Simulation) -> str:
    runs, opening, first = len(found.runs), found.opening, found.runs[0]
    why = _why_closed(first, found.alpha)
    if opening is None:
        return f"The gate never opened: {why}" if runs == 1 else f"The gate opened in none of {runs} runs. Run 1: {why}"
    if runs == 1:
        return f"The gate opened first after {opening.low:,} records."
    never = "" if first.opened_at is not None else f" In run 1 it never did: {why}"
    return f"The gate opened in {opening.runs} of {runs} runs, first after {_spread(opening, 'records')}.{never}"


def _why_closed(run: Run, alpha: float) -> str:
    """Why it is closed at the end of the stream."""
    taken = run.overlooked_bound
    looks = "" if taken is None else f"second looks leave {max(alpha - taken, 0):.2%} of the {alpha:.2%}, at most; "
    if run.answers_needed is None:
        if taken is not None:
            return f"{looks}no number of answers like these is likely to do."
        return f"nowhere did the answers look as if clearly fewer than {alpha:.2%} were wrong."
    return f"{looks}{in_words(run.answers_needed)} more calibration answers were wanted."


def _noticed(found: Simulation) -> list[str]:
    runs, lines = len(found.runs), []
    if found.change_at is not None:
        delay, change = found.detection_delay, f"The change at {found.change_at:,} was"
        if delay is None:
            lines.append(f"{change} not noticed." if runs == 1 else f"{change} noticed in none of {runs} runs.")
        elif runs == 1:
            lines.append(f"{change} noticed after {delay.low:,} records.")
        else:
            lines.append(f"{change} noticed in {delay.runs} of {runs} runs, after {_spread(delay, 'records')}.")
    suspects = found.suspects
    if suspects is not None and suspects.high:
        lines.append(f"Set between a change and the closing, so suspect: {_spread(suspects, 'labels')}.")
    return lines


def _spread(spread: Spread, unit: str) -> str:
    told = f"{spread.median:,.0f} {unit.removesuffix('s') if spread.median == 1 else unit}"
    return told if spread.low == spread.high else f"{told} (median; {spread.low:,}–{spread.high:,})"


def _events(run: Run) -> list[str]:
    """Openings and closings; certificates that follow on one another are one line."""
    lines: list[str] = []
    certified = anew = 0
    for each in run.transitions:
        if each.state is not GateState.CERTIFIED:
            lines.append(f"  {each.place:>9,}  {each.state.value}: {each.reason}")
            certified = anew = 0
            continue
        passes = f"from score {each.threshold:.4g} on; {each.errors:,} wrong among {each.count:,} answers"
        if not certified:
            lines.append(f"  {each.place:>9,}  opened: {passes}")
        else:
            if anew:
                lines.pop()
            anew += 1
            times = "certified anew" if anew == 1 else f"certified anew for the {_nth(anew)} time"
            lines.append(f"  {each.place:>9,}  {times}: {passes}")
        certified += 1
    return lines


def _nth(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _abridged(lines: list[str]) -> list[str]:
    left_out = len(lines) - _FIRST_SHOWN - _LAST_SHOWN
    if left_out <= 1:
        return lines
    return [*lines[:_FIRST_SHOWN], f"  {'…':>9}  {left_out:,} more, all in --json", *lines[-_LAST_SHOWN:]]
