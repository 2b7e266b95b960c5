"""What simulated streams came to: of each run, and over all of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from streamlabel.core.control import GateState
from streamlabel.gate.binomial import interval
from streamlabel.gate.keeper import Transition
from streamlabel.gate.sequence import Certificate

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_CONFIDENCE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A stretch of the stream: from place `begin` up to `end`. `error` is wrong ÷ set by the model, None where it set none."""

    begin: int
    end: int
    coverage: float
    error: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one run came to. `error` is wrong ÷ set by the model, against the truth; None where it set none.

    `answers` is how often people were asked, `second_answers` of these a second time about the same record; `detection_delay` the
    records between the change and the gate's closing, None without either; `suspects` the labels set since the estimated change,
    over all closings.

    `answers_needed` is how many more calibration answers were likely to open the gate at the end of the stream; 0 where it was
    open, None where no number was. `overlooked_bound` is what second answers took of alpha then, over all evidence; None without.
    """

    coverage: float
    coverage_last_quarter: float
    error: float | None
    error_last_quarter: float | None
    answers: int
    second_answers: int
    transitions: tuple[Transition, ...] = field(repr=False)
    detection_delay: int | None
    suspects: int
    guard: float
    windows: tuple[Window, ...] = field(repr=False)
    threshold: float
    certificate: Certificate | None
    answers_needed: int | None
    overlooked_bound: float | None

    @property
    def opened_at(self) -> int | None:
        """After how many records it was certified first; None if it never was."""
        return next((each.place for each in self.transitions if each.state is GateState.CERTIFIED), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A number over several runs: the middle one, the lowest, the highest, and of how many runs."""

    median: float
    low: int
    high: int
    runs: int

    @classmethod
    def of(cls, numbers: Iterable[int | None]) -> Spread | None:
        """Of those that are there; None where none is."""
        known = [number for number in numbers if number is not None]
        if not known:
            return None
        return cls(median=float(np.median(known)), low=min(known), high=max(known), runs=len(known))


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """All runs; a run whose error is above alpha is a violation. `violation_ci` holds the true rate in 95 % of all simulations."""

    alpha: float
    delta: float
    runs: tuple[Run, ...]
    change_at: int | None = None

    @property
    def violations(self) -> int:
        """How many runs have an error above alpha."""
        return sum(run.error is not None and run.error > self.alpha for run in self.runs)

    @property
    def violation_rate(self) -> float:
        """The share of runs whose error is above alpha."""
        return self.violations / len(self.runs)

    @property
    def violation_ci(self) -> tuple[float, float]:
        """An exact interval for it (Clopper and Pearson, 1934)."""
        return interval(self.violations, len(self.runs), _CONFIDENCE)

    @property
    def coverage(self) -> float:
        """The share of the stream that the model labelled, in the mean of all runs."""
        return float(np.mean([run.coverage for run in self.runs]))

    @property
    def error(self) -> float | None:
        """The mean error of the runs in which the model labelled anything; None where it did in none."""
        known = [run.error for run in self.runs if run.error is not None]
        return float(np.mean(known)) if known else None

    @property
    def records(self) -> int:
        """The length of the stream."""
        return self.runs[0].windows[-1].end

    @property
    def opening(self) -> Spread | None:
        """After how many records the gate opened first, in the runs in which it did."""
        return Spread.of(run.opened_at for run in self.runs)

    @property
    def detection_delay(self) -> Spread | None:
        """After how many records the change was noticed, in the runs in which it was."""
        return Spread.of(run.detection_delay for run in self.runs)

    @property
    def suspects(self) -> Spread | None:
        """How many labels were suspect."""
        return Spread.of(run.suspects for run in self.runs)

    @property
    def threshold(self) -> float:
        """The threshold at the end of the first run."""
        return self.runs[0].threshold

    @property
    def certificate(self) -> Certificate | None:
        """The certificate at the end of the first run."""
        return self.runs[0].certificate

    def plot(self, name: str = "") -> Figure:
        """Coverage and error over the stream, with what the gate did. Needs matplotlib.

        `name` is that of the stream, for the title.
        """
        from streamlabel.gate.plot import plot_simulation

        return plot_simulation(self, name)
