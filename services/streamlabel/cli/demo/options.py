"""What one demo is to do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """`records` None: each record that there is once, or without end. `per_second` 0: as fast as it goes.

    `annotators` 0: people answer in the browser. `annotator_error` None: as people err in that demo.
    `drift`: from the middle of the records on all digits are turned.
    """

    records: int | None
    endless: bool
    drift: bool
    per_second: float
    annotators: int
    annotator_error: float | None
    think_time_s: float
    exit_when_done: bool
    report: Path | None
    patience_s: float
